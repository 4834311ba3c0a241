//! The static library: what it defines, beside another one of Rust, and in plugins.

use std::collections::BTreeSet;
use std::fs;

use super::{folder, shell};
use crate::foreign::{NEW, OLD, are_there, prefix};
use crate::library::root;

/// Its functions, and what C++ and Rust call the personality's pointer, of which a program keeps one.
#[test]
fn the_archive_defines_only_the_functions() {
    if !are_there("the archive", &["cmake", "cc"]) {
        return;
    }
    let list =
        "nm -g --defined-only -f posix libspoolbuf.a | cut -d ' ' -f 1 | grep -v ':$' | sort -u";
    let listed = shell(&prefix().join("lib"), list);
    let names: BTreeSet<&str> = listed.lines().filter(|name| !name.ends_with(']')).collect();
    let list = "nm -D --defined-only -f posix libspoolbuf.so | cut -d ' ' -f 1";
    let shared = shell(&prefix().join("lib"), list);
    let mut expected: BTreeSet<&str> = shared.lines().collect();
    assert!(expected.len() > 20 && expected.iter().all(|name| name.starts_with("sb_")));
    expected.insert("DW.ref.rust_eh_personality");
    assert_eq!(names, expected);
}

#[test]
fn beside_another_archive_of_rust() {
    if !are_there("another archive of Rust", &["cmake", "cc", "rustc"]) {
        return;
    }
    let place = folder("two archives");
    let other = "#[unsafe(no_mangle)]\npub extern \"C\" fn other(n: i32) -> i32 {\n    \
        std::panic::catch_unwind(|| if n > 1 { panic!(\"{n}\") } else { n }).unwrap_or(-1)\n}\n";
    fs::write(place.join("other.rs"), other).expect("written");
    // Before and after what needs them, since a linker takes the first that it finds.
    let program = "#include <spoolbuf.h>\nint other(int n);\n\
        static int64_t none(void *opaque, void *out, size_t capacity) { (void)opaque; (void)out; (void)capacity; return 0; }\n\
        int main(void) { sb_callback source = { .read = none }; char out[4];\n\
        sb_buffer *buffer = sb_new(&source, 0, SB_MAX_DEFAULT);\n\
        int bad = other(1) != 1 || other(2) != -1 || sb_read(buffer, 0, 4, out) != 0 || sb_save(buffer, \"saved\") != 0;\n\
        sb_free(buffer); return bad; }\n";
    fs::write(place.join("program.c"), program).expect("written");
    shell(
        &place,
        "rustc --edition 2024 --crate-type staticlib -C lto=fat -C opt-level=2 -o libother.a other.rs",
    );
    let installed = prefix().display();
    for order in ["libother.a libspoolbuf.a", "libspoolbuf.a libother.a"] {
        let commands = format!(
            "ln -sf '{installed}/lib/libspoolbuf.a' .; \
             cc -std=c99 -Wall -Wextra -Werror -I '{installed}/include' program.c {order} -lpthread -ldl -lm -o program; \
             ./program 2>/dev/null"
        );
        shell(&place, &commands);
    }
}

#[test]
fn a_copy_in_each_plugin() {
    for compiler in ["gcc", "clang"] {
        for (dialect, _) in [OLD, NEW] {
            if are_there("plugins", &["cmake", compiler]) {
                a_copy_in_each_plugin_by(&format!("{compiler} {dialect}"));
            }
        }
    }
}

fn a_copy_in_each_plugin_by(compiler: &str) {
    let place = folder("two plugins");
    let (installed, sources) = (prefix().display(), root().join("tests/consumers/plugin"));
    let commands = format!(
        "ln -sf '{installed}/lib/libspoolbuf.a' .
        for name in first second; do
            {compiler} -Wall -Wextra -Werror -fPIC -fvisibility=hidden -shared -I '{installed}/include' \\
                '{sources}/plugin.c' libspoolbuf.a -lpthread -ldl -lm \\
                -Wl,--exclude-libs,libspoolbuf.a -Wl,-z,nodelete -o $name.so
        done
        {compiler} -D_GNU_SOURCE -Wall -Wextra -Werror '{sources}/host.c' -ldl -o host",
        sources = sources.display()
    );
    shell(&place, &commands);
    let exported = shell(
        &place,
        "nm -D --defined-only -f posix first.so | cut -d ' ' -f 1 | sort | xargs",
    );
    assert_eq!(exported, "plugin_close plugin_open plugin_reads\n");
    assert_eq!(shell(&place, "./host ./first.so ./second.so"), "ok\n");
}
