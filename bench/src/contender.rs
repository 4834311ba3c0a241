//! The contenders: the library, its alternatives, and floors, which show the machine's best.

use crate::source::Source;

mod buffer;
pub mod cached;
pub mod ffmpeg;
pub mod floor;
pub mod gstreamer;
mod library;
pub mod mutexed;
pub mod pushed;
pub mod python;
pub mod spoolbuf;
pub mod stream_download;

pub use buffer::{Buffer, Hit};

/// The memory limit of every buffer that has one, unless a row says otherwise: 5 MiB.
pub const MAX: u64 = 5 << 20;

/// The kind of a contender.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The library of this repository.
    Ours,
    /// What a user would use instead.
    Rival,
    /// The machine's best.
    Floor,
}

/// Where a contender keeps received bytes: it takes no part in rows about the other place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    Memory,
    Disk,
    Both,
}

/// Opens a buffer over a source with a memory limit.
pub type Open = fn(Source, u64) -> Box<dyn Buffer>;

/// A contender by name.
pub struct Contender {
    pub name: &'static str,
    pub kind: Kind,
    pub what: &'static str,
    /// Why it cannot run here, if it cannot.
    pub missing: fn() -> Option<String>,
    pub open: Open,
    /// Where it keeps received bytes.
    pub keeps: Keeps,
    /// Slow and never the best of the others: left out of a quick run.
    pub slow: bool,
    /// The Python package, if it is driven from Python, in rows of its own.
    pub package: Option<&'static str>,
}

/// All contenders.
pub const ALL: &[Contender] = &[
    Contender {
        name: "spoolbuf",
        kind: Kind::Ours,
        what: "this library, the release shared library through its C interface",
        missing: spoolbuf::missing,
        open: spoolbuf::open,
        keeps: Keeps::Both,
        slow: false,
        package: None,
    },
    Contender {
        name: "mutexed-spool",
        kind: Kind::Rival,
        what: "tempfile::SpooledTempFile behind a mutex",
        missing: never,
        open: mutexed::open,
        keeps: Keeps::Both,
        slow: false,
        package: None,
    },
    Contender {
        name: "stream-download",
        kind: Kind::Rival,
        what: "crate stream-download with its default storage, a file, behind a mutex",
        missing: never,
        open: stream_download::in_file,
        keeps: Keeps::Disk,
        slow: true,
        package: None,
    },
    Contender {
        name: "stream-dl-memory",
        kind: Kind::Rival,
        what: "crate stream-download with its memory storage, behind a mutex",
        missing: never,
        open: stream_download::in_memory,
        keeps: Keeps::Memory,
        slow: false,
        package: None,
    },
    Contender {
        name: "ffmpeg-cache",
        kind: Kind::Rival,
        what: "FFmpeg's cache: protocol over a pipe, behind a mutex",
        missing: ffmpeg::missing,
        open: ffmpeg::open,
        keeps: Keeps::Disk,
        slow: false,
        package: None,
    },
    Contender {
        name: "gst-queue2",
        kind: Kind::Rival,
        what: "GStreamer's queue2 with a temporary file, read in pull mode",
        missing: gstreamer::missing,
        open: gstreamer::open,
        keeps: Keeps::Disk,
        slow: false,
        package: None,
    },
    Contender {
        name: "memcpy",
        kind: Kind::Floor,
        what: "copies to and from memory that is there already",
        missing: never,
        open: floor::memory::reused,
        keeps: Keeps::Memory,
        slow: false,
        package: None,
    },
    Contender {
        name: "fresh-4k",
        kind: Kind::Floor,
        what: "copies to fresh pages of 4 KiB",
        missing: never,
        open: floor::memory::fresh_small,
        keeps: Keeps::Memory,
        slow: false,
        package: None,
    },
    Contender {
        name: "fresh-huge",
        kind: Kind::Floor,
        what: "copies to fresh huge pages",
        missing: floor::memory::no_huge_pages,
        open: floor::memory::fresh_huge,
        keeps: Keeps::Memory,
        slow: false,
        package: None,
    },
    Contender {
        name: "writes",
        kind: Kind::Floor,
        what: "write(2) of each chunk as it comes; pread(2); read and write by 1 MiB",
        missing: never,
        open: floor::file::plain,
        keeps: Keeps::Disk,
        slow: false,
        package: None,
    },
    Contender {
        name: "pieces",
        kind: Kind::Floor,
        what: "writes of 256 KiB into blocks reserved 8 MiB ahead; pread(2); 1 MiB into a reserved target",
        missing: never,
        open: floor::file::pieces,
        keeps: Keeps::Disk,
        slow: false,
        package: None,
    },
    Contender {
        name: "unreserved",
        kind: Kind::Floor,
        what: "the same pieces, nothing reserved",
        missing: never,
        open: floor::file::unreserved,
        keeps: Keeps::Disk,
        slow: false,
        package: None,
    },
    Contender {
        name: "overlapped",
        kind: Kind::Floor,
        what: "the same pieces, written by a second thread while the next ones come",
        missing: never,
        open: floor::overlapped::open,
        keeps: Keeps::Disk,
        slow: false,
        package: None,
    },
    Contender {
        name: "spoolbuf-push",
        kind: Kind::Ours,
        what: "this library, without a source: each chunk is pushed from where it lies",
        missing: pushed::missing,
        open: pushed::open,
        keeps: Keeps::Both,
        slow: false,
        package: None,
    },
    Contender {
        name: "spoolbuf-cached",
        kind: Kind::Ours,
        what: "this library, each resource an entry of one cache",
        missing: cached::missing,
        open: cached::open,
        keeps: Keeps::Both,
        slow: false,
        package: None,
    },
    Contender {
        name: "spoolbuf-pull",
        kind: Kind::Floor,
        what: "this library with a source and no cache, to compare spoolbuf-push and spoolbuf-cached with",
        missing: spoolbuf::missing,
        open: spoolbuf::open,
        keeps: Keeps::Both,
        slow: false,
        package: None,
    },
    Contender {
        name: "spoolbuf-python",
        kind: Kind::Ours,
        what: "this library from Python",
        missing: python::ours_missing,
        open: python::open,
        keeps: Keeps::Both,
        slow: true,
        package: Some("spoolbuf"),
    },
    Contender {
        name: "python-buffer",
        kind: Kind::Rival,
        what: "the Python package buffer",
        missing: python::buffer_missing,
        open: python::open,
        keeps: Keeps::Both,
        slow: true,
        package: Some("buffer"),
    },
];

/// The contender of that name.
pub fn by_name(name: &str) -> Option<&'static Contender> {
    ALL.iter().find(|c| c.name == name)
}

fn never() -> Option<String> {
    None
}
