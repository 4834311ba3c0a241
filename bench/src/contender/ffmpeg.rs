//! FFmpeg's `cache:` protocol, loaded at run time; its source is a thread that writes to a pipe.

use super::buffer::{Buffer, save_by_reads};
use super::library::{self, functions};
use crate::source::Source;
use std::ffi::{CString, c_char, c_int, c_void};
use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr;
use std::sync::Mutex;
use std::thread::JoinHandle;

const AVIO_FLAG_READ: c_int = 1;
const SEEK_SET: c_int = 0;

// The last two are libavutil's, which comes with libavformat.
functions! {
    avio_open2(*mut *mut c_void, *const c_char, c_int, *const c_void, *mut *mut c_void) -> c_int;
    avio_read(*mut c_void, *mut u8, c_int) -> c_int;
    avio_seek(*mut c_void, i64, c_int) -> i64;
    avio_closep(*mut *mut c_void) -> c_int;
    av_dict_set(*mut *mut c_void, *const c_char, *const c_char, c_int) -> c_int;
    av_log_set_level(c_int);
}

struct State {
    api: &'static Api,
    context: *mut c_void,
    /// The reading end, which the protocol reads by number.
    pipe: Option<PipeReader>,
    writer: Option<JoinHandle<()>>,
}

// SAFETY: the context has no ties to a thread.
unsafe impl Send for State {}

impl State {
    fn read(&mut self, off: u64, out: &mut [u8]) -> usize {
        self.seek(off);
        self.next(out)
    }

    fn seek(&mut self, off: u64) {
        // SAFETY: an open context.
        let at = unsafe { (self.api.avio_seek)(self.context, off as i64, SEEK_SET) };
        assert_eq!(at, off as i64, "avio_seek");
    }

    fn next(&mut self, out: &mut [u8]) -> usize {
        // SAFETY: an open context; `out` has room for its own length.
        let n = unsafe { (self.api.avio_read)(self.context, out.as_mut_ptr(), out.len() as c_int) };
        usize::try_from(n).unwrap_or(0)
    }
}

struct Cache {
    state: Mutex<State>,
    size: u64,
}

impl Buffer for Cache {
    fn read(&self, off: u64, out: &mut [u8]) -> usize {
        self.state.lock().unwrap().read(off, out)
    }

    fn save(&self, path: &Path) -> Option<u64> {
        Some(save_by_reads(self, self.size, path))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: an open context, closed once.
        unsafe { (self.api.avio_closep)(&raw mut self.context) };
        // The writer's next write fails; it ends.
        self.pipe = None;
        let _ = self.writer.take().map(JoinHandle::join);
    }
}

fn feed(mut source: Source, mut to: PipeWriter) {
    let mut chunk = vec![0; source.plan.chunk];
    loop {
        let n = source.fill(&mut chunk);
        if n == 0 || to.write_all(&chunk[..n]).is_err() {
            return;
        }
    }
}

/// Opens one.
pub fn open(source: Source, _: u64) -> Box<dyn Buffer> {
    let api = api().as_ref().expect("FFmpeg");
    let size = source.plan.size;
    let (from, to) = pipe().expect("a pipe");
    let url = CString::new(format!("cache:pipe:{}", from.as_raw_fd())).unwrap();
    let mut context = ptr::null_mut();
    let writer = std::thread::spawn(move || feed(source, to));
    let mut options = ptr::null_mut();
    // SAFETY: strings with their NUL; no interrupt callback; one option: a seek past what was read
    // reads on, however far. FFmpeg takes the option out of the dictionary, which is then empty.
    let status = unsafe {
        (api.av_log_set_level)(-8);
        (api.av_dict_set)(
            &raw mut options,
            c"read_ahead_limit".as_ptr(),
            c"-1".as_ptr(),
            0,
        );
        let (context, options) = (&raw mut context, &raw mut options);
        (api.avio_open2)(context, url.as_ptr(), AVIO_FLAG_READ, ptr::null(), options)
    };
    assert_eq!(status, 0, "avio_open2");
    let (pipe, writer) = (Some(from), Some(writer));
    let state = Mutex::new(State {
        api,
        context,
        pipe,
        writer,
    });
    Box::new(Cache { state, size })
}

fn load() -> Result<Api, String> {
    let mut names: Vec<_> = (58..=63)
        .rev()
        .map(|n| format!("libavformat.so.{n}"))
        .collect();
    names.push("libavformat.so".to_owned());
    Api::of(library::open(&names)?)
}
