//! The key of an entry.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

use crate::error::{Error, Result};
use crate::sync::shared::Shared;

/// The bytes of a key, which its clones share.
#[derive(Clone)]
pub(super) struct Key(Shared<Vec<u8>>);

impl Key {
    /// The memory that a key takes besides its bytes.
    pub(super) const SIZE: usize = Shared::<Vec<u8>>::SIZE;

    pub(super) fn copy(bytes: &[u8]) -> Result<Key> {
        let mut copy = Vec::new();
        copy.try_reserve_exact(bytes.len())
            .map_err(|_| Error::NoMemory)?;
        copy.extend_from_slice(bytes);
        Shared::try_new(copy).map(Key)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.bytes()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}
