//! The machine's best: the same work with nothing around it.

pub mod file;
mod filled;
pub mod memory;
pub mod overlapped;
