//! Abandonment: a store that is evicted frees what it holds, although threads are still inside it.
//!
//! No thread has a right to read it any more. One that reads it all the same gets an error, not the zeros
//! that a file without blocks returns: it looks at the flag after each use of the file.

use crate::store::Store;
use crate::store::index::Spiller;
use crate::store::index::unlinked::Retired;
use crate::store::segment::Segment;
use crate::sync::{Ordering, fence, lock};

impl Store {
    /// Frees the segments and the blocks of the spool file, now and as soon as segments that are being
    /// filled are sealed. Waits for at most one write of another thread.
    #[cold]
    pub(crate) fn abandon(&self) {
        let mut spiller = lock(&self.spilling);
        self.abandoned.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let mut writing = lock(&self.writing);
        writing.seal_unless(Segment::is_filling);
        writing.take_back();
        drop(writing);
        while self.drop_oldest(&mut spiller) {}
        if let Some(spool) = self.spool.get() {
            spool.discard();
        }
        let mut writing = lock(&self.writing);
        if let Some(member) = writing.member() {
            member.remove_disk();
        }
        drop(writing);
        drop(spiller);
    }

    /// Abandons the store, unless the caller is its only user, as `is_alone` tells. The caller then drops
    /// it, which frees the same.
    pub(crate) fn give_up(&self, is_alone: &dyn Fn() -> bool) {
        // The budget would find it for another member that needs memory, which would use it then.
        let is_gone = match lock(&self.writing).member() {
            Some(member) => member.hide_if(is_alone),
            None => is_alone(),
        };
        if !is_gone {
            self.abandon();
        }
    }

    /// Whether it was abandoned. Called after the spool file was used.
    pub(super) fn is_abandoned(&self) -> bool {
        // Pairs with the fence in `abandon`, before the blocks are freed.
        fence(Ordering::SeqCst);
        self.abandoned.load(Ordering::SeqCst)
    }

    /// Drops the oldest segment of an abandoned store. Returns false if there is none.
    pub(super) fn drop_oldest(&self, spiller: &mut Spiller) -> bool {
        let mut writing = lock(&self.writing);
        let Some(segment) = writing.sealed.front().cloned() else {
            return false;
        };
        let retired = self.index.unlink(&mut writing.writer, spiller, &segment);
        drop(writing);
        drop(retired.and_then(Retired::wait));
        self.forget_oldest();
        true
    }
}
