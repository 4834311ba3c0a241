//! The command line.

use std::path::PathBuf;

/// The help text.
pub const HELP: &str = "\
Measures spoolbuf, its alternatives and the limit of the machine.

  cargo run --release --manifest-path bench/Cargo.toml [-- OPTIONS]

  --quick            fewer rounds, without the slowest alternatives and Python, for tuning
  --only ROW[,ROW]   only these rows; a name also selects every row whose name begins with it
  --with NAME[,NAME] only these contenders; none of them may be missing
  --rounds N         how many times each is run (9; 3 with --quick)
  --rt               at a real-time priority, if permitted: steadier on a busy machine
  --library FILE     uses this shared library instead of building the repository's
  --dir DIR          where temporary files go (bench/target/spool)
  --out DIR          where the report goes (bench/report)
  --add              keeps the values already in DIR: a report made in parts
  --publish          also puts the tables into bench/README.md, the picture into docs/speed.svg
  --list             lists the rows and the contenders

  cargo run --release --manifest-path bench/Cargo.toml -- replay [OPTIONS]

Replays traces of requests against the cache's eviction policy and others. It measures no time.

  --rounds N         how many traces of each kind (9)
  --requests N       the requests of each trace (40000)
  --out DIR          where the report goes (bench/report)
  --publish          also puts the table into bench/README.md
";

const COMMAND: &str = "cargo run --release --manifest-path bench/Cargo.toml";

/// The user's options.
pub struct Options {
    pub only: Vec<String>,
    pub with: Vec<String>,
    pub rounds: usize,
    pub quick: bool,
    pub realtime: bool,
    pub library: Option<PathBuf>,
    pub dir: PathBuf,
    pub out: PathBuf,
    pub add: bool,
    pub publish: bool,
    pub list: bool,
    /// The arguments that mean the same.
    pub command: String,
}

impl Options {
    /// From the arguments after the program's name.
    pub fn parse(args: impl Iterator<Item = String>) -> Result<Options, String> {
        let home = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut options = Options {
            only: Vec::new(),
            with: Vec::new(),
            rounds: 0,
            quick: false,
            realtime: false,
            library: None,
            dir: home.join("target/spool"),
            out: home.join("report"),
            add: false,
            publish: false,
            list: false,
            command: COMMAND.to_owned(),
        };
        let args: Vec<_> = args.collect();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            let names = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
            match arg.as_str() {
                "--quick" => options.quick = true,
                "--rt" => options.realtime = true,
                "--add" => options.add = true,
                "--publish" => options.publish = true,
                "--list" => options.list = true,
                "--only" => options.only.extend(names(value()?)),
                "--with" => options.with.extend(names(value()?)),
                "--rounds" => {
                    options.rounds = value()?.parse().map_err(|e| format!("--rounds: {e}"))?;
                }
                "--library" => options.library = Some(value()?.into()),
                "--dir" => options.dir = value()?.into(),
                "--out" => options.out = value()?.into(),
                "--help" | "-h" => return Err(HELP.to_owned()),
                _ => return Err(format!("{arg} is not known\n\n{HELP}")),
            }
        }
        if options.rounds == 0 {
            options.rounds = if options.quick { 3 } else { 9 };
        }
        options.command = options.again();
        Ok(options)
    }

    /// The arguments that mean the same, without paths and without the parts of the run.
    fn again(&self) -> String {
        let mut command = COMMAND.to_owned();
        let mut say = |when: bool, words: &str| {
            if when {
                command += if command == COMMAND { " -- " } else { " " };
                command += words;
            }
        };
        say(self.quick, "--quick");
        say(self.realtime, "--rt");
        let usual = if self.quick { 3 } else { 9 };
        say(self.rounds != usual, &format!("--rounds {}", self.rounds));
        let named = |names: &[String]| !names.is_empty() && !self.add;
        say(
            named(&self.only),
            &format!("--only {}", self.only.join(",")),
        );
        say(
            named(&self.with),
            &format!("--with {}", self.with.join(",")),
        );
        command
    }

    /// Whether the contender of that name was requested.
    pub fn takes(&self, contender: &str) -> bool {
        self.with.is_empty() || self.with.iter().any(|name| name == contender)
    }
}
