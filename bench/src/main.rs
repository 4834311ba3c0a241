//! The bench of spoolbuf. See README.md beside this folder; `--help` tells the options.

mod contender;
mod drive;
mod files;
mod json;
mod kept;
mod machine;
mod markdown;
mod memory;
mod options;
mod outcome;
mod picture;
mod replay;
mod results;
mod rows;
mod size;
mod source;
mod stats;
mod table;
mod work;

use files::put;
use options::Options;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    if args.peek().is_some_and(|a| a == "work") {
        let args: Vec<_> = args.collect();
        return child(&args[1], &args[2], Path::new(&args[3]));
    }
    if args.next_if(|a| a == "replay").is_some() {
        return ended(replay::run(args).map(|()| false));
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
    let failed = |mut results: results::Results| {
        if options.add {
            kept::add(&mut results, &options.out.join("values"))?;
        }
        print!("{}", table::render(&results));
        report(&results, &options).map(|()| results.failed)
    };
    ended(drive::run(&options).and_then(failed))
}

/// The exit code of a run: whether a contender was wrong, or why there are no results.
fn ended(failed: Result<bool, String>) -> ExitCode {
    match failed {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => {
            eprintln!("bench: one that is there was wrong: see above");
            ExitCode::FAILURE
        }
        Err(text) => {
            eprintln!("bench: {text}");
            ExitCode::FAILURE
        }
    }
}

/// Writes a file of a report.
/// The report's files.
fn report(results: &results::Results, options: &Options) -> Result<(), String> {
    let dir = &options.out;
    put(&dir.join("values"), kept::render(results))?;
    put(&dir.join("bench.json"), json::render(results))?;
    put(&dir.join("bench.md"), markdown::render(results))?;
    put(&dir.join("bench.svg"), picture::render(results))?;
    println!("also in {}: bench.json, bench.md, bench.svg", dir.display());
    if options.publish {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        markdown::publish(results, &home.join("README.md"))?;
        put(&home.join("../docs/speed.svg"), picture::render(results))?;
    }
    Ok(())
}

/// One piece of work in this process; its values go to the standard output.
fn child(contender: &str, row: &str, dir: &Path) -> ExitCode {
    let contender = contender::by_name(contender).expect("a contender's name");
    // Also loads the libraries of contenders, so that no row measures that.
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
