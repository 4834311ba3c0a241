//! The resources of a cache's model: what each key has at a moment, its opener, and sources that check
//! how they are called.

use std::ffi::{c_int, c_void};
use std::slice;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Barrier, Mutex};

use spoolbuf::ffi::abi::{sb_opened, sb_source_flag};

pub const KEYS: usize = 12;

/// One more than the most versions that a resource can have.
const VERSIONS: u64 = 4096;

/// A pseudo-random sequence.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// The byte of a version of a resource.
pub fn byte_at(key: usize, version: u64, offset: u64) -> u8 {
    let start = (key as u64 * VERSIONS + version + 1).wrapping_mul(1_000_003);
    ((start + offset).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 53) as u8
}

/// The resources differ in size, and each version of one has a size of its own.
pub fn size_of(key: usize, version: u64) -> u64 {
    100_000 + key as u64 * 90_000 + version
}

pub fn version_of(key: usize, size: u64) -> u64 {
    size - size_of(key, 0)
}

#[derive(Default)]
pub struct Resource {
    pub version: AtomicU64,
    /// Openers inside now.
    inside: AtomicUsize,
    /// How often the key was removed: a later open does not wait for an opener that runs.
    pub removals: AtomicUsize,
    pub opens: AtomicUsize,
    /// How many of the next openers fail.
    pub failures: AtomicUsize,
}

#[derive(Default)]
pub struct World {
    pub resources: [Resource; KEYS],
    pub opened: AtomicUsize,
    pub closed: AtomicUsize,
    pub pulled: AtomicU64,
    /// How many of the next pulls fail.
    pub source_failures: AtomicUsize,
    /// Where the sources wait for each other in their first calls.
    pub meeting: Option<Barrier>,
    pub random: Mutex<Option<Random>>,
}

struct Track {
    world: *const World,
    key: usize,
    version: u64,
    inside: bool,
    at: u64,
}

/// Takes one of what is left.
fn takes_one(left: &AtomicUsize) -> bool {
    left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
        .is_ok()
}

/// Keys whose resources have no tag, and keys whose sources can seek.
fn has_tag(key: usize) -> bool {
    key % 4 != 3
}

fn seeks(key: usize) -> bool {
    key % 2 == 0
}

impl World {
    fn draw(&self, end: u64) -> u64 {
        let mut random = self.random.lock().expect("no panic");
        random
            .get_or_insert(Random(88_172_645_463_325_252))
            .below(end)
    }
}

pub unsafe extern "C-unwind" fn open_track(
    opaque: *mut c_void,
    key: *const c_void,
    key_size: usize,
    old_tag: u64,
    out: *mut sb_opened,
) -> c_int {
    let world = unsafe { &*opaque.cast::<World>() };
    assert_eq!(key_size, 1);
    let key = usize::from(unsafe { slice::from_raw_parts(key.cast::<u8>(), 1)[0] });
    let (resource, out) = (&world.resources[key], unsafe { &mut *out });
    let removals = resource.removals.load(SeqCst);
    let others = resource.inside.fetch_add(1, SeqCst);
    // One at a time, unless the key was removed while the first one ran.
    assert!(others == 0 || removals > 0, "two openers of key {key}");
    resource.opens.fetch_add(1, SeqCst);
    for _ in 0..world.draw(20) {
        std::thread::yield_now();
    }
    resource.inside.fetch_sub(1, SeqCst);
    if takes_one(&resource.failures) {
        return -77;
    }
    let version = resource.version.load(SeqCst);
    out.tag = if has_tag(key) { version + 1 } else { 0 };
    out.size = size_of(key, version);
    if old_tag != 0 && old_tag == out.tag && world.draw(2) == 0 {
        return 0;
    }
    let track = Track {
        world,
        key,
        version,
        inside: false,
        at: 0,
    };
    out.source.opaque = Box::into_raw(Box::new(track)).cast();
    out.source.pull = Some(pull);
    out.source.close = Some(close);
    out.source.flags = if seeks(key) {
        sb_source_flag::SB_SOURCE_SEEKS as u32
    } else {
        0
    };
    world.opened.fetch_add(1, SeqCst);
    0
}

unsafe extern "C-unwind" fn pull(
    opaque: *mut c_void,
    offset: u64,
    out: *mut c_void,
    capacity: usize,
    count: *mut usize,
) -> c_int {
    let track = unsafe { &mut *opaque.cast::<Track>() };
    let world = unsafe { &*track.world };
    assert!(
        !std::mem::replace(&mut track.inside, true),
        "two threads are inside a source"
    );
    assert!(offset == track.at || seeks(track.key));
    if let (Some(meeting), 0) = (&world.meeting, offset) {
        meeting.wait();
    }
    let result = if takes_one(&world.source_failures) {
        -5
    } else {
        0
    };
    if result == 0 {
        let left = size_of(track.key, track.version).saturating_sub(offset);
        let most = (left as usize)
            .min(capacity)
            .min(30_000 + world.draw(40_000) as usize);
        let out = unsafe { slice::from_raw_parts_mut(out.cast::<u8>(), most) };
        for (offset, out) in (offset..).zip(out) {
            *out = byte_at(track.key, track.version, offset);
        }
        unsafe { count.write(most) };
        track.at = offset + most as u64;
        world.pulled.fetch_add(most as u64, SeqCst);
    }
    track.inside = false;
    result
}

unsafe extern "C-unwind" fn close(opaque: *mut c_void) {
    let track = unsafe { Box::from_raw(opaque.cast::<Track>()) };
    assert!(!track.inside, "a source is closed while a thread is inside");
    unsafe { &*track.world }.closed.fetch_add(1, SeqCst);
}
