//! The programs of `tests/curl`, which print `ok` if all is as it should be.

use std::ffi::OsStr;
use std::process::Command;
use std::sync::OnceLock;

use super::Server;
use crate::library::{HANGS_AFTER, run};
use crate::player::Player;

pub(super) const SANITIZED: &str = "-fsanitize=address,undefined";

pub(super) struct Program {
    name: &'static str,
    source: &'static str,
    /// For the compiler.
    more: &'static [&'static str],
    built: OnceLock<Option<Player>>,
}

impl Program {
    pub(super) const fn new(
        name: &'static str,
        source: &'static str,
        more: &'static [&'static str],
    ) -> Program {
        Program {
            name,
            source,
            more,
            built: OnceLock::new(),
        }
    }

    /// Built at the first call; none, loudly, if libcurl is not installed.
    pub(super) fn get(&self) -> Option<&Program> {
        let build = || Player::build_as(self.name, self.source, &["libcurl"], self.more);
        self.built.get_or_init(build).as_ref().map(|_| self)
    }

    /// Runs one of its tests over a server's resource, with the numbers that this takes.
    #[track_caller]
    pub(super) fn ok(&self, server: &Server, what: &str, numbers: &[i64]) {
        let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
        let first = [what, &server.url];
        self.ok_with(first.into_iter().chain(numbers.iter().map(String::as_str)));
    }

    #[track_caller]
    pub(super) fn ok_with(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) {
        let mut command = self.command();
        let outcome = run(command.args(arguments), HANGS_AFTER);
        outcome.expect_success(&format!("{command:?}"));
        assert_eq!(outcome.output, "ok\n", "{command:?}");
    }

    pub(super) fn command(&self) -> Command {
        let player = self.built.get().and_then(Option::as_ref);
        Command::new(&player.expect("built by get()").program)
    }
}
