//! Who calls the source, and who waits.
//!
//! Placeholder of the page.

pub(crate) mod cancel_token;
pub(crate) mod gate;
pub(crate) mod helper;
pub(crate) mod ranges;
pub(crate) mod source_guard;
pub(crate) mod state;
