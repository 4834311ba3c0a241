//! The store: what is buffered, and what of it stays in memory.
//!
//! Bytes enter through a [`Room`] at the end of the *tail*, the segment that the source is filling.
//! A tail that is full, or that the source has left, is *sealed*. Sealed segments wait in order of
//! arrival; when they and the tail together hold more than `max`, the oldest are written to the
//! spool file and leave memory, one at a time, before the source is asked for more. So a write that
//! fails loses nothing and memory stays bounded.
//!
//! Whoever pulls also spills. A second thread that writes while the source is pulled was measured
//! (`bench/`, rows `overlap-*`): an instant source loses a sixth or more to it, a socket gains nothing,
//! and only a source that itself works at 10 Gbit/s gains, 8 %.
//!
//! Two locks, and readers take neither. `spilling` orders those who spill and is held across the
//! write to the file. `writing` is held for a few instructions at a time, so that bytes that have
//! come are taken in while a spill goes on. Readers look bytes up in the index, under a read
//! guard while they copy from memory, without one when they read the spool file, since what is there stays
//! there.

pub(crate) mod index;
pub(crate) mod memory;
pub(crate) mod segment;
pub(crate) mod spool;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::disk::{self, Target};
use crate::error::{Error, Result};
use crate::options::{OnFull, Options};
use crate::store::index::{Index, Place, Spiller, Unlinked, Writer};
use crate::store::memory::BLOCK;
use crate::store::memory::arena::ARENA;
use crate::store::memory::chunk::Chunk;
use crate::store::memory::chunk_allocator::ChunkAllocator;
use crate::store::segment::{Room, Segment};
use crate::store::spool::Spool;
use crate::sync::rcu::{DomainRef, ReadGuard};
use crate::sync::shared::Shared;
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, lock};

/// The smallest segment, in bytes: what a short stream, or a jump, costs at first.
const SMALLEST: u64 = if cfg!(loom) { 2 } else { 16 * 1024 };

/// A resource of unknown size that has come so far without a jump is likely to fill an arena.
const LARGE_RUN: u64 = 512 * 1024;

pub(crate) struct Store {
    index: Index,
    spool: OnceLock<Spool>,
    /// Bytes that are in the spool file.
    spooled: AtomicU64,
    max: u64,
    spool_dir: Option<PathBuf>,
    /// Where the spool file could not be made at the first attempt.
    refused: OnceLock<PathBuf>,
    on_full: OnFull,
    /// Nothing more is to come.
    finished: AtomicBool,
    spilling: Mutex<Spiller>,
    writing: Mutex<Writing>,
}

struct Writing {
    writer: Writer,
    /// The segment that is being filled; linked into the index at its first byte.
    tail: Option<Shared<Segment>>,
    /// Segments in memory that get no more bytes, oldest first.
    sealed: VecDeque<Shared<Segment>>,
    /// Memory taken by `sealed`, in bytes.
    sealed_bytes: u64,
    /// What the last piece that was spilled left behind.
    spare: Option<Chunk>,
    pieces: ChunkAllocator,
}

impl Store {
    pub(crate) fn new(options: Options, keeper: DomainRef) -> Store {
        let (index, writer, spiller) = Index::new(keeper);
        Store {
            index,
            spool: OnceLock::new(),
            spooled: AtomicU64::new(0),
            max: options.max,
            spool_dir: options.spool_dir,
            refused: OnceLock::new(),
            on_full: options.on_full,
            finished: AtomicBool::new(false),
            spilling: Mutex::new(spiller),
            writing: Mutex::new(Writing {
                writer,
                tail: None,
                sealed: VecDeque::new(),
                sealed_bytes: 0,
                spare: None,
                pieces: ChunkAllocator::default(),
            }),
        }
    }

    /// What keeps the memory that is being copied from.
    #[inline]
    pub(crate) fn enter(&self) -> ReadGuard<'_> {
        self.index.enter()
    }

    /// Copies what is in memory from `offset` on without a gap, under a read guard of this store. Adds to
    /// `done` how much that was; returns how much more the spool file has at least.
    #[inline]
    pub(crate) fn copy_memory(
        &self,
        offset: u64,
        out: &mut [u8],
        done: &mut usize,
        guard: &ReadGuard<'_>,
    ) -> u64 {
        while *done < out.len() {
            match self.index.find(offset + *done as u64, guard) {
                Place::Memory(bytes) => {
                    let count = bytes.len().min(out.len() - *done);
                    out[*done..*done + count].copy_from_slice(&bytes[..count]);
                    *done += count;
                }
                Place::Spool(run) => return run,
                Place::Absent => break,
            }
        }
        0
    }

    /// Copies what is buffered from `offset` on without a gap. Adds to `done` how much that was.
    pub(crate) fn copy(&self, offset: u64, out: &mut [u8], done: &mut usize) -> Result<()> {
        let spooled = self.copy_memory(offset, out, done, &self.index.enter());
        self.copy_on(offset, out, done, spooled)
    }

    /// The same, where it is known how much the spool file has there at least.
    pub(crate) fn copy_on(
        &self,
        offset: u64,
        out: &mut [u8],
        done: &mut usize,
        mut spooled: u64,
    ) -> Result<()> {
        while let (1.., Some(spool)) = (spooled, self.spool.get()) {
            let (at, most) = (offset + *done as u64, out.len() - *done);
            let run = self.extend(at, spooled, most as u64) as usize;
            let range = *done..*done + run;
            // Not by its kind: a file that is too short is no full disk.
            spool
                .read(&mut out[range], at, done)
                .map_err(|error| Error::Io(error.raw_os_error().unwrap_or(0)))?;
            if run == most {
                break;
            }
            spooled = self.copy_memory(offset, out, done, &self.index.enter());
        }
        Ok(())
    }

    /// How many bytes from `offset` on, up to `most`, are in the spool file without a gap.
    pub(crate) fn spooled_run(&self, offset: u64, most: u64) -> u64 {
        self.extend(offset, 0, most)
    }

    /// The same, where `run` of them are known to be there.
    fn extend(&self, offset: u64, mut run: u64, most: u64) -> u64 {
        while run < most {
            match self.index.find(offset + run, &self.index.enter()) {
                Place::Spool(count) => run += count,
                _ => break,
            }
        }
        run.min(most)
    }

    /// Room for the source to put bytes at `position`, after making room for them. `run` is how far
    /// the source has come without a jump, `expected` how much is said to follow. `before_spill` is
    /// called, without a lock, before the spool file is worked on.
    pub(crate) fn room(
        &self,
        position: u64,
        run: u64,
        expected: Option<u64>,
        before_spill: impl FnOnce() -> Result<()>,
    ) -> Result<Room> {
        let mut writing = lock(&self.writing);
        writing.seal_unless(|tail| tail.has_room_at(position));
        if writing.is_over(self.max) {
            drop(writing);
            before_spill()?;
            self.make_room()?;
            writing = lock(&self.writing);
            // Not the one that was looked at, if a spill came between.
            writing.seal_unless(|tail| tail.has_room_at(position));
        }
        if let Some(tail) = &writing.tail {
            return Segment::room(tail).ok_or(Error::NoMemory);
        }
        // Everything that taking the bytes in will need, so that it can't fail then.
        self.index.prepare(&mut writing.writer, position)?;
        writing.sealed.try_reserve(1).map_err(|_| Error::NoMemory)?;
        let block = self.block(&mut writing, position, run, expected)?;
        let segment = Segment::new(position, block)?;
        Ok(Segment::room(&segment).expect("a new segment has room"))
    }

    /// Makes `count` bytes that the source put into `room` readable. If `more` are to come at once,
    /// gives back what is left of the room.
    pub(crate) fn accept(&self, mut room: Room, count: usize, more: bool) -> Option<Room> {
        // With the last ones the filling ends under the lock, so that a spill that comes after them
        // takes them too.
        let mut writing = (room.is_first() || !more).then(|| lock(&self.writing));
        if let (Some(writing), true) = (&mut writing, room.is_first()) {
            let segment = room.segment();
            self.index.insert(&mut writing.writer, segment.clone());
            writing.tail = Some(segment.clone());
        }
        room.publish(count);
        (more && room.has_space()).then_some(room)
    }

    /// Takes a room back that the source put nothing into. If it had a segment of its own, that goes,
    /// and its memory is for the next one.
    pub(crate) fn decline(&self, room: Room) {
        let segment = room.is_first().then(|| room.segment().clone());
        drop(room);
        let Some(block) = segment.and_then(|segment| segment.release()) else {
            return;
        };
        let mut writing = lock(&self.writing);
        if block.size() as u64 == BLOCK && writing.spare.is_none() {
            writing.spare = Some(block);
        } else {
            drop(writing);
            block.give_back();
        }
    }

    /// Moves everything in memory to the spool file, but for what the source is filling right now.
    pub(crate) fn spill(&self) -> Result<()> {
        let newest = {
            let mut writing = lock(&self.writing);
            writing.seal_unless(Segment::is_filling);
            writing.sealed.back().cloned()
        };
        // Up to what was there at the call: a source that goes on does not make this endless. One
        // at a time, so that whoever needs room for one waits for no more than that.
        while newest.as_ref().is_some_and(|newest| newest.is_in_memory()) {
            self.spill_oldest(&mut lock(&self.spilling))?;
        }
        let spare = lock(&self.writing).spare.take();
        if let Some(spare) = spare {
            spare.give_back();
        }
        if self.finished.load(Ordering::Relaxed) {
            self.trim();
        }
        Ok(())
    }

    /// Nothing more is to come.
    pub(crate) fn finish(&self) {
        self.finished.store(true, Ordering::Relaxed);
        let mut writing = lock(&self.writing);
        let spare = writing.spare.take();
        writing.pieces = ChunkAllocator::default();
        drop(writing);
        if let Some(spare) = spare {
            spare.give_back();
        }
        self.trim();
    }

    fn trim(&self) {
        // Whoever spills at this moment is done with one piece soon.
        let _spiller = lock(&self.spilling);
        if let Some(spool) = self.spool.get() {
            spool.trim();
        }
    }

    /// Memory for a new segment at `position`.
    fn block(
        &self,
        writing: &mut Writing,
        position: u64,
        run: u64,
        expected: Option<u64>,
    ) -> Result<Chunk> {
        if position % BLOCK == 0 {
            if let Some(spare) = writing.spare.take() {
                return Ok(spare);
            }
            // An arena is taken if all of it fits into what memory may hold: one that is kept at
            // once, a new one if it can be expected to be filled.
            let fits = writing.held().saturating_add(ARENA as u64) <= self.max;
            let fits = fits && expected != Some(0);
            if let Some(piece) = writing.pieces.take(fits, is_large(run, expected)) {
                return Ok(piece);
            }
        }
        // The source has jumped: memory for a whole piece would be one too many beside this one.
        if let Some(spare) = writing.spare.take() {
            spare.give_back();
        }
        writing.pieces.give_back();
        Chunk::zeroed(capacity(position, run, expected))
    }

    /// Spills until memory holds no more than `max`.
    fn make_room(&self) -> Result<()> {
        let mut passed_over = 0;
        while self.is_over_full() {
            let mut spiller = lock(&self.spilling);
            // Somebody else may have done it meanwhile.
            if !self.is_over_full() {
                break;
            }
            let Err(error) = self.spill_oldest(&mut spiller) else {
                continue;
            };
            if error.is_of_the_place() && self.pass_over(&mut passed_over) {
                continue;
            }
            let bears_it = self.on_full == OnFull::Memory;
            match error {
                Error::DiskFull(_) | Error::Io(_) if bears_it => break,
                _ => return Err(error),
            }
        }
        Ok(())
    }

    /// Moves the oldest segment to the back of the queue, for the others to be tried: its offset may
    /// lie further out than a file can be long. False once all were.
    fn pass_over(&self, passed_over: &mut usize) -> bool {
        let mut writing = lock(&self.writing);
        *passed_over += 1;
        let untried = *passed_over < writing.sealed.len();
        writing.sealed.rotate_left(1);
        untried
    }

    fn is_over_full(&self) -> bool {
        lock(&self.writing).is_over(self.max)
    }

    fn spill_oldest(&self, spiller: &mut Spiller) -> Result<()> {
        // It stays the oldest: only who spills takes it away.
        let Some(segment) = lock(&self.writing).sealed.front().cloned() else {
            return Ok(());
        };
        let spool = self.spool_or_new()?;
        let ahead = !self.finished.load(Ordering::Relaxed);
        let written = spool.write(self.index.bytes(spiller, &segment), segment.start(), ahead);
        written.map_err(|error| Error::from_file(&error))?;
        self.spooled
            .fetch_add(segment.filled() as u64, Ordering::Relaxed);
        let unlinked = self
            .index
            .unlink(&mut lock(&self.writing).writer, spiller, &segment);
        let block = unlinked.and_then(Unlinked::wait);
        let mut writing = lock(&self.writing);
        writing.sealed.pop_front();
        writing.sealed_bytes -= segment.capacity() as u64;
        let finished = self.finished.load(Ordering::Relaxed);
        let (kept, given_back) = match block {
            // For the piece that room is made for. It holds bytes of this very resource.
            Some(block) if !finished && block.size() as u64 == BLOCK => {
                (Some(block), writing.spare.take())
            }
            block => (writing.spare.take(), block),
        };
        writing.spare = kept;
        drop(writing);
        if let Some(block) = given_back {
            block.give_back();
        }
        Ok(())
    }

    fn spool_or_new(&self) -> Result<&Spool> {
        if let Some(spool) = self.spool.get() {
            return Ok(spool);
        }
        let directory = match &self.spool_dir {
            Some(directory) => disk::copy_of(directory),
            None => disk::default_directory(),
        };
        let directory = directory.map_err(|error| Error::from_file(&error))?;
        match disk::create_unnamed(&directory) {
            // Only ever set here, under the `spilling` lock.
            Ok(file) => Ok(self.spool.get_or_init(|| Spool::new(file, directory))),
            Err(error) => {
                let _ = self.refused.set(directory);
                Err(Error::from_file(&error))
            }
        }
    }

    /// The directory of the spool file, or the one where it could not be made.
    pub(crate) fn spool_directory(&self) -> Option<&Path> {
        match self.spool() {
            Some(spool) => Some(spool.directory()),
            None => self.refused.get().map(PathBuf::as_path),
        }
    }

    /// Has another file share the blocks of what is in the spool file at `offset`; returns of how many
    /// bytes, 0 if nothing is there.
    pub(crate) fn clone_to(&self, offset: u64, most: u64, file: &File, to: u64) -> io::Result<u64> {
        match (self.spooled_run(offset, most), self.spool.get()) {
            (run @ 1.., Some(spool)) => spool.clone_to(offset, run, file, to),
            _ => Ok(0),
        }
    }

    /// Whether the spool file, or the one that would be made, could become the target. Changes nothing.
    pub(crate) fn can_link(&self, target: &Target) -> bool {
        match (self.spool.get(), &self.spool_dir) {
            (Some(spool), _) => spool.can_link(target),
            (None, Some(directory)) => disk::can_link(None, directory, target),
            (None, None) => disk::default_directory()
                .is_ok_and(|directory| disk::can_link(None, &directory, target)),
        }
    }

    /// Makes the spool file the target, if it holds the first `size` bytes and nothing else.
    pub(crate) fn link(
        &self,
        target: &Target,
        keep: bool,
        size: u64,
        sync: bool,
    ) -> io::Result<bool> {
        // Nobody writes to it meanwhile.
        let _spiller = lock(&self.spilling);
        let in_memory = {
            let writing = lock(&self.writing);
            !writing.sealed.is_empty() || writing.tail.is_some()
        };
        match self.spool.get() {
            Some(spool) if !in_memory && self.spooled() == size => {
                spool.link(target, keep, size, sync).map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// The spool file, once there is one.
    pub(crate) fn spool(&self) -> Option<&Spool> {
        self.spool.get()
    }

    /// Memory taken, in bytes: for the resource's bytes, for knowing where they are, and what is kept for
    /// those to come.
    pub(crate) fn taken(&self) -> u64 {
        let writing = lock(&self.writing);
        let kept = writing.spare.as_ref().map_or(0, Chunk::size) + writing.pieces.left();
        let tail = writing.tail.as_ref().map_or(0, |tail| tail.capacity());
        let queue = writing.sealed.capacity() * size_of::<Shared<Segment>>();
        writing.sealed_bytes + (writing.writer.taken() + queue + tail + kept) as u64
    }

    /// How many bytes are in the spool file.
    pub(crate) fn spooled(&self) -> u64 {
        self.spooled.load(Ordering::Relaxed)
    }
}

impl Writing {
    /// Memory taken: what a sealed segment could have held, what the tail does hold.
    fn held(&self) -> u64 {
        self.sealed_bytes + self.tail.as_ref().map_or(0, |tail| tail.filled() as u64)
    }

    /// Whether there is more than `max`, and something of it can go.
    fn is_over(&self, max: u64) -> bool {
        self.held() > max && !self.sealed.is_empty()
    }

    /// Ends the filling of the tail, unless it is as it should be. There is a place in the queue for
    /// every tail.
    fn seal_unless(&mut self, is_fine: impl FnOnce(&Segment) -> bool) {
        if let Some(tail) = self.tail.take_if(|tail| !is_fine(tail)) {
            self.sealed_bytes += tail.capacity() as u64;
            self.sealed.push_back(tail);
        }
    }
}

/// Whether so much is likely to follow that it fills an arena.
fn is_large(run: u64, expected: Option<u64>) -> bool {
    match expected {
        // Not by what is said to follow alone: a short stream may be said to be long, and of a long
        // one only the start may be wanted.
        Some(left) => run >= LARGE_RUN / 2 && left >= ARENA as u64 / 2,
        None => run >= LARGE_RUN,
    }
}

/// How large a new segment at `position` is: up to the block's end, for a short resource no larger
/// than it, after a jump or with an unknown size doubling from a small start.
fn capacity(position: u64, run: u64, expected: Option<u64>) -> usize {
    let to_block_end = BLOCK - position % BLOCK;
    let wanted = match expected {
        Some(left @ 1..) if run == position => left,
        // All that was said to come has come: this one is for the end, or for a little more.
        Some(0) => SMALLEST,
        _ => run.max(SMALLEST),
    };
    wanted.min(to_block_end) as usize
}

#[cfg(all(test, not(loom)))]
mod tests;
