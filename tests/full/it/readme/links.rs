//! The links of the README, which the page of the crate has too.

use std::fs;

use crate::checkout::README;
use crate::foreign::command;
use crate::library::root;

/// The links of the README, by name. They are defined at its end, so that the crate's page, which is at another
/// place, can define them before (see `packaging/crate-links.md`).
fn links() -> Vec<(&'static str, &'static str)> {
    let lines = README.lines().filter(|line| line.starts_with('['));
    let links: Vec<_> = lines
        .filter_map(|line| line[1..].split_once("]: "))
        .collect();
    assert!(links.len() >= 20, "{links:?}");
    links
}

#[test]
fn links_lead_somewhere() {
    for (name, link) in links() {
        // The headings are checked by `.ci/quick`.
        let file = link.split('#').next().expect("a part");
        assert!(root().join(file).exists(), "{link}");
        assert!(README.contains(&format!("][{name}]")), "{name} is not used");
    }
    let inline = README.split("](").skip(1);
    for link in inline.filter_map(|text| text.split(')').next()) {
        assert!(
            link.contains("://"),
            "{link} leads nowhere on the crate's page"
        );
    }
}

/// What comes before the README on the crate's page: the same links, to the files of the published crate, and
/// the picture itself. `BLESS=1 cargo full --test it readme::` rewrites it.
#[test]
fn links_of_the_crate_are_current() {
    let mut page = String::new();
    for (name, link) in links() {
        let target = if name == "picture" {
            let bytes = fs::read(root().join(link)).expect("a picture");
            format!("data:image/svg+xml;base64,{}", base64(&bytes))
        } else {
            format!("https://docs.rs/crate/spoolbuf/latest/source/{link}")
        };
        page += &format!("[{name}]: {target}\n");
    }
    let path = root().join("packaging/crate-links.md");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &page).expect("written");
    }
    let stale = "packaging/crate-links.md is not what README.md says; BLESS=1 cargo full --test it readme:: rewrites it";
    assert!(
        fs::read_to_string(&path).is_ok_and(|old| old == page),
        "{stale}"
    );
}

fn base64(bytes: &[u8]) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three
            .iter()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = letters[(word >> (18 - 6 * at) & 63) as usize];
            text.push(if at > three.len() { '=' } else { letter.into() });
        }
    }
    text
}

/// Every file that the README leads to is in the crate that is published.
#[test]
fn links_lead_into_the_crate() {
    let listed = command("cargo", root())
        .args(["package", "--list", "--allow-dirty"])
        .output();
    let listed = String::from_utf8(listed.expect("cargo runs").stdout).expect("UTF-8");
    let listed: Vec<&str> = listed.lines().collect();
    for (_, link) in links() {
        let file = link.split('#').next().expect("a part");
        assert!(
            listed.contains(&file),
            "{file} is not in the crate: see `include` in Cargo.toml"
        );
    }
}
