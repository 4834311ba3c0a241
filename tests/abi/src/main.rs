//! Compares the header with the Rust declarations: sizes, offsets, constants, signatures.

#![allow(bad_style, unused_imports)]

use core::ffi::{c_char, c_int, c_void};

use spoolbuf::ffi::abi::*;
use spoolbuf::ffi::*;

include!(concat!(env!("OUT_DIR"), "/constants.rs"));
include!(concat!(env!("OUT_DIR"), "/comparison.rs"));
