//! What reads any file: stdio, and archives.

use std::process::Command;

use super::{adler, meets_a_full_disk, plays, ready, stops};
use crate::library::HANGS_AFTER;
use crate::player::{Player, media};

#[test]
fn stdio() {
    let Some(player) = ready("stdio", &[]) else {
        return;
    };
    let bytes = std::fs::read(media().expect("media").path("film.mkv")).expect("a file");
    let expected = [
        format!("size {}", bytes.len()),
        format!("sum {}", adler(&bytes)),
        format!("again from {}", bytes.len() - 100),
        "ended".to_owned(),
    ];
    plays(&player, "film.mkv", &expected);
    meets_a_full_disk_by_errno(&player);
    stops(&player, "film.mkv");
}

/// As `meets_a_full_disk`, for what has no error but errno's.
fn meets_a_full_disk_by_errno(player: &Player) {
    if let Some(played) = player.play_with_small_disk("film.mkv", "fail") {
        assert!(played.contains("No space left on device"), "{played}");
    }
}

const ARCHIVED: [&str; 2] = ["film.mkv", "sound.wav"];

pub(super) const ARCHIVERS: [&[&str]; 3] = [
    &["tar", "-czf"],
    &["tar", "-cf"],
    &["python3", "-m", "zipfile", "-c"],
];

/// Makes an archive among the media.
pub(super) fn pack(media: &crate::player::Media, name: &str, maker: &[&str]) {
    let mut command = Command::new(maker[0]);
    command.args(&maker[1..]).arg(name).args(ARCHIVED);
    command.current_dir(media.path(""));
    crate::library::run(&mut command, HANGS_AFTER).expect_success(name);
}

#[test]
fn archive() {
    let Some((media, player)) = media().zip(ready("archive", &["libarchive"])) else {
        return;
    };
    let folder = media.path("");
    let mut expected = vec!["ended".to_owned()];
    for name in ARCHIVED {
        let bytes = std::fs::read(folder.join(name)).expect("a file");
        expected.push(format!("{name} {} {}", bytes.len(), adler(&bytes)));
    }
    let names = ["things.tar.gz", "things.tar", "things.zip"];
    for (name, maker) in names.into_iter().zip(ARCHIVERS) {
        pack(media, name, maker);
        plays(&player, name, &expected);
        stops(&player, name);
    }
    meets_a_full_disk(&player, "things.tar.gz", &expected);
}
