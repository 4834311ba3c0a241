//! The tests that need more than Rust and a C compiler: one program, a module for each topic. The tests
//! that measure, and the one that the sanitizers run, are programs of their own beside it.

#![cfg(target_os = "linux")]

mod abi;
mod async_cursor;
mod consumers;
mod cpp;
mod curl;
mod doc;
mod foreign;
mod guides;
mod header;
mod header_examples;
mod header_use;
mod installation;
mod live;
mod man;
mod media;
mod push;
mod python;
mod qt;
mod readme;
mod ready;
mod scripts;
mod site;
mod stdio;

mod checkout;
#[path = "../../support/library.rs"]
mod library;
#[path = "../player.rs"]
mod player;
#[path = "../../support/skip.rs"]
mod skip;
