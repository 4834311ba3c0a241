//! Where and when a run was made, for the report.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Names and values, in the order of the report.
pub fn facts(dir: &Path) -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = line("/proc/cpuinfo", "model name").unwrap_or_else(|| said("uname", &["-m"]));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    vec![
        ("date", said("date", &["-u", "+%Y-%m-%d"])),
        ("processor", format!("{cpu}, {cores} cores")),
        ("memory", memory().unwrap_or_default()),
        ("system", said("uname", &["-sr"])),
        ("file system", file_system(dir)),
        ("compiler", said("rustc", &["--version"])),
        (
            "load after",
            load.split(' ').next().unwrap_or_default().to_owned(),
        ),
    ]
}

fn memory() -> Option<String> {
    let kib: f64 = line("/proc/meminfo", "MemTotal")?
        .trim_end_matches(" kB")
        .parse()
        .ok()?;
    Some(format!("{:.0} GiB", kib / 1024.0 / 1024.0))
}

fn file_system(dir: &Path) -> String {
    let text = said("df", &["--output=fstype", &dir.display().to_string()]);
    text.lines().last().unwrap_or_default().to_owned()
}

fn line(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|l| l.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// A command's output; empty if it fails.
pub fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).env("LC_ALL", "C").output();
    let ok = output.ok().filter(|o| o.status.success());
    ok.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
        .unwrap_or_default()
}
