//! The seat of one source: the source itself while it is free, and which threads are inside its
//! code.
//!
//! A buffer has one current seat. A source that was replaced by [reopen](crate::pull::reopen) while
//! a thread used it keeps a seat of its own, an *orphan*, until that thread has returned.

use crate::panic::catch;
use crate::source::{self, Interrupt, Source};
use crate::sync::clock::Stopwatch;
use crate::sync::{ThreadToken, this_thread};

pub(super) struct Seat {
    /// Distinguishes the sources of a buffer. The first one has 0.
    pub(super) generation: u64,
    /// It never had a source.
    pub(super) is_vacant: bool,
    /// None while a thread uses it, and after it was closed.
    pub(super) source: Option<Box<dyn Source>>,
    /// Makes a call of the source return soon. None while a thread is inside it, too.
    interrupt: Option<Interrupt>,
    /// The thread that is inside its `read`, `seek` or `pull`.
    pub(super) caller: Option<ThreadToken>,
    /// The reader whose call uses it; 0 for none, `CANCELED` if that reader was canceled meanwhile.
    pub(super) reader: usize,
    /// When its running call began, and where that call reads or seeks to. None once that call was
    /// interrupted.
    call: Option<(Stopwatch, u64)>,
    /// The thread that uses it and may be inside an operation on the spool file.
    pub(super) spiller: Option<ThreadToken>,
    /// The thread that is inside its interrupt.
    pub(super) interrupter: Option<ThreadToken>,
    /// The number of interrupts that no call of the source has obeyed so far.
    pub(super) interrupts_sent: u32,
    /// Whether an orphan was interrupted, or is being interrupted.
    interrupted: bool,
    /// Whether only the return of `free` or `reopen` tells the source's owner that no thread is
    /// inside its code.
    waits: bool,
    /// Whether it goes on after an interrupt as if there had been none.
    is_interruptible: bool,
}

/// No reader's number: numbers are even.
const CANCELED: usize = usize::MAX;

/// A source that is not called any more. Closed without the lock, since that runs its own code.
pub(crate) struct SpentSource {
    source: Box<dyn Source>,
    interrupt: Option<Interrupt>,
}

impl SpentSource {
    pub(crate) fn close(self) {
        if let Some(interrupt) = self.interrupt {
            catch((), || drop(interrupt));
        }
        source::close(self.source);
    }
}

impl Seat {
    /// Runs the source's own code, so no lock may be held here.
    pub(super) fn new(source: Option<Box<dyn Source>>) -> Seat {
        Seat {
            interrupt: source.as_ref().and_then(|source| source.interrupt()),
            is_vacant: source.is_none(),
            waits: source.as_ref().is_some_and(|it| it.free_waits_for_pull()),
            is_interruptible: source.as_ref().is_some_and(|it| it.is_interruptible()),
            source,
            generation: 0,
            caller: None,
            reader: 0,
            call: None,
            spiller: None,
            interrupter: None,
            interrupts_sent: 0,
            interrupted: false,
        }
    }

    /// Whether a thread uses the source, or interrupts it.
    pub(super) fn is_in_use(&self) -> bool {
        !self.is_vacant && (self.source.is_none() || self.is_interrupted())
    }

    /// Takes the source, to close it, if it is in the seat and no interrupt is running.
    pub(super) fn retire(&mut self) -> Option<SpentSource> {
        if self.is_interrupted() {
            return None;
        }
        let source = self.source.take()?;
        let interrupt = self.interrupt.take();
        Some(SpentSource { source, interrupt })
    }

    /// Whether this thread is inside the source's code or its interrupt, and the source's owner
    /// learns from nothing but a return that it is not.
    pub(super) fn would_wait_for_itself(&self) -> bool {
        self.waits && [self.caller, self.interrupter].contains(&Some(this_thread()))
    }

    /// Whether another thread is inside the source's code.
    pub(super) fn is_called_elsewhere(&self) -> bool {
        self.caller.is_some_and(|thread| thread != this_thread())
    }

    /// Whether a thread is inside the source's interrupt.
    #[inline]
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupter.is_some()
    }

    /// Whether another thread is inside the source's interrupt.
    pub(super) fn is_interrupted_elsewhere(&self) -> bool {
        self.interrupter
            .is_some_and(|thread| thread != this_thread())
    }

    /// Whether the source's owner has to be told by a wait that another thread has left its code.
    pub(super) fn must_be_awaited(&self) -> bool {
        self.waits && (self.is_called_elsewhere() || self.is_interrupted_elsewhere())
    }

    /// Whether `thread` is inside the source or an operation on the spool file.
    pub(super) fn is_away(&self, thread: ThreadToken) -> bool {
        [self.caller, self.spiller].contains(&Some(thread))
    }

    /// A thread enters the source's code, to read or seek to `heading`.
    pub(super) fn enter(&mut self, heading: u64, since: Stopwatch) {
        self.caller = Some(this_thread());
        self.call = Some((since, heading));
    }

    /// Whether a call can be interrupted without harm, and is not being interrupted.
    pub(super) fn can_be_interrupted(&self) -> bool {
        self.is_interruptible && self.interrupt.is_some()
    }

    /// The call that is running, if it can be interrupted without harm and was not interrupted.
    pub(super) fn call_to_watch(&self) -> Option<(Stopwatch, u64)> {
        self.call
            .filter(|_| self.can_be_interrupted() && self.caller.is_some())
    }

    /// Takes the interrupt if a call of `reader`, which was canceled, is inside the source. That call
    /// does not enter it again, even if the source delivers bytes all the same.
    pub(super) fn begin_interrupt_of(&mut self, reader: usize) -> Option<Interrupt> {
        if self.reader != reader || reader == 0 || !self.is_interruptible {
            return None;
        }
        self.reader = CANCELED;
        self.begin_interrupt()
    }

    /// Whether the reader whose call uses it was canceled.
    pub(super) fn is_reader_canceled(&self) -> bool {
        self.reader == CANCELED
    }

    /// Takes the interrupt, which this thread is going to call. None if it need not: no other thread
    /// is inside the source, or a thread is interrupting it already. One interrupt is enough for a
    /// call of the source, and the next call waits until it is over.
    pub(super) fn begin_interrupt(&mut self) -> Option<Interrupt> {
        if !self.is_called_elsewhere() {
            return None;
        }
        let interrupt = self.interrupt.take()?;
        self.interrupter = Some(this_thread());
        self.call = None;
        self.interrupts_sent = self.interrupts_sent.saturating_add(1);
        Some(interrupt)
    }

    /// The same for an orphan, which is interrupted once.
    pub(super) fn begin_last_interrupt(&mut self) -> Option<Interrupt> {
        if self.interrupted {
            return None;
        }
        let interrupt = self.begin_interrupt();
        self.interrupted = interrupt.is_some();
        interrupt
    }

    /// The seat becomes an orphan. An interrupt that is running is for the call that is running.
    pub(super) fn abandon(&mut self) {
        self.interrupted = self.interrupter.is_some();
    }

    pub(super) fn end_interrupt(&mut self, interrupt: Interrupt) {
        self.interrupter = None;
        self.interrupt = Some(interrupt);
    }
}
