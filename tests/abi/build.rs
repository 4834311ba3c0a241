//! Lists what the library declares, in the plain form that the comparison is generated from.

use std::collections::BTreeSet;
use std::env::var;
use std::fs;
use std::path::{Path, PathBuf};

use quote::{ToTokens, quote};
use syn::{Fields, FnArg, ForeignItemFn, GenericArgument, Item, ItemEnum, ItemFn, PathArguments};
use syn::{ReturnType, Type, Visibility};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let out = Path::new(&var("OUT_DIR").expect("cargo sets it")).to_owned();
    let (mut list, mut constants) = (String::new(), String::new());
    let mut again = String::from("#include \"spoolbuf.h\"\n");
    let mut opaque = Vec::new();

    list.push_str("use core::ffi::{c_char, c_int, c_void};\n");
    for item in rust_files(&root.join("src/ffi/abi")).flat_map(|file| parse(&file)) {
        match item {
            Item::Enum(item) => {
                let (listed, constant) = as_constants(&item);
                list.push_str(&listed);
                constants.push_str(&constant);
            }
            Item::Struct(item) if is_opaque(&item.fields) => opaque.push(item.ident.to_string()),
            Item::Struct(item) => list.push_str(&item.to_token_stream().to_string()),
            Item::Const(item) => list.push_str(&item.to_token_stream().to_string()),
            Item::Type(item) => {
                list.push_str(&item.to_token_stream().to_string());
                // The same name declared twice: as the header's type, and as Rust's.
                let name = item.ident.to_string();
                let declared = in_c(&item.ty, &format!("check_{name}"));
                again.push_str(&format!(
                    "extern {name} check_{name};\nextern {declared};\n"
                ));
            }
            _ => {}
        }
        list.push('\n');
    }
    for name in &opaque {
        list.push_str(&format!("pub struct {name} {{ _opaque: [u8; 0] }}\n"));
    }
    list.push_str("unsafe extern \"C\" {\n");
    let mut functions = BTreeSet::new();
    for item in rust_files(&root.join("src/ffi")).flat_map(|file| parse(&file)) {
        if let Item::Fn(item) = item
            && let Some(declared) = as_foreign(&item)
        {
            list.push_str(&declared.to_token_stream().to_string());
            list.push('\n');
            again.push_str(&format!("{};\n", prototype(&item)));
            functions.insert(item.sig.ident.to_string());
        }
    }
    list.push_str("}\n");
    assert_eq!(functions, in_header(&root), "src/ffi and the header");

    let listed = out.join("list.rs");
    fs::write(&listed, list).expect("written");
    fs::write(out.join("constants.rs"), constants).expect("written");

    // A C compiler refuses a second declaration that is not the first.
    let signatures = out.join("signatures.c");
    fs::write(&signatures, again).expect("written");
    cc::Build::new()
        .file(signatures)
        .include(root.join("include"))
        .warnings_into_errors(true)
        .compile("signatures");

    let mut generator = ctest::TestGenerator::new();
    generator
        .edition(2024)
        .include(root.join("include"))
        .header("spoolbuf.h")
        .flag("-Werror")
        // C's enums are counted among the types; a value of one that C does not name is not one.
        .alias_is_c_enum(is_enum)
        .skip_roundtrip(is_enum)
        .rename_struct_ty(|name| Some(name.to_owned()));
    generator.skip_struct(move |item| opaque.iter().any(|name| name == item.ident()));
    ctest::generate_test(&mut generator, &listed, "comparison.rs").expect("a comparison");
    for file in ["src/ffi", "include/spoolbuf.h"] {
        println!("cargo::rerun-if-changed={}", root.join(file).display());
    }
}

/// The files of a folder, without those of its folders.
fn rust_files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let files = fs::read_dir(folder).expect("a folder");
    let files = files.map(|file| file.expect("a file").path());
    files.filter(|file| file.extension().is_some_and(|kind| kind == "rs"))
}

fn parse(path: &Path) -> Vec<Item> {
    let text = fs::read_to_string(path).expect("a source file");
    syn::parse_file(&text).expect("Rust").items
}

/// The functions that the header declares: each begins a line, which goes on at least to its name.
fn in_header(root: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(root.join("include/spoolbuf.h")).expect("the header");
    let lines = text
        .lines()
        .filter(|line| line.starts_with(char::is_alphabetic) && !line.starts_with("typedef"));
    lines
        .filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| before.rsplit([' ', '*']).next())
        .map(str::to_owned)
        .collect()
}

fn is_enum(name: &str) -> bool {
    let enums = [
        "sb_status",
        "sb_whence",
        "sb_state",
        "sb_spool",
        "sb_on_full",
        "sb_on_short",
        "sb_source_code",
        "sb_source_flag",
        "sb_option_flag",
        "sb_reader_flag",
        "sb_save_flag",
        "sb_operation",
        "sb_log_level",
    ];
    enums.contains(&name)
}

fn is_opaque(fields: &Fields) -> bool {
    fields
        .iter()
        .all(|field| !matches!(field.vis, Visibility::Public(_)))
}

/// A Rust enum as a list of constants, and those constants made of it.
fn as_constants(item: &ItemEnum) -> (String, String) {
    let name = &item.ident;
    assert!(
        is_enum(&name.to_string()),
        "{name} is to be listed in is_enum"
    );
    let (mut listed, mut constants) = (String::new(), String::new());
    for variant in &item.variants {
        let variant = &variant.ident;
        listed.push_str(&quote!(pub const #variant: c_int = 0;).to_string());
        let value =
            quote!(pub const #variant: ::core::ffi::c_int = #name::#variant as ::core::ffi::c_int;);
        constants.push_str(&value.to_string());
    }
    (listed, constants)
}

/// A function as C would see it declared; None if it is not one of the library's.
fn as_foreign(item: &ItemFn) -> Option<ForeignItemFn> {
    if !matches!(item.vis, Visibility::Public(_)) || item.sig.abi.is_none() {
        return None;
    }
    let mut signature = item.sig.clone();
    signature.abi = None;
    signature.unsafety = None;
    assert!(
        signature
            .inputs
            .iter()
            .all(|input| matches!(input, FnArg::Typed(_)))
    );
    Some(ForeignItemFn {
        attrs: Vec::new(),
        vis: item.vis.clone(),
        sig: signature,
        semi_token: Default::default(),
    })
}

/// A function's C prototype, as its Rust signature has it.
fn prototype(item: &ItemFn) -> String {
    let arguments = item.sig.inputs.iter().map(|input| match input {
        FnArg::Typed(input) => in_c(&input.ty, ""),
        FnArg::Receiver(_) => panic!("no C function has a receiver"),
    });
    let declarator = format!("{}({})", item.sig.ident, or_void(arguments.collect()));
    match &item.sig.output {
        ReturnType::Default => format!("void {declarator}"),
        ReturnType::Type(_, output) => in_c(output, &declarator),
    }
}

fn or_void(arguments: Vec<String>) -> String {
    if arguments.is_empty() {
        "void".to_owned()
    } else {
        arguments.join(", ")
    }
}

/// A C declaration of `name` with a Rust type.
fn in_c(ty: &Type, name: &str) -> String {
    match ty {
        Type::Ptr(pointer) => {
            let constant = if pointer.const_token.is_some() {
                "const "
            } else {
                ""
            };
            format!("{constant}{}", in_c(&pointer.elem, &format!("*{name}")))
        }
        Type::BareFn(function) => {
            let arguments = function.inputs.iter().map(|input| in_c(&input.ty, ""));
            let declarator = format!("(*{name})({})", or_void(arguments.collect()));
            match &function.output {
                ReturnType::Default => format!("void {declarator}"),
                ReturnType::Type(_, output) => in_c(output, &declarator),
            }
        }
        Type::Path(path) => {
            let last = path.path.segments.last().expect("a name");
            if let PathArguments::AngleBracketed(inner) = &last.arguments
                && let Some(GenericArgument::Type(inner)) = inner.args.first()
            {
                // Option of a function pointer, which NULL is a value of.
                return in_c(inner, name);
            }
            let plain = match last.ident.to_string().as_str() {
                "u64" => "uint64_t",
                "i64" => "int64_t",
                "u32" => "uint32_t",
                "i32" => "int32_t",
                "usize" => "size_t",
                "c_int" => "int",
                "c_char" => "char",
                "c_void" => "void",
                own if own.starts_with("sb_") => return format!("{own} {name}"),
                other => panic!("what is {other} in C?"),
            };
            format!("{plain} {name}")
        }
        other => panic!("what is {} in C?", other.to_token_stream()),
    }
}
