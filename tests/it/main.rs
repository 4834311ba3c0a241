//! The tests that `cargo test` runs in addition to the unit tests: one program, a module for each
//! topic.
//!
//! The tests run on several threads of one process. A test that forks, or that changes or measures
//! state of the whole process (its directory, umask, limits, environment, signals, memory,
//! threads), calls `child::alone` first, which runs it in a process of its own.

/// Tests of the Rust API that need neither a compiler nor another program: `.ci/asan` runs all of these,
/// `.ci/tsan` nearly all, `.ci/windows` some.
mod api {
    mod common_traits;
    mod cursor;
    mod faults;
    mod interleaved;
    #[cfg(target_os = "linux")]
    mod midway;
    mod pieces;
    mod push;
    mod reopen;
    mod reuse;
    mod seek;
    mod small_pieces;
    #[cfg(unix)]
    mod sources;
    mod threads;
    mod trouble;
    mod turns;
}

#[cfg(target_os = "linux")]
mod abi;
#[cfg(target_os = "linux")]
mod c;
mod circles;
#[cfg(unix)]
mod feed;
#[cfg(target_os = "linux")]
mod fuzz;
#[cfg(unix)]
mod play;
#[cfg(target_os = "linux")]
mod save;
#[cfg(target_os = "linux")]
mod soak;
#[cfg(target_os = "linux")]
mod storage;
#[cfg(target_os = "linux")]
mod symbols;

#[cfg(unix)]
#[path = "../support/child.rs"]
mod child;
#[cfg(target_os = "linux")]
#[path = "../support/files.rs"]
mod files;
#[cfg(target_os = "linux")]
#[path = "../support/handle.rs"]
mod handle;
#[cfg(target_os = "linux")]
#[path = "../support/library.rs"]
mod library;
#[cfg(target_os = "linux")]
#[path = "../support/mount.rs"]
mod mount;
#[path = "../support/options.rs"]
mod options;
#[path = "../support/skip.rs"]
mod skip;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tap.rs"]
mod tap;
#[path = "../support/tempfile.rs"]
mod tempfile;
#[cfg(target_os = "linux")]
#[path = "../support/without.rs"]
mod without;
