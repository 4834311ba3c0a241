//! The host's hooks on helper threads, as those threads share them and call them.

use crate::error::Result;
use crate::options::{ThreadHook, ThreadHooks};
use crate::sync::host_call::HostCall;
use crate::sync::shared::Shared;

/// None if there are no hooks.
#[inline]
pub(crate) fn share(hooks: ThreadHooks) -> Result<Option<Shared<ThreadHooks>>> {
    match (hooks.begin, hooks.end) {
        (None, None) => Ok(None),
        (begin, end) => Shared::try_new(ThreadHooks { begin, end }).map(Some),
    }
}

/// Calls one of the hooks, if there is one.
pub(super) fn call(hooks: Option<&ThreadHooks>, which: fn(&ThreadHooks) -> &Option<ThreadHook>) {
    if let Some(hook) = hooks.and_then(|hooks| which(hooks).as_ref()) {
        // If it panics, no caller is left to whom the panic could be reported. The thread may be the only
        // one of a crew, for which a call inside would wait.
        HostCall::Thread.run(hook);
    }
}
