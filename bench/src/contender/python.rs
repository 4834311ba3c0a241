//! Contenders that are driven from Python: `contender.py` does the work.

use super::buffer::Buffer;
use super::spoolbuf::LIBRARY;
use crate::source::Source;
use std::path::Path;
use std::process::Command;

/// The variable that names the interpreter, for packages that not every one can run.
pub const INTERPRETER: &str = "SPOOLBUF_BENCH_PYTHON";

/// A command that runs Python so that it finds our package.
pub fn command() -> Command {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(std::env::var_os(INTERPRETER).unwrap_or("python3".into()));
    command
        .env("PYTHONPATH", home.join("../bindings/python/src"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    if let Some(library) = std::env::var_os(LIBRARY) {
        command.env("SPOOLBUF_LIBRARY", library);
    }
    command
}

/// Why our package does not run, if it does not.
pub fn ours_missing() -> Option<String> {
    missing("spoolbuf")
}

/// Why the package buffer does not run, if it does not.
pub fn buffer_missing() -> Option<String> {
    missing("buffer")
}

fn missing(package: &str) -> Option<String> {
    let code = format!("from {package} import StreamBuffer");
    let output = match command().args(["-c", &code]).output() {
        Ok(output) if output.status.success() => return None,
        Ok(output) => output,
        Err(e) => return Some(format!("Python: {e}")),
    };
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().last().unwrap_or_default().to_owned();
    Some(format!(
        "{last}; {INTERPRETER} may name an interpreter that has it"
    ))
}

/// Not possible from Rust.
pub fn open(_: Source, _: u64) -> Box<dyn Buffer> {
    unreachable!("driven from Python")
}
