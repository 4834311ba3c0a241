//! Faults for tests: the Nth file operation of this thread fails or transfers fewer bytes, once or
//! from then on.

use std::cell::Cell;
use std::io;

pub(crate) use super::FileOperation;

/// What happens to operations on this thread.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// The number of operations that succeed first.
    pub(crate) after: u32,
    /// Whether all later operations fail as well.
    pub(crate) lasting: bool,
    pub(crate) fault: Fault,
}

#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// The system's error code.
    Code(i32),
    /// Reads and writes transfer one byte, or half of the bytes if the plan is lasting. Other
    /// operations succeed.
    Short,
    /// One byte is transferred, and the next operation fails once with the system's error code. The
    /// plan's `lasting` is ignored.
    ShortThen(i32),
    /// Reads and writes fail as if a signal had interrupted them.
    #[cfg(unix)]
    Interrupted,
    /// No fault: the function is told of each operation.
    Seen(fn(FileOperation)),
}

thread_local! {
    static PLAN: Cell<Option<Plan>> = const { Cell::new(None) };
    static STRUCK: Cell<u32> = const { Cell::new(0) };
}

/// Sets or removes the plan. Returns how often the previous one took effect.
pub(crate) fn plan(plan: Option<Plan>) -> u32 {
    PLAN.set(plan);
    STRUCK.replace(0)
}

/// Counts the plan as having taken effect, for a test that observed it and then removed it.
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

pub(super) fn inject(operation: FileOperation, length: usize) -> io::Result<usize> {
    let Some(mut plan) = PLAN.get() else {
        return Ok(length);
    };
    #[cfg(unix)]
    if matches!(plan.fault, Fault::Interrupted)
        && !matches!(operation, FileOperation::Read | FileOperation::Write)
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
