//! The bench of spoolbuf. See README.md beside this folder; `--help` tells the options.

mod contender;
mod drive;
mod memory;
mod options;
mod rows;
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
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("bench: {text}");
            ExitCode::FAILURE
        }
    }
}

/// One piece of work in this process; its values go to the standard output.
fn child(contender: &str, row: &str, dir: &Path) -> ExitCode {
    let contender = contender::by_name(contender).expect("a contender's name");
    if row == "missing" {
        if let Some(why) = (contender.missing)() {
            println!("missing {why}");
        }
        return ExitCode::SUCCESS;
    }
    let work = match row {
        "check" => work::Work::Check,
        _ => rows::by_id(row).expect("a row's name").work,
    };
    for (metric, value) in work.run(contender, dir) {
        println!("{metric} {value}");
    }
    ExitCode::SUCCESS
}
