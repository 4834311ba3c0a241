//! `include/spoolbuf.h` is what `src/` says. `BLESS=1 cargo full --test it header::` rewrites it.

use std::path::Path;

#[test]
fn header_is_current() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
    let mut generated = Vec::new();
    cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/lib.rs"))
        .generate()
        .expect("cbindgen")
        .write(&mut generated);
    let generated = String::from_utf8(generated).expect("UTF-8");
    let path = root.join("include/spoolbuf.h");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &generated).expect("written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        generated == committed,
        "include/spoolbuf.h is not what src/ says; BLESS=1 cargo full --test it header:: rewrites it"
    );
}
