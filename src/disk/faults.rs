//! Faults for tests: the Nth file operation of this thread fails, or falls short, once or for ever.

use std::cell::Cell;
use std::io;

pub(crate) use super::Operation;

/// What happens to operations on this thread.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// How many operations go well first.
    pub(crate) after: u32,
    /// Whether all that follow fail as well.
    pub(crate) lasting: bool,
    pub(crate) fault: Fault,
}

#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// The system's error code.
    Code(i32),
    /// Reads and writes take one byte, or for ever half of what they are given; the rest goes well.
    Short,
    /// One byte, and then the system's error code, whatever the plan says of lasting.
    ShortThen(i32),
    /// The system's code for a signal that came in between, at reads and writes.
    #[cfg(unix)]
    Interrupted,
    /// None: the test looks on.
    Seen(fn(Operation)),
}

thread_local! {
    static PLAN: Cell<Option<Plan>> = const { Cell::new(None) };
    static STRUCK: Cell<u32> = const { Cell::new(0) };
}

/// Sets the plan, or none; returns how often the last one struck.
pub(crate) fn plan(plan: Option<Plan>) -> u32 {
    PLAN.set(plan);
    STRUCK.replace(0)
}

/// Has the plan count as struck, after it was taken away by the test that saw it strike.
pub(crate) fn mark_struck() {
    STRUCK.set(STRUCK.get() + 1);
}

/// Suspends the plan.
pub(crate) fn pause() -> Option<Plan> {
    PLAN.take()
}

pub(crate) fn go_on(plan: Option<Plan>) {
    PLAN.set(plan);
}

pub(super) fn inject(operation: Operation, length: usize) -> io::Result<usize> {
    let Some(mut plan) = PLAN.get() else {
        return Ok(length);
    };
    #[cfg(unix)]
    if matches!(plan.fault, Fault::Interrupted)
        && !matches!(operation, Operation::Read | Operation::Write)
    {
        return Ok(length);
    }
    if plan.after > 0 {
        plan.after -= 1;
        PLAN.set(Some(plan));
        return Ok(length);
    }
    STRUCK.set(STRUCK.get() + 1);
    if !plan.lasting {
        PLAN.set(None);
    }
    match plan.fault {
        Fault::Code(code) => Err(io::Error::from_raw_os_error(code)),
        Fault::ShortThen(code) => {
            PLAN.set(Some(Plan {
                lasting: false,
                fault: Fault::Code(code),
                ..plan
            }));
            Ok(length.min(1))
        }
        #[cfg(unix)]
        Fault::Interrupted => Err(io::Error::from_raw_os_error(libc::EINTR)),
        Fault::Short if plan.lasting => Ok(length.div_ceil(2)),
        Fault::Short => Ok(length.min(1)),
        Fault::Seen(look) => {
            look(operation);
            Ok(length)
        }
    }
}
