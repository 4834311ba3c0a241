//! A crew of one thread: buffers that share it get their bytes, whatever another one does meanwhile,
//! and its thread ends.

use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::tap::{BY_HELPER, Flow, Tap, Valve, buffer, is_canceled, read, reader, reader_at};
use crate::buffer::Buffer;
use crate::buffer::read::Wait;
use crate::options::ThreadHooks;
use crate::pull::crew::Crew;
use crate::sync::host_call::HostCall;
use crate::sync::shared::Shared;
use crate::sync::{AtomicUsize, Ordering};

fn crew() -> Shared<Crew> {
    Crew::new(1, ThreadHooks::default()).unwrap()
}

/// A buffer whose helper is a thread of the crew.
fn member(crew: &Shared<Crew>, tap: Tap) -> Shared<Buffer> {
    let buffer = buffer(tap);
    buffer.set_home(Box::new(()));
    Buffer::join_crew(&buffer, crew).unwrap();
    crew_has_a_thread(&buffer);
    buffer
}

/// As a call does that needs the helper.
fn crew_has_a_thread(buffer: &Shared<Buffer>) {
    Buffer::prefetch(buffer, 1).unwrap();
    Buffer::prefetch(buffer, 0).unwrap();
}

/// The end of a cache: its buffers are freed. loom reports a thread that does not end.
fn end(crew: &Shared<Crew>, buffers: [Shared<Buffer>; 2]) {
    crew.close();
    for buffer in &buffers {
        buffer.free();
    }
    crew.join();
}

/// The thread is handed from one buffer to the other and back: both get all of their bytes.
#[test]
fn crew_serves_two_in_turn() {
    explore(2, || {
        let crew = crew();
        let (one, two) = (member(&crew, Tap::new(2)), member(&crew, Tap::new(2)));
        let other = reader(&one, 0, 2, BY_HELPER);
        assert_eq!(read(&two, 0, 2, BY_HELPER).unwrap(), 2);
        assert_eq!(other.join().unwrap().unwrap(), 2);
        end(&crew, [one, two]);
    });
}

/// A buffer is freed and dropped while it waits in the queue, or while the thread is its helper: the
/// other one is served.
#[test]
fn crew_against_a_free() {
    explore(2, || {
        let crew = crew();
        let valve = Valve::new();
        valve.set(Flow::Open);
        let gone = member(&crew, Tap::behind(2, &valve));
        let kept = member(&crew, Tap::new(1));
        Buffer::prefetch(&gone, 2).unwrap();
        let freeing = thread::spawn(move || gone.free());
        assert_eq!(read(&kept, 0, 1, BY_HELPER).unwrap(), 1);
        freeing.join().unwrap();
        crew.close();
        kept.free();
        crew.join();
        // At the latest by the thread, if it was inside.
        valve.wait_until_closed();
    });
}

/// A reader is canceled while the thread is inside the source for it: the thread goes on to the
/// other buffer.
#[test]
fn crew_against_a_cancel() {
    explore(2, || {
        let crew = crew();
        let valve = Valve::new();
        let (stuck, other) = (
            member(&crew, Tap::behind(1, &valve)),
            member(&crew, Tap::new(1)),
        );
        Buffer::prefetch(&stuck, 1).unwrap();
        let (position, stopped) = reader_at(&stuck, 0);
        position.cancel(&stuck.gate);
        let result = stopped.join().unwrap();
        assert!(is_canceled(&result));
        valve.set(Flow::Open);
        assert_eq!(read(&other, 0, 1, BY_HELPER).unwrap(), 1);
        end(&crew, [stuck, other]);
    });
}

/// Work that is called is done, or dropped by the end.
#[test]
fn crew_call_against_close() {
    explore(3, || {
        let crew = crew();
        let done = Arc::new(AtomicUsize::new(0));
        let count = Count(done.clone());
        let calling = thread::spawn({
            let crew = crew.clone();
            move || Crew::call(&crew, Box::new(move || drop(count)))
        });
        crew.close();
        let called = calling.join().unwrap();
        crew.join();
        assert_eq!(done.load(Ordering::Relaxed), 1, "{:?}", called.is_ok());
    });
}

/// Counts its drop.
struct Count(Arc<AtomicUsize>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The thread reads in its work what others wait for, too: nobody else is left to be the helper of a
/// buffer with a prefetch.
#[test]
fn crew_work_reads_with_a_prefetch() {
    explore(2, || {
        let crew = crew();
        let (one, two) = (member(&crew, Tap::new(2)), member(&crew, Tap::new(1)));
        Buffer::prefetch(&one, 2).unwrap();
        let has_read = call_to_read(&crew, &one, 2);
        assert_eq!(read(&one, 0, 1, BY_HELPER).unwrap(), 1);
        has_read.wait(|flow| flow == Flow::Open);
        end(&crew, [one, two]);
    });
}

/// The same without one: the source is not kept for a helper that does not come.
#[test]
fn crew_work_reads_behind_a_timed_call() {
    explore(2, || {
        let crew = crew();
        let (one, two) = (member(&crew, Tap::new(2)), member(&crew, Tap::new(1)));
        let caller = reader(&one, 0, 1, Wait::Forever);
        let has_read = call_to_read(&crew, &one, 2);
        assert_eq!(read(&one, 1, 1, BY_HELPER).unwrap(), 1);
        assert_eq!(caller.join().unwrap().unwrap(), 1);
        has_read.wait(|flow| flow == Flow::Open);
        end(&crew, [one, two]);
    });
}

/// Makes the thread read. The valve opens when it has.
fn call_to_read(crew: &Shared<Crew>, buffer: &Shared<Buffer>, length: usize) -> Arc<Valve> {
    let (buffer, valve) = (buffer.clone(), Valve::new());
    let has_read = valve.clone();
    let work = move || {
        assert_eq!(read(&buffer, 0, length, Wait::Forever).unwrap(), length);
        valve.set(Flow::Open);
    };
    Crew::call(crew, Box::new(work)).unwrap();
    has_read
}

/// The thread waits in its work for an opener's read, which a helper has served in part.
#[test]
fn crew_work_waits_for_a_read() {
    explore(2, || {
        let crew = crew();
        let (one, two) = (member(&crew, Tap::new(2)), member(&crew, Tap::new(1)));
        Buffer::prefetch(&one, 2).unwrap();
        let has_read = Valve::new();
        let valve = has_read.clone();
        let work = move || {
            valve.wait(|flow| flow == Flow::Open);
        };
        Crew::call(&crew, Box::new(work)).unwrap();
        let mut count = Ok(0);
        HostCall::Work.run(|| count = read(&one, 0, 2, Wait::Forever));
        assert_eq!(count.unwrap(), 2);
        has_read.set(Flow::Open);
        end(&crew, [one, two]);
    });
}
