//! `StreamBuffer::reopen`: another source for the same bytes.

use std::io::{self, Cursor, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use spoolbuf::{Error, Seekable, StreamBuffer};

fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 / 7) as u8).collect()
}

/// Counts its drops.
struct Counted<R>(R, Arc<AtomicUsize>);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl<R> Drop for Counted<R> {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// Fails at its end.
struct Expires(Cursor<Vec<u8>>);

impl Read for Expires {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.0.read(out)? {
            0 => Err(io::Error::other("expired")),
            count => Ok(count),
        }
    }
}

#[test]
fn the_rest_comes_from_the_new_source() {
    let all = bytes(300_000);
    let drops = Arc::new(AtomicUsize::new(0));
    let old = Counted(Expires(Cursor::new(all[..100_000].to_vec())), drops.clone());
    let buffer = StreamBuffer::builder(old).max_memory(0).open().unwrap();
    let mut out = vec![0; all.len()];
    assert_eq!(buffer.read_at(0, &mut out).unwrap(), 100_000);
    assert!(buffer.read_at(100_000, &mut out).is_err());
    let new = Seekable::new(Cursor::new(all.clone()));
    buffer.reopen(new, Some(300_000)).unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    assert_eq!(buffer.size(), Some(300_000));
    assert_eq!(buffer.read_at(0, &mut out).unwrap(), all.len());
    assert_eq!(out, all);
}

#[test]
fn another_resource_is_a_mismatch() {
    let all = bytes(300_000);
    let mut other = all.clone();
    other[99_999] ^= 1;
    let buffer = StreamBuffer::new(Expires(Cursor::new(all[..100_000].to_vec()))).unwrap();
    let mut out = vec![0; all.len()];
    assert_eq!(buffer.read_at(0, &mut out).unwrap(), 100_000);
    for seeks in [false, true] {
        let other = Cursor::new(other.clone());
        match seeks {
            true => buffer.reopen(Seekable::new(other), None).unwrap(),
            false => buffer.reopen(other, None).unwrap(),
        }
        let error = buffer.read_at(100_000, &mut out).unwrap_err();
        assert!(error.is_mismatch(), "{error}");
        assert!(error.to_string().contains("another resource"), "{error}");
        buffer.retry();
        assert!(buffer.read_at(100_000, &mut out).unwrap_err().is_mismatch());
    }
    buffer.reopen(Cursor::new(all.clone()), None).unwrap();
    assert_eq!(buffer.read_at(0, &mut out).unwrap(), all.len());
    assert_eq!(out, all);
}

#[test]
fn a_new_source_that_is_not_used_is_dropped() {
    let drops = Arc::new(AtomicUsize::new(0));
    let source = || Counted(Cursor::new(bytes(1000)), drops.clone());
    let buffer = StreamBuffer::new(Cursor::new(bytes(1000))).unwrap();
    assert_eq!(buffer.read_at(0, &mut [0; 500]).unwrap(), 500);
    let refused = buffer.reopen(source(), Some(10));
    assert!(matches!(refused, Err(Error::Size)), "{refused:?}");
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    assert_eq!(buffer.find_size(None).unwrap(), 1000);
    buffer.reopen(source(), None).unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 2);
    let (pushed, _pusher) = StreamBuffer::pushed().open_push().unwrap();
    let refused = pushed.reopen(source(), None);
    assert!(matches!(refused, Err(Error::Unsupported)), "{refused:?}");
    assert_eq!(drops.load(Ordering::SeqCst), 3);
}

/// Blocks in its first read until it is told to go on, and delivers other bytes then.
struct Stuck(mpsc::Sender<()>, mpsc::Receiver<()>);

impl Read for Stuck {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.send(()).unwrap();
        let _ = self.1.recv();
        out.fill(0xff);
        Ok(out.len())
    }
}

#[test]
fn a_thread_that_is_stuck_in_the_old_source_delays_no_other() {
    let all = bytes(300_000);
    let ((entered, enters), (leave, leaves)) = (mpsc::channel(), mpsc::channel());
    let buffer = StreamBuffer::new(Stuck(entered, leaves)).unwrap();
    let inside = thread::spawn({
        let buffer = buffer.clone();
        move || {
            let mut out = vec![0; 300_000];
            assert_eq!(buffer.read_at(0, &mut out).unwrap(), 300_000);
            out
        }
    });
    enters.recv().unwrap();
    buffer.reopen(Cursor::new(all.clone()), None).unwrap();
    let mut out = vec![0; all.len()];
    assert_eq!(buffer.read_at(0, &mut out).unwrap(), all.len());
    assert_eq!(out, all);
    leave.send(()).unwrap();
    assert_eq!(inside.join().unwrap(), all);
}
