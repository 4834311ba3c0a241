//! The C ABI's types and constants, with no dependency on the rest.
//!
//! Everything here is what a C compiler sees. `include/spoolbuf.h` is generated from these files and
//! from `ffi`, and `tests/abi` compares both with what a C compiler makes of the header. The doc
//! comments are the header's text, hence their style.

#![allow(unsafe_code)]
#![allow(non_camel_case_types)]

// cbindgen takes the items in the order of these lines. The blank lines keep rustfmt from sorting them.
mod constants;

mod enums;

mod handles;

mod callback;

mod options;

mod stats;

mod error;

mod reports;

mod cache;

pub use cache::*;
pub use callback::*;
pub use constants::*;
pub use enums::*;
pub use error::*;
pub use handles::*;
pub use options::*;
pub use reports::*;
pub use stats::*;
