//! The final size: reads the source to its end if that is necessary, without copying a byte.
//!
//! A source that is only read forward has to deliver everything. One that can seek is sent to the
//! last byte of the declared size: that byte, and the end after it, prove the size. If there is no
//! such byte, or more than one, it is read on from the furthest byte that is buffered.

use crate::buffer::Buffer;
use crate::buffer::failure::Attempt;
use crate::buffer::read::{PendingRead, ReadRequest, Wait};
use crate::pull::cancel_token::CancelToken;
use crate::sync::shared::Shared;

impl Buffer {
    /// Finds the final size. `sb_find_size` describes the result.
    pub(crate) fn find_size(
        this: &Shared<Buffer>,
        wait: Wait,
        cancel_token: Option<&CancelToken>,
    ) -> Attempt<u64> {
        let mut pending = PendingRead::new(ReadRequest {
            all: true,
            wait,
            cancel_token,
        });
        pending.moves_prefetch = false;
        let mut guard = None;
        loop {
            let state = this.gate.lock();
            let can_seek = state.can_seek();
            let (offset, length) = match state.extent().toward_end(can_seek) {
                Ok(size) => return Ok(size),
                Err(missing) => missing,
            };
            drop(state);
            let verdict = Buffer::wait_or_pull(this, offset, length, &mut pending, &mut guard);
            verdict.map_err(|failure| {
                // A source that cannot seek was on its way to an offset that has no byte.
                let reached = || this.gate.lock().extent().frontier();
                failure.at(if can_seek { offset } else { reached() })
            })?;
        }
    }
}
