//! GStreamer's `queue2` as players use it to download: into a temporary file, read from in pull
//! mode. Loaded at run time; its source is a thread that pushes chunks.
//!
//! A read far past the received bytes makes `queue2` seek, and once a source refuses that, it drops
//! everything that follows. So a read waits here until all bytes before its offset were pushed, and
//! waits for the rest inside `queue2`.

use super::buffer::{Buffer, save_by_reads};
use super::library::{self, functions};
use crate::source::Source;
use std::ffi::{c_char, c_int, c_void};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

const STATE_NULL: c_int = 1;
const STATE_PLAYING: c_int = 4;
const PAD_SRC: c_int = 1;
const PAD_SINK: c_int = 2;
const MODE_PUSH: c_int = 1;
const MODE_PULL: c_int = 2;
const FORMAT_BYTES: c_int = 2;
const FLOW_OK: c_int = 0;

type Object = *mut c_void;
type EventFunction = unsafe extern "C" fn(Object, Object, Object) -> c_int;

functions! {
    gst_init(*mut c_int, *mut c_void);
    gst_element_factory_make(*const c_char, *const c_char) -> Object;
    gst_element_get_static_pad(Object, *const c_char) -> Object;
    gst_element_set_state(Object, c_int) -> c_int;
    gst_util_set_object_arg(Object, *const c_char, *const c_char);
    gst_object_ref_sink(Object) -> Object;
    gst_object_unref(Object);
    gst_pad_new(*const c_char, c_int) -> Object;
    gst_pad_link(Object, Object) -> c_int;
    gst_pad_activate_mode(Object, c_int, c_int) -> c_int;
    gst_pad_set_event_function_full(Object, EventFunction, *mut c_void, *const c_void);
    gst_pad_push(Object, Object) -> c_int;
    gst_pad_push_event(Object, Object) -> c_int;
    gst_pad_pull_range(Object, u64, u32, *mut Object) -> c_int;
    gst_event_new_stream_start(*const c_char) -> Object;
    gst_event_new_segment(Object) -> Object;
    gst_event_new_eos() -> Object;
    gst_segment_new() -> Object;
    gst_segment_init(Object, c_int);
    gst_segment_free(Object);
    gst_buffer_new_wrapped(*mut c_void, usize) -> Object;
    gst_buffer_new_wrapped_full(u32, *mut c_void, usize, usize, usize, *mut c_void, *const c_void) -> Object;
    gst_buffer_get_size(Object) -> usize;
    gst_mini_object_unref(Object);
    g_malloc(usize) -> *mut c_void;
}

// The calls below keep GStreamer's rules: objects are alive, floating ones are sunk, and what a
// function takes over is not used again.
impl Api {
    fn queue(&self) -> Option<Object> {
        // SAFETY: a string with its NUL; the name may be NULL.
        let queue = unsafe { (self.gst_element_factory_make)(c"queue2".as_ptr(), ptr::null()) };
        // SAFETY: a floating object becomes ours.
        (!queue.is_null()).then(|| unsafe { (self.gst_object_ref_sink)(queue) })
    }

    fn pad(&self, direction: c_int) -> Object {
        // SAFETY: as above.
        unsafe { (self.gst_object_ref_sink)((self.gst_pad_new)(c"pad".as_ptr(), direction)) }
    }

    fn unref(&self, object: Object) {
        // SAFETY: a reference of ours, given back once.
        unsafe { (self.gst_object_unref)(object) };
    }
}

/// The number of bytes pushed.
#[derive(Default)]
struct Progress {
    pushed: AtomicU64,
    /// The offset that the next thread to be woken waits for.
    wanted: Mutex<Option<u64>>,
    bell: Condvar,
}

impl Progress {
    fn to(&self, end: u64) {
        self.pushed.store(end, Ordering::SeqCst);
        let mut wanted = self.wanted.lock().unwrap();
        if wanted.is_some_and(|wanted| wanted <= end) {
            *wanted = None;
            self.bell.notify_all();
        }
    }

    fn wait(&self, end: u64) {
        if self.pushed.load(Ordering::SeqCst) >= end {
            return;
        }
        let mut wanted = self.wanted.lock().unwrap();
        while self.pushed.load(Ordering::SeqCst) < end {
            *wanted = Some(wanted.map_or(end, |other| other.min(end)));
            wanted = self.bell.wait(wanted).unwrap();
        }
    }
}

/// The pad of a source, and the thread that pushes to it.
struct Feed {
    api: &'static Api,
    pad: Object,
    progress: Arc<Progress>,
}

// SAFETY: a pad may be used from any thread.
unsafe impl Send for Feed {}

impl Feed {
    fn run(self, mut source: Source) {
        let api = self.api;
        // SAFETY: see `Api`.
        unsafe {
            let segment = (api.gst_segment_new)();
            (api.gst_segment_init)(segment, FORMAT_BYTES);
            let start = (api.gst_event_new_stream_start)(c"bench".as_ptr());
            (api.gst_pad_push_event)(self.pad, start);
            (api.gst_pad_push_event)(self.pad, (api.gst_event_new_segment)(segment));
            (api.gst_segment_free)(segment);
            let mut end = 0;
            loop {
                let chunk = source.plan.chunk;
                let memory = (api.g_malloc)(chunk);
                let n = source.fill(std::slice::from_raw_parts_mut(memory.cast(), chunk));
                // Frees the memory with the buffer.
                let buffer = (api.gst_buffer_new_wrapped)(memory, n.max(1));
                if n == 0 {
                    (api.gst_mini_object_unref)(buffer);
                    (api.gst_pad_push_event)(self.pad, (api.gst_event_new_eos)());
                    return;
                }
                if (api.gst_pad_push)(self.pad, buffer) != FLOW_OK {
                    return;
                }
                end += n as u64;
                self.progress.to(end);
            }
        }
    }
}

struct Queue {
    api: &'static Api,
    queue: Object,
    from: Object,
    to: Object,
    size: u64,
    progress: Arc<Progress>,
    feed: Option<JoinHandle<()>>,
}

// SAFETY: elements and pads may be used from any thread; a pad lets one in at a time.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Buffer for Queue {
    fn read(&self, off: u64, out: &mut [u8]) -> usize {
        let (api, len) = (self.api, out.len());
        self.progress.wait(off);
        // SAFETY: the buffer is about `out`, which is not freed with it, and has room for `len`.
        unsafe {
            let memory = out.as_mut_ptr().cast();
            let none = ptr::null_mut();
            let mut buffer =
                (api.gst_buffer_new_wrapped_full)(0, memory, len, 0, len, none, ptr::null());
            let flow = (api.gst_pad_pull_range)(self.to, off, len as u32, &raw mut buffer);
            let size = (api.gst_buffer_get_size)(buffer);
            (api.gst_mini_object_unref)(buffer);
            if flow == FLOW_OK { size } else { 0 }
        }
    }

    fn save(&self, path: &Path) -> Option<u64> {
        Some(save_by_reads(self, self.size, path))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: see `Api`. The thread's next push fails; it ends.
        unsafe { (self.api.gst_element_set_state)(self.queue, STATE_NULL) };
        let _ = self.feed.take().map(JoinHandle::join);
        for object in [self.from, self.to, self.queue] {
            self.api.unref(object);
        }
    }
}

/// Refuses events from downstream: this source cannot seek.
unsafe extern "C" fn refuse(_: Object, _: Object, event: Object) -> c_int {
    if let Ok(api) = api() {
        // SAFETY: the function is handed the event.
        unsafe { (api.gst_mini_object_unref)(event) };
    }
    0
}

/// Opens one.
pub fn open(source: Source, _: u64) -> Box<dyn Buffer> {
    let api = api().as_ref().expect("GStreamer");
    let template = std::env::temp_dir().join("queue2-XXXXXX");
    let template = format!("{}\0", template.display());
    let queue = api.queue().expect("queue2");
    let (from, to) = (api.pad(PAD_SRC), api.pad(PAD_SINK));
    // SAFETY: see `Api`; strings with their NUL.
    unsafe {
        let set = api.gst_util_set_object_arg;
        set(queue, c"temp-template".as_ptr(), template.as_ptr().cast());
        for (name, pad, source_first) in [(c"sink", from, true), (c"src", to, false)] {
            let of_queue = (api.gst_element_get_static_pad)(queue, name.as_ptr());
            let (a, b) = if source_first {
                (pad, of_queue)
            } else {
                (of_queue, pad)
            };
            assert_eq!((api.gst_pad_link)(a, b), 0, "gst_pad_link");
            api.unref(of_queue);
        }
        // Activates the queue's side with it, before the queue would choose to push.
        let pulls = (api.gst_pad_activate_mode)(to, MODE_PULL, 1);
        assert_eq!(pulls, 1, "pull mode");
        (api.gst_pad_set_event_function_full)(from, refuse, ptr::null_mut(), ptr::null());
        (api.gst_element_set_state)(queue, STATE_PLAYING);
        (api.gst_pad_activate_mode)(from, MODE_PUSH, 1);
    }
    let size = source.plan.size;
    let progress = Arc::<Progress>::default();
    let feed = Feed {
        api,
        pad: from,
        progress: progress.clone(),
    };
    let feed = Some(std::thread::spawn(move || feed.run(source)));
    Box::new(Queue {
        api,
        queue,
        from,
        to,
        size,
        progress,
        feed,
    })
}

fn load() -> Result<Api, String> {
    let api = Api::of(library::open(&["libgstreamer-1.0.so.0".to_owned()])?)?;
    // SAFETY: both may be NULL; once in this process.
    unsafe { (api.gst_init)(ptr::null_mut(), ptr::null_mut()) };
    let queue = api.queue().ok_or("GStreamer has no element queue2")?;
    api.unref(queue);
    Ok(api)
}
