//! A buffer as a member of a budget: it spills for the other members.

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::store::budget::member::{Member, Spilled};

impl Member for Buffer {
    fn spill_oldest(&self, is_needed: &dyn Fn() -> bool) -> Result<Spilled> {
        self.store.spill_for_budget(is_needed)
    }

    fn note(&self, error: &Error) {
        self.gate.lock().record(error);
    }
}
