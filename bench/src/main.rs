//! The bench of spoolbuf. See README.md beside this folder; `--help` tells the options.

mod contender;
mod drive;
mod json;
mod machine;
mod memory;
mod options;
mod picture;
mod rows;
mod size;
mod source;
mod stats;
mod table;
mod work;

use options::Options;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    if args.peek().is_some_and(|a| a == "work") {
        let args: Vec<_> = args.collect();
        return child(&args[1], &args[2], Path::new(&args[3]));
    }
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::FAILURE;
        }
    };
    if options.list {
        table::list();
        return ExitCode::SUCCESS;
    }
    match drive::run(&options) {
        Ok(results) => {
            print!("{}", table::render(&results));
            report(&results, &options.out)
        }
        Err(text) => {
            eprintln!("bench: {text}");
            ExitCode::FAILURE
        }
    }
}

/// The report's files.
fn report(results: &drive::Results, dir: &Path) -> ExitCode {
    let files = [
        ("bench.json", json::render(results)),
        ("bench.svg", picture::render(results)),
    ];
    let write = |(name, text): &(&str, String)| std::fs::write(dir.join(name), text);
    match std::fs::create_dir_all(dir).and_then(|()| files.iter().try_for_each(write)) {
        Ok(()) => {
            println!("also in {}: bench.json, bench.svg", dir.display());
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("bench: {}: {e}", dir.display());
            ExitCode::FAILURE
        }
    }
}

/// One piece of work in this process; its values go to the standard output.
fn child(contender: &str, row: &str, dir: &Path) -> ExitCode {
    let contender = contender::by_name(contender).expect("a contender's name");
    // Also loads what is loaded at run time, so that no row is about that.
    let missing = (contender.missing)();
    if row == "missing" {
        missing.iter().for_each(|why| println!("missing {why}"));
        return ExitCode::SUCCESS;
    }
    let work = match row {
        "check" => work::Work::Check,
        _ => rows::by_id(row).expect("a row's name").work,
    };
    if let Some(package) = contender.package {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("contender.py");
        let words = work.words().expect("a work that Python does");
        let status = contender::python::command()
            .arg(script)
            .arg(package)
            .args(words)
            .status();
        return if status.is_ok_and(|s| s.success()) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    for (metric, value) in work.run(contender, dir) {
        println!("{metric} {value}");
    }
    ExitCode::SUCCESS
}
