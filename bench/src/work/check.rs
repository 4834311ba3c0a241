//! Checks that the bytes are right.

use super::opener::Opener;
use super::target::Target;
use super::values::{KIB, MIB, Values};
use crate::contender::MAX;
use crate::source::{Plan, mix};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads in all kinds of ways, on one thread and on two, and saves.
pub fn run(open: Opener, dir: &Path) -> Values {
    let size = 12 * MIB + 12_345;
    let plan = Plan {
        unique: true,
        ..Plan::new(size, 7_777)
    };
    let buffer = open(plan, MAX);
    let read = |i: u64, out: &mut [u8], span: u64| {
        let len = 1 + mix(i ^ 77) as usize % out.len();
        let off = mix(i) % span;
        let expected = len.min((size - off) as usize);
        assert_eq!(
            buffer.read(off, &mut out[..expected]),
            expected,
            "a read at {off}"
        );
        assert!(plan.agrees(off, &out[..expected]), "wrong bytes at {off}");
    };
    let mut out = vec![0; 100 * KIB];
    // Behind, at and past the frontier, which advances.
    for i in 0..200 {
        read(i, &mut out, size * (i + 1) / 200);
    }
    assert_eq!(buffer.read(size - 1, &mut out[..1]), 1);
    std::thread::scope(|scope| {
        for thread in 1..=2 {
            scope.spawn(move || {
                let mut out = vec![0; 100 * KIB];
                (0..200).for_each(|i| read(i + 1000 * thread, &mut out, size));
            });
        }
    });
    let target = Target(dir.join(format!("checked-{}", std::process::id())));
    if let Some(saved) = buffer.save(&target.0) {
        assert_eq!(saved, size);
        file(&target.0, &plan);
    }
    vec![("right", 1.0)]
}

/// Panics unless the file has exactly the bytes of `plan`.
pub fn file(path: &Path, plan: &Plan) {
    let mut file = File::open(path).expect("the saved file");
    let mut bytes = vec![0; MIB as usize];
    let mut off = 0;
    loop {
        let n = file.read(&mut bytes).expect("the saved file");
        if n == 0 {
            break;
        }
        assert!(plan.agrees(off, &bytes[..n]), "wrong bytes saved at {off}");
        off += n as u64;
    }
    assert_eq!(off, plan.size, "the saved file's size");
}
