//! One save in progress: it fetches what is missing, copies what is buffered, and reports.

use std::io;
use std::time::{Duration, Instant};

use super::sink::Sink;
use super::{Report, SaveOptions, failed};
use crate::buffer::Buffer;
use crate::buffer::failure::{Attempt, Failure};
use crate::buffer::read::{ReadRequest, Wait};
use crate::disk::Target;
use crate::error::{Error, Operation};
use crate::sync::shared::Shared;

/// The most buffered bytes that are read at a time, and the most memory that a save uses.
const LARGE: usize = 256 * 1024;
/// The number of bytes requested at a time if the source has to deliver them.
const SMALL: usize = 64 * 1024;
/// The most bytes of the spool file that are shared at a time.
const HUGE: u64 = 16 * 1024 * 1024;

pub(super) struct Saving<'s> {
    buffer: &'s Shared<Buffer>,
    options: SaveOptions,
    report: Report<'s>,
    /// When the save's time is over.
    deadline: Option<Instant>,
    /// The end of the bytes that were buffered when the save began, if only those are to be saved.
    until: Option<u64>,
    /// The offset of the first byte to save.
    from: u64,
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
    pub(super) fn begin(
        buffer: &'s Shared<Buffer>,
        options: SaveOptions,
        report: Report<'s>,
    ) -> Attempt<Saving<'s>> {
        let deadline = options
            .timeout
            .and_then(|time| Instant::now().checked_add(time));
        let state = buffer.gate.lock();
        let extent = state.extent();
        if extent.has_window() && (!options.buffered || options.link) {
            return Err(Error::Unsupported.into());
        }
        if options.require_size && extent.declared().is_none() && !extent.awaits_size() {
            return Err(Error::UnknownSize.into());
        }
        if options.buffered && state.extent().ranges().total() != state.extent().frontier() {
            return Err(Error::Size.into());
        }
        let until = options.buffered.then(|| state.extent().frontier());
        let from = state.extent().tail();
        let cancels = state.cancels();
        Ok(Saving {
            buffer,
            options,
            report,
            deadline,
            until,
            from,
            cancels,
            may_share: true,
            bytes: Vec::new(),
            reported: 0,
            reported_total: None,
        })
    }

    /// Copies from the start to the end, or to the frontier if only buffered bytes are saved.
    pub(super) fn copy(&mut self, sink: &Sink<'_>) -> Attempt<u64> {
        self.drain_forward()?;
        let mut done = 0;
        loop {
            let (ready, total) = self.snapshot(done)?;
            if done > 0 {
                // After the snapshot, whose total may be the size that the last step found.
                self.report_progress(done, total)?;
            }
            if ready == 0 {
                self.check_lapped(done)?;
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

    /// Returns the number of bytes readable without the source after the first `offset` bytes to save,
    /// and the total if it is known.
    fn snapshot(&self, offset: u64) -> Attempt<(u64, Option<u64>)> {
        self.check_time()?;
        let state = self.buffer.gate.lock();
        if state.was_canceled_since(self.cancels) {
            return Err(Error::Canceled.into());
        }
        let Some(until) = self.until else {
            // There is no window, so the save begins at 0.
            return Ok((state.extent().buffered(offset), state.extent().size()));
        };
        let at = self.from + offset;
        let ready = state.extent().buffered(at);
        Ok((ready.min(until.saturating_sub(at)), Some(until - self.from)))
    }

    /// Fails if the next byte to save, which is not buffered, was so when the save began: it has left
    /// the window.
    fn check_lapped(&self, done: u64) -> Attempt<()> {
        let at = self.from + done;
        match self.until {
            Some(until) if at < until => Err(Failure::from(Error::Lapped).at(at)),
            _ => Ok(()),
        }
    }

    pub(super) fn check_time(&self) -> Attempt<()> {
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
            self.from + offset,
            bytes,
            ReadRequest {
                all: true,
                wait,
                terms: None,
            },
        )?;
        let go_on = || self.snapshot(0).is_ok();
        match sink.write(&self.bytes[..count], offset, &go_on) {
            Ok(true) => Ok(count as u64),
            // Whatever the reason was is still one.
            Ok(false) => Err(self.snapshot(0).err().unwrap_or(Error::Canceled.into())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && sink.must_not_wait() => {
                Err(Error::Reentrant.into())
            }
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
    pub(super) fn link(&mut self, target: &Target) -> Attempt<Option<u64>> {
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
