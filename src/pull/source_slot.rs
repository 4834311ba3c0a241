//! The slot of the source: the source itself while it is free, and which threads are inside its
//! code.

use crate::source::Source;
use crate::sync::{ThreadToken, this_thread};

pub(crate) struct SourceSlot {
    /// None while a thread uses it, and after it was closed.
    source: Option<Box<dyn Source>>,
    /// The thread that is inside its `read`, `seek` or `pull`.
    caller: Option<ThreadToken>,
    /// The thread that uses it and may be inside an operation on the spool file.
    spiller: Option<ThreadToken>,
    /// The threads that are inside its interrupt.
    interrupters: Vec<ThreadToken>,
    /// The number of interrupts that no call of the source has obeyed so far.
    interrupts_sent: u32,
}

impl SourceSlot {
    pub(super) fn new(source: Option<Box<dyn Source>>) -> SourceSlot {
        SourceSlot {
            source,
            caller: None,
            spiller: None,
            interrupters: Vec::new(),
            interrupts_sent: 0,
        }
    }

    pub(super) fn is_free(&self) -> bool {
        self.source.is_some()
    }

    pub(super) fn take(&mut self) -> Option<Box<dyn Source>> {
        self.source.take()
    }

    pub(super) fn put_back(&mut self, source: Option<Box<dyn Source>>) {
        self.source = source;
    }

    /// Takes the source, to close it, if it is in the slot and no interrupt is running.
    pub(super) fn retire(&mut self) -> Option<Box<dyn Source>> {
        if self.interrupters.is_empty() {
            self.source.take()
        } else {
            None
        }
    }

    /// This thread enters the source's code.
    pub(super) fn enter(&mut self) {
        self.caller = Some(this_thread());
    }

    pub(super) fn leave(&mut self) {
        self.caller = None;
    }

    /// Whether this thread is inside the source's code.
    pub(crate) fn is_inside(&self) -> bool {
        self.caller == Some(this_thread())
    }

    /// Whether another thread is inside the source's code.
    pub(super) fn is_called_elsewhere(&self) -> bool {
        self.caller.is_some_and(|thread| thread != this_thread())
    }

    /// Whether another thread is inside the source's interrupt.
    pub(super) fn is_interrupted_elsewhere(&self) -> bool {
        let me = this_thread();
        self.interrupters.iter().any(|thread| *thread != me)
    }

    #[cfg(all(test, loom))]
    pub(crate) fn is_called(&self) -> bool {
        self.caller.is_some()
    }

    /// This thread may enter an operation on the spool file.
    pub(super) fn enter_spool(&mut self) {
        self.spiller = Some(this_thread());
    }

    pub(super) fn leave_spool(&mut self) {
        self.spiller = None;
    }

    /// The same after a panic, if it was this thread that used the spool file.
    pub(super) fn abandon_spool(&mut self) {
        if self.spiller == Some(this_thread()) {
            self.spiller = None;
        }
    }

    /// Whether `thread` is inside the source or an operation on the spool file, neither of which
    /// has to return soon.
    pub(super) fn is_away(&self, thread: ThreadToken) -> bool {
        [self.caller, self.spiller].contains(&Some(thread))
    }

    /// Records that this thread interrupts the source. Returns false if it need not: no thread is
    /// inside the source, this thread is, or this thread is interrupting it already.
    pub(super) fn begin_interrupt(&mut self) -> bool {
        let me = this_thread();
        if !self.is_called_elsewhere() || self.interrupters.contains(&me) {
            return false;
        }
        if self.interrupters.try_reserve(1).is_err() {
            return false;
        }
        self.interrupters.push(me);
        self.interrupts_sent = self.interrupts_sent.saturating_add(1);
        true
    }

    pub(super) fn end_interrupt(&mut self) {
        let me = this_thread();
        if let Some(index) = self.interrupters.iter().position(|thread| *thread == me) {
            self.interrupters.swap_remove(index);
        }
    }

    /// Whether an interrupt was sent that no call has obeyed yet. Counts one of them as obeyed.
    pub(super) fn obey_interrupt(&mut self) -> bool {
        let sent = self.interrupts_sent > 0;
        self.interrupts_sent = self.interrupts_sent.saturating_sub(1);
        sent
    }
}
