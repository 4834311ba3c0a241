//! Saves the whole resource to a file, atomically.
//!
//! A save is a reader like any other: it copies buffered bytes, pulls missing ones, and writes them
//! as they arrive. Bytes in the spool file are shared block by block (reflink) if the file system
//! supports that. Otherwise they are read and written, which is faster than letting the kernel copy
//! from file to file (`bench/`, row `save-256`: 64 against 76 ms on ext4).
//!
//! A save to a path writes a temporary file next to the target, which replaces the target in one
//! step at the end. A save to a descriptor only writes.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::buffer::Buffer;
use crate::buffer::failure::{Attempt, Failure};
use crate::buffer::read::{ReadRequest, Wait};
use crate::disk::preallocate::Preallocation;
use crate::disk::{self, Stream, Target};
use crate::error::{Error, Operation};
use crate::sync::shared::Shared;

/// How a resource is saved. Later versions may add options, so end with `..Default::default()`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SaveOptions {
    /// Flushes the file to disk before returning, and for a path also its directory entry.
    pub sync: bool,
    /// If the target exists, leaves it alone and returns [`Error::Exists`]. Returns
    /// [`Error::Unsupported`] on a file system that can neither rename nor link without replacing.
    pub no_replace: bool,
    /// If the final size is not the declared size, saves nothing and returns [`Error::Size`].
    /// Returns [`Error::UnknownSize`] if no size was declared.
    pub require_size: bool,
    /// Saves the bytes that are buffered now, without calling the source. Returns [`Error::Size`]
    /// if they have gaps.
    pub buffered: bool,
    /// Allows the file to be the spool file itself, if both are on the same file system. The save
    /// then takes almost no time, but modifying the saved file in place modifies the buffer. The
    /// bytes in memory are spilled for that; if linking is impossible, nothing is spilled.
    pub link: bool,
    /// The time limit for the whole save; after it, the save returns [`Error::Timeout`], and the
    /// target is unchanged. With a limit, the source is called on a helper thread. A running file
    /// operation is not interrupted.
    pub timeout: Option<Duration>,
    /// The permission bits of the file, `0o600`, say, whatever the umask; None is the default mode
    /// of new files. Ignored on Windows. [`Error::Invalid`] if there are other bits than `0o777`.
    pub mode: Option<u32>,
}

/// The most buffered bytes that are read at a time, and the most memory that a save uses.
const LARGE: usize = 256 * 1024;
/// The number of bytes requested at a time if the source has to deliver them.
const SMALL: usize = 64 * 1024;
/// The most bytes of the spool file that are shared at a time.
const HUGE: u64 = 16 * 1024 * 1024;

/// Called with `(done, total)`, in bytes, after each step; returns false to stop the save.
pub(crate) type Report<'r> = &'r mut dyn FnMut(u64, Option<u64>) -> bool;

/// Saves to a path. Returns the number of bytes saved.
pub(crate) fn to_path(
    buffer: &Shared<Buffer>,
    path: &Path,
    options: SaveOptions,
    report: Report<'_>,
) -> Attempt<u64> {
    if options.mode.is_some_and(|mode| mode & !0o777 != 0) {
        return Err(Error::Invalid.into());
    }
    if path.as_os_str().is_empty() || disk::is_reserved(path) {
        return Err(Failure::during(Operation::TargetOpen, Error::Invalid));
    }
    if !names_a_file(path) {
        return Err(Failure::during(Operation::TargetOpen, Error::Unsupported));
    }
    let mut saving = Saving::begin(buffer, options, report)?;
    let target = disk::target(path, options.no_replace, options.sync, options.mode)
        .map_err(failed(Operation::TargetOpen))?;
    let size = match saving.link(&target)? {
        Some(size) => size,
        None => {
            let temp_file = disk::temp_file(&target).map_err(failed(Operation::TargetOpen))?;
            let size = saving.copy(&Sink::TempFile(&temp_file.file, Preallocation::new()))?;
            disk::set_mode(&temp_file.file, &target).map_err(failed(Operation::TargetMode))?;
            // Everything that can fail happens before the old file is replaced.
            disk::settle(&temp_file.file).map_err(failed(Operation::TargetClose))?;
            if options.sync {
                disk::sync(&temp_file.file).map_err(failed(Operation::TargetSync))?;
            }
            saving.check_time()?;
            disk::persist(temp_file, &target, options.no_replace)
                .map_err(failed(Operation::TargetRename))?;
            size
        }
    };
    if options.sync {
        disk::sync_name(&target).map_err(failed(Operation::TargetSync))?;
    }
    Ok(size)
}

/// Saves to an open descriptor, from its current position, and leaves the position after the last
/// byte.
pub(crate) fn to_descriptor(
    buffer: &Shared<Buffer>,
    descriptor: i32,
    options: SaveOptions,
    report: Report<'_>,
) -> Attempt<u64> {
    let file = disk::borrow(descriptor)
        .map_err(|_| Failure::during(Operation::TargetOpen, Error::Invalid))?;
    // An open descriptor's target exists.
    if options.no_replace || options.mode.is_some() {
        return Err(Error::Invalid.into());
    }
    // Checked before the first byte is written, which could not be synced.
    if options.sync && !disk::can_sync(&file) {
        return Err(Failure::during(Operation::TargetSync, Error::Unsupported));
    }
    let mut saving = Saving::begin(buffer, options, report)?;
    let position = disk::position(&file);
    let sink = match position {
        Some(at) => Sink::At(&file, at),
        None => Sink::Stream(Stream::new(&file)),
    };
    let size = saving.copy(&sink)?;
    if let Some(at) = position {
        io::Seek::seek(&mut &*file, io::SeekFrom::Start(at + size))
            .map_err(failed(Operation::TargetWrite))?;
    }
    disk::settle_borrowed(&file).map_err(failed(Operation::TargetClose))?;
    if options.sync {
        disk::sync(&file).map_err(failed(Operation::TargetSync))?;
    }
    Ok(size)
}

fn failed(operation: Operation) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::of_target(operation, &error)
}

/// Returns whether a path can be that of a file, judging by its text. A path that ends in a
/// separator or in `.` is a directory, even if `Path` sees the name before that.
fn names_a_file(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    let name = path.file_name().map(|name| name.as_encoded_bytes());
    name.is_some_and(|name| text.ends_with(name))
}

/// Where the bytes are written.
enum Sink<'f> {
    /// To the temporary file.
    TempFile(&'f File, Preallocation),
    /// To a file, from an offset on.
    At(&'f File, u64),
    /// To a pipe, or appended to a file.
    Stream(Stream<'f>),
    /// Nowhere: it is enough that they are buffered.
    Buffer,
}

impl Sink<'_> {
    /// Returns false if `go_on` stopped it.
    fn write(&self, bytes: &[u8], offset: u64, go_on: &dyn Fn() -> bool) -> io::Result<bool> {
        match self {
            Sink::TempFile(file, preallocation) => {
                preallocation.reserve(file, offset, bytes.len() as u64);
                disk::write_all_at(file, bytes, offset).map(|()| true)
            }
            Sink::At(file, start) => disk::write_all_at(file, bytes, start + offset).map(|()| true),
            Sink::Stream(stream) => disk::write_all(stream, bytes, go_on),
            Sink::Buffer => Ok(true),
        }
    }
}

struct Saving<'s> {
    buffer: &'s Shared<Buffer>,
    options: SaveOptions,
    report: Report<'s>,
    /// When the save's time is over.
    deadline: Option<Instant>,
    /// The end of the bytes that were buffered when the save began, if only those are to be saved.
    until: Option<u64>,
    /// The number of times that the buffer had been canceled when the save began.
    cancels: u64,
    /// Whether the file system may be able to share blocks.
    may_share: bool,
    bytes: Vec<u8>,
    /// The last values reported.
    reported: u64,
    reported_total: Option<u64>,
}

impl<'s> Saving<'s> {
    fn begin(
        buffer: &'s Shared<Buffer>,
        options: SaveOptions,
        report: Report<'s>,
    ) -> Attempt<Saving<'s>> {
        let deadline = options
            .timeout
            .and_then(|time| Instant::now().checked_add(time));
        let state = buffer.gate.lock();
        let extent = state.extent();
        if options.require_size && extent.declared().is_none() && !extent.awaits_size() {
            return Err(Error::UnknownSize.into());
        }
        if options.buffered && state.extent().ranges().total() != state.extent().frontier() {
            return Err(Error::Size.into());
        }
        let until = options.buffered.then(|| state.extent().frontier());
        let cancels = state.cancels();
        Ok(Saving {
            buffer,
            options,
            report,
            deadline,
            until,
            cancels,
            may_share: true,
            bytes: Vec::new(),
            reported: 0,
            reported_total: None,
        })
    }

    /// Copies from the start to the end, or to the frontier if only buffered bytes are saved.
    fn copy(&mut self, sink: &Sink<'_>) -> Attempt<u64> {
        self.drain_forward()?;
        let mut done = 0;
        loop {
            let (ready, total) = self.snapshot(done)?;
            if done > 0 {
                // After the snapshot, whose total may be the size that the last step found.
                self.report_progress(done, total)?;
            }
            let count = match self.share_spooled(done, ready, sink)? {
                0 => self.copy_read(done, ready, sink)?,
                count => count,
            };
            if count == 0 {
                break;
            }
            done += count;
        }
        self.check(done)?;
        self.report_end(done)?;
        if let Sink::TempFile(file, preallocation) = sink {
            preallocation.trim(file);
        }
        Ok(done)
    }

    /// Buffers everything. Returns the number of bytes.
    fn fetch(&mut self) -> Attempt<u64> {
        let mut fetched = false;
        loop {
            let (missing, total) = self.snapshot(0)?;
            if fetched {
                self.report_progress(missing, total)?;
            }
            if self.copy_read(missing, 0, &Sink::Buffer)? == 0 {
                return Ok(missing);
            }
            fetched = true;
        }
    }

    /// Reads a source that was sought forward on to its end, before the gaps are filled in order:
    /// this saves one seek.
    fn drain_forward(&mut self) -> Attempt<()> {
        let mut read = false;
        while !self.options.buffered {
            let missing = self.buffer.gate.lock().missing_ahead();
            let (_, total) = self.snapshot(0)?;
            if read {
                self.report_progress(0, total)?;
            }
            let Some(missing) = missing else { break };
            if self.copy_read(missing, 0, &Sink::Buffer)? == 0 {
                break;
            }
            read = true;
        }
        Ok(())
    }

    /// Reports progress, never less than before: bytes that could not be linked are copied.
    fn report_progress(&mut self, done: u64, total: Option<u64>) -> Attempt<()> {
        self.reported = self.reported.max(done);
        self.reported_total = total;
        if (self.report)(self.reported, total) {
            Ok(())
        } else {
            Err(Error::Canceled.into())
        }
    }

    /// Reports the final size, unless the last report was that: the end may be found only after it, and
    /// an empty resource had none.
    fn report_end(&mut self, size: u64) -> Attempt<()> {
        // The read that found the end may have begun after a cancel and a resume.
        self.snapshot(size)?;
        if (self.reported, self.reported_total) == (size, Some(size)) {
            return Ok(());
        }
        self.report_progress(size, Some(size))
    }

    /// Returns the number of bytes readable at `offset` without the source, and the total if it is
    /// known.
    fn snapshot(&self, offset: u64) -> Attempt<(u64, Option<u64>)> {
        self.check_time()?;
        let state = self.buffer.gate.lock();
        if state.was_canceled_since(self.cancels) {
            return Err(Error::Canceled.into());
        }
        let ready = state.extent().buffered(offset);
        Ok(match self.until {
            Some(until) => (ready.min(until.saturating_sub(offset)), self.until),
            None => (ready, state.extent().size()),
        })
    }

    fn check_time(&self) -> Attempt<()> {
        match self.time_left() {
            Some(Duration::ZERO) => Err(Error::Timeout.into()),
            _ => Ok(()),
        }
    }

    fn time_left(&self) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    /// Makes the target share blocks of the spool file at `offset`. Returns 0 if that is
    /// impossible.
    fn share_spooled(&mut self, offset: u64, ready: u64, sink: &Sink<'_>) -> Attempt<u64> {
        let (Sink::TempFile(file, _), true) = (sink, self.may_share) else {
            return Ok(0);
        };
        match self
            .buffer
            .store
            .clone_to(offset, ready.min(HUGE), file, offset)
        {
            Ok(count) => Ok(count),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                self.may_share = false;
                Ok(0)
            }
            Err(error) => Err(failed(Operation::TargetWrite)(error).at(offset)),
        }
    }

    /// Reads at `offset` like any reader, and writes the bytes.
    fn copy_read(&mut self, offset: u64, ready: u64, sink: &Sink<'_>) -> Attempt<u64> {
        let ready = usize::try_from(ready).unwrap_or(usize::MAX);
        let wait = self.time_left().map_or(Wait::Forever, Wait::For);
        let (length, wait) = match (ready, self.options.buffered) {
            (0, true) => return Ok(0),
            (ready, true) => (ready.min(LARGE), Wait::Never),
            (0..SMALL, false) => (SMALL, wait),
            (ready, false) => (ready.min(LARGE), wait),
        };
        if self.bytes.len() < length {
            let more = length - self.bytes.len();
            self.bytes
                .try_reserve_exact(more)
                .map_err(|_| Error::NoMemory)?;
            self.bytes.resize(length, 0);
        }
        let bytes = &mut self.bytes[..length];
        let count = Buffer::read(
            self.buffer,
            offset,
            bytes,
            ReadRequest {
                all: true,
                wait,
                cancel_token: None,
            },
        )?;
        let go_on = || self.snapshot(0).is_ok();
        match sink.write(&self.bytes[..count], offset, &go_on) {
            Ok(true) => Ok(count as u64),
            // Whatever the reason was is still one.
            Ok(false) => Err(self.snapshot(0).err().unwrap_or(Error::Canceled.into())),
            Err(error) => Err(failed(Operation::TargetWrite)(error).at(offset)),
        }
    }

    fn check(&self, done: u64) -> Attempt<()> {
        let declared = self.buffer.gate.lock().extent().declared();
        match (self.options.require_size, declared) {
            (true, None) => Err(Error::UnknownSize.into()),
            (true, Some(size)) if size != done => Err(Error::Size.into()),
            _ => Ok(()),
        }
    }

    /// Makes the spool file itself the target, if that was requested and is possible.
    fn link(&mut self, target: &Target) -> Attempt<Option<u64>> {
        // If linking is impossible, memory is left as it is, and the bytes are copied as they
        // arrive.
        if !self.options.link {
            return Ok(None);
        }
        if !self.buffer.store.can_link(target) {
            return self.copies("the spool file cannot become that file");
        }
        let size = if self.options.buffered {
            self.snapshot(0)?.0
        } else {
            self.fetch()?
        };
        self.check(size)?;
        // If the stream continued, so would the file under its new name.
        if !self.buffer.gate.lock().extent().is_complete() {
            return self.copies("the resource is not complete");
        }
        self.report_end(size)?;
        // If the disk has no space for a spill, the target's may still have some.
        if self.buffer.spill().is_err() {
            return self.copies("the bytes in memory could not be spilled");
        }
        self.check_time()?;
        match self
            .buffer
            .store
            .link(target, self.options.no_replace, size, self.options.sync)
        {
            Ok(true) => Ok(Some(size)),
            Ok(false) => self.copies("the spool file does not hold exactly the resource"),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                self.copies("the file system cannot link it")
            }
            Err(error) => Err(failed(Operation::TargetLink)(error)),
        }
    }

    /// Logs why a save that was to link copies instead.
    fn copies(&self, reason: &str) -> Attempt<Option<u64>> {
        log!(
            Info,
            self.buffer.store.number(),
            "a save copies instead of linking: {reason}"
        );
        Ok(None)
    }
}
