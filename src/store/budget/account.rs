//! An account: how much of one resource is used, its limit, and the most that was ever used. And charges
//! to it.

use crate::sync::shared::Shared;
use crate::sync::{AtomicU64, Ordering};

pub(crate) struct Account {
    used: AtomicU64,
    most: AtomicU64,
    max: u64,
}

impl Account {
    pub(super) fn new(max: u64) -> Account {
        Account {
            used: AtomicU64::new(0),
            most: AtomicU64::new(0),
            max,
        }
    }

    /// Adds `bytes` if they fit under the limit. Returns whether they did.
    pub(super) fn try_add(&self, bytes: u64) -> bool {
        let sum = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.max);
        // Acquire: pairs with `remove`, so that what is taken now is taken after what was freed.
        let added = self
            .used
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, sum);
        if let Ok(used) = added {
            self.most.fetch_max(used + bytes, Ordering::Relaxed);
        }
        added.is_ok()
    }

    /// Adds `bytes` even if that exceeds the limit.
    pub(super) fn add(&self, bytes: u64) {
        let used = self.used.fetch_add(bytes, Ordering::Acquire);
        self.most.fetch_max(used + bytes, Ordering::Relaxed);
    }

    /// Removes `bytes` that were added and have been freed.
    pub(super) fn remove(&self, bytes: u64) {
        let used = self.used.fetch_sub(bytes, Ordering::Release);
        debug_assert!(used >= bytes, "{bytes} of {used} bytes removed");
    }

    /// Whether `bytes` more would fit.
    pub(super) fn fits(&self, bytes: u64) -> bool {
        let sum = self.used().checked_add(bytes);
        sum.is_some_and(|sum| sum <= self.max)
    }

    /// The number of bytes in use.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The most bytes that were in use at any time.
    pub(crate) fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }

    /// The limit.
    pub(crate) fn max(&self) -> u64 {
        self.max
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        debug_assert_eq!(self.used(), 0, "something is still charged");
    }
}

/// Bytes that are charged to an account, until they are dropped.
pub(crate) struct Charge {
    account: Shared<Account>,
    bytes: u64,
}

impl Charge {
    /// A charge of bytes that were added to the account.
    pub(super) fn new(account: &Shared<Account>, bytes: u64) -> Charge {
        Charge {
            account: account.clone(),
            bytes,
        }
    }

    /// The number of bytes charged.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Leaves `bytes` in this charge. Returns the rest.
    pub(crate) fn split(&mut self, bytes: u64) -> Charge {
        let rest = self.bytes.saturating_sub(bytes);
        self.bytes -= rest;
        Charge::new(&self.account, rest)
    }

    /// Takes up to `bytes` out of the charge. They stay charged. Returns their number.
    pub(super) fn take(&mut self, bytes: u64) -> u64 {
        let taken = bytes.min(self.bytes);
        self.bytes -= taken;
        taken
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.remove(self.bytes);
    }
}
