//! The memory of this process in MiB, as the system reports it.

use std::fs;

/// Now.
pub fn now() -> f64 {
    line("/proc/self/smaps_rollup", "Rss:")
}

/// The peak since `forget_peak`.
pub fn peak() -> f64 {
    line("/proc/self/status", "VmHWM:")
}

/// The part that is pages of files: the code of programs and libraries.
pub fn files() -> f64 {
    line("/proc/self/status", "RssFile:")
}

/// Resets the peak.
pub fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Raises this process's limit of open files as far as possible.
pub fn many_files() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: plain calls with a struct of this function's own.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
}

fn line(path: &str, name: &str) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let kib = text
        .lines()
        .find_map(|l| l.strip_prefix(name))
        .and_then(|l| l.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or_else(|| panic!("{path} has no {name}")) / 1024.0
}
