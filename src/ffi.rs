//! The C functions. Each maps its arguments to safe code elsewhere and does nothing more.
//!
//! The doc comments are the header's text.

#![allow(
    clippy::missing_safety_doc,
    reason = "the header says what each function asks of its caller"
)]
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "[in] and [out] are Doxygen's"
)]

#[allow(missing_docs)]
#[cfg(not(loom))]
pub mod abi;
#[cfg(not(loom))]
mod argument;
#[cfg(not(loom))]
mod callback;
#[cfg(any(test, not(loom)))]
pub(crate) mod handle;
#[cfg(not(loom))]
mod handles;
#[cfg(not(loom))]
mod opener;
#[cfg(not(loom))]
mod record;
#[cfg(not(loom))]
mod sized;
#[cfg(not(loom))]
mod status;

// cbindgen takes the functions in the order of these lines. The blank lines keep rustfmt from sorting them.
#[cfg(not(loom))]
mod buffer;

#[cfg(not(loom))]
mod read;

#[cfg(not(loom))]
mod reader;

#[cfg(not(loom))]
mod reader_options;

#[cfg(not(loom))]
mod control;

#[cfg(not(loom))]
mod stats;

#[cfg(not(loom))]
mod options;

#[cfg(not(loom))]
mod push;

#[cfg(not(loom))]
mod when;

#[cfg(not(loom))]
mod save;

#[cfg(not(loom))]
mod cache;

#[cfg(not(loom))]
mod error;

#[cfg(not(loom))]
mod library;

#[cfg(not(loom))]
pub use {
    buffer::*, cache::*, control::*, error::*, library::*, options::*, push::*, read::*, reader::*,
    reader_options::*, save::*, stats::*, when::*,
};
