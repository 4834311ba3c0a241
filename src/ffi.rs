//! The C functions. Each maps to safe code elsewhere and has no other body.
//!
//! The comments are the header's text.

#![allow(
    clippy::missing_safety_doc,
    reason = "the header says what each function asks of its caller"
)]
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "[in] and [out] are Doxygen's"
)]

mod answer;
mod argument;

// The header's functions come in the order of these lines, which blank ones keep from being sorted.
mod buffer;

mod read;

mod reader;

mod control;

mod stats;

mod options;

mod save;

mod library;

pub use buffer::*;
pub use control::*;
pub use library::*;
pub use options::*;
pub use read::*;
pub use reader::*;
pub use save::*;
pub use stats::*;
