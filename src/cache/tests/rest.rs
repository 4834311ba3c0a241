//! Many entries are filled at once, which may exceed the memory budget. It holds again once none is.

use super::*;

const COUNT: usize = 40;
const MAX: u64 = 256 * 1024;

/// Where the sources wait for each other.
struct Meeting {
    inside: Barrier,
    leave: Barrier,
}

/// How the readers come to an end.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Delivered,
    /// A helper delivers for them.
    ByHelper,
    /// The source fails while a segment is being filled.
    Failed,
    /// The last lease ends while a thread is inside the source, in the middle of a segment.
    Unplugged,
}

/// Delivers 200,000 bytes at a time. Meets the others in the last pull of its reader.
struct Gathered {
    pulls: usize,
    end: End,
    meeting: Arc<Meeting>,
    closed: Arc<AtomicUsize>,
}

impl End {
    /// In which pull the sources meet.
    fn meets_at(self) -> usize {
        match self {
            End::Delivered | End::ByHelper => 1,
            End::Failed | End::Unplugged => 2,
        }
    }
}

impl Source for Gathered {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        self.pulls += 1;
        if self.pulls == self.end.meets_at() {
            self.meeting.inside.wait();
            self.meeting.leave.wait();
            if self.end == End::Failed {
                return Err(Error::Source {
                    code: -1,
                    cause: None,
                });
            }
        }
        let count = out.len().min(200_000);
        out[..count].fill(7);
        Ok(count)
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.closed.fetch_add(1, Ordering::SeqCst);
    }
}

struct GatheredOpener(End, Arc<Meeting>, Arc<AtomicUsize>);

impl Opener for GatheredOpener {
    fn open(&self, _key: &[u8], _old_tag: u64) -> Result<Opened> {
        Ok(Opened {
            source: Some(Box::new(Gathered {
                pulls: 0,
                end: self.0,
                meeting: self.1.clone(),
                closed: self.2.clone(),
            })),
            size: Some(64 * MIB),
            tag: 1,
        })
    }
}

fn fill(end: End) {
    let meeting = Arc::new(Meeting {
        inside: Barrier::new(COUNT + 1),
        leave: Barrier::new(COUNT + 1),
    });
    let closed = Arc::new(AtomicUsize::new(0));
    let opener = GatheredOpener(end, meeting.clone(), closed.clone());
    let mut options = options();
    options.max_memory = MAX;
    options.threads = COUNT as u32;
    let made = BufferCache::new(Box::new(opener), Box::new(Unnamed), options);
    let cache = Shared::try_new(made.unwrap()).unwrap();
    let mut leases: Vec<_> = (0..COUNT)
        .map(|key| open(&cache, &format!("{key}")).unwrap())
        .collect();
    std::thread::scope(|scope| {
        for lease in &leases {
            let buffer = lease.buffer().clone();
            scope.spawn(move || {
                let request = ReadRequest {
                    all: true,
                    wait: match end {
                        End::ByHelper => Wait::For(Duration::from_secs(3600)),
                        _ => Wait::Forever,
                    },
                    terms: None,
                };
                let mut out = vec![
                    0;
                    if end.meets_at() == 1 {
                        200_000
                    } else {
                        200_001
                    }
                ];
                let read = Buffer::read(&buffer, 0, &mut out, request).map_err(Error::from);
                match read {
                    Ok(count) => assert!(out[..count].iter().all(|it| *it == 7)),
                    Err(error) => assert!(end == End::Unplugged, "{error}"),
                }
            });
        }
        meeting.inside.wait();
        if end == End::Unplugged {
            leases.clear();
        }
        meeting.leave.wait();
    });
    drop(leases);
    while closed.load(Ordering::SeqCst) < COUNT {
        std::thread::yield_now();
    }
    let stats = cache.stats();
    let exceeded = MAX + MAX * COUNT as u64 / 2;
    assert!(stats.memory_peak > exceeded, "{stats:?}");
    assert!(stats.memory <= MAX, "{stats:?}");
    assert_eq!((stats.leases, stats.entries), (0, COUNT as u64));
}

#[test]
fn memory_fits_after_many_readers() {
    fill(End::Delivered);
}

#[test]
fn memory_fits_after_helpers() {
    fill(End::ByHelper);
}

#[test]
fn memory_fits_after_sources_that_failed() {
    fill(End::Failed);
}

#[test]
fn memory_fits_after_sources_that_were_unplugged() {
    fill(End::Unplugged);
}
