//! The pieces of `file`, written by a second thread while the next ones come from the source.

use super::file::{PIECE, Pieces};
use super::filled::Filled;
use crate::contender::buffer::Buffer;
use crate::source::Source;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Pieces that are full or being written; one more is being filled.
const WAITING: usize = 4;

struct State {
    source: Source,
    pieces: Pieces,
}

impl State {
    /// Fetches everything.
    fn fill(&mut self) -> u64 {
        let (source, pieces) = (&mut self.source, &mut self.pieces);
        let (full, to_write) = sync_channel::<Vec<u8>>(WAITING);
        let (written, empty) = sync_channel(WAITING + 1);
        (0..=WAITING).for_each(|_| written.send(vec![0; PIECE]).expect("room"));
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for piece in to_write {
                    pieces.write(&piece);
                    let _ = written.send(piece);
                }
            });
            pull(source, &full, &empty);
            drop(full);
        });
        self.pieces.end
    }
}

/// Fills pieces and hands them on, to the end.
fn pull(source: &mut Source, full: &SyncSender<Vec<u8>>, empty: &Receiver<Vec<u8>>) {
    loop {
        let mut piece = empty.recv().expect("the writer");
        piece.resize(PIECE, 0);
        let have = source.fill_all(&mut piece);
        if have == 0 {
            return;
        }
        piece.truncate(have);
        full.send(piece).expect("the writer");
    }
}

struct Overlapped(Filled<State>);

impl Buffer for Overlapped {
    fn read(&self, off: u64, out: &mut [u8]) -> usize {
        let end = off + out.len() as u64;
        let state = self.0.up_to(end, |state, _| state.fill());
        state.pieces.read(off, out);
        out.len()
    }

    fn save(&self, path: &Path) -> Option<u64> {
        let state = self.0.up_to(u64::MAX, |state, _| state.fill());
        Some(state.pieces.save(path))
    }
}

/// Opens one.
pub fn open(source: Source, _: u64) -> Box<dyn Buffer> {
    Box::new(Overlapped(Filled::new(State {
        source,
        pieces: Pieces::new(true),
    })))
}
