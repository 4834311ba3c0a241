//! The soak in `tests/soak`: 10,000 resources through a cache of 64 MiB, measured from outside the library.
//! Briefly here, or for the seconds in SPOOLBUF_SOAK_SECONDS: `.ci/deep` runs it for ten minutes.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::files::names;
use crate::library::{HANGS_AFTER, compile_folder, run, scratch};

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| compile_folder("soak"))
}

fn soak(seconds: u64, spool: &Path) -> Command {
    let mut command = Command::new(program());
    command.arg(seconds.to_string()).arg(spool);
    command
}

#[test]
fn stays_within_its_budgets() {
    let given = std::env::var("SPOOLBUF_SOAK_SECONDS").ok();
    let seconds = given.map_or(4, |text| text.parse().expect("a number"));
    let spool = crate::tempfile::tempdir_in(scratch()).expect("a directory");
    let mut command = soak(seconds, spool.path());
    let outcome = run(&mut command, Duration::from_secs(seconds) + HANGS_AFTER);
    outcome.expect_success("tests/soak");
    println!("{}", outcome.output);
    assert!(names(spool.path()).is_empty(), "files are left");
}

/// Kills it once it has filled a part of its disk space.
#[test]
fn leaves_nothing_when_it_is_killed() {
    let spool = crate::tempfile::tempdir_in(scratch()).expect("a directory");
    let mut command = soak(100, spool.path());
    command.stdout(Stdio::piped()).process_group(0);
    let mut child = command.spawn().expect("a process");
    wait_until_it_spools(&mut child);
    assert!(
        holders(spool.path()).contains(&child.id()),
        "it has no spool file to leave behind"
    );
    child.kill().expect("a process");
    child.wait().expect("a process");
    assert!(names(spool.path()).is_empty(), "files are left");
    assert_eq!(holders(spool.path()), [0; 0], "processes with its files");
    // SAFETY: a plain call, which sends nothing; the group was the child's own.
    let group = unsafe { libc::kill(-(child.id() as i32), 0) };
    assert_eq!(group, -1, "a process of it is left");
}

fn wait_until_it_spools(child: &mut Child) {
    let mut said = BufReader::new(child.stdout.take().expect("its output"));
    let mut line = String::new();
    said.read_line(&mut line).expect("a line");
    assert_eq!(line, "spooling\n");
}

/// The processes that have files of a directory open, with a name or without.
fn holders(directory: &Path) -> Vec<u32> {
    let number = |name: &OsStr| name.to_str().and_then(|name| name.parse().ok());
    let processes = names(Path::new("/proc"));
    let processes = processes.iter().filter_map(|name| number(name));
    processes
        .filter(|process| {
            let files = fs::read_dir(format!("/proc/{process}/fd"));
            let mut targets = files.into_iter().flatten().flatten();
            targets.any(|file| fs::read_link(file.path()).is_ok_and(|it| it.starts_with(directory)))
        })
        .collect()
}
