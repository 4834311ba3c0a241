//! What a C reader is: a place, and the handle of the buffer that it is a place in.

#![forbid(unsafe_code)]

use crate::cursor::Place;
use crate::handle::Raw;

pub(crate) struct Reader {
    /// Checked at each call: a reader does not keep its buffer alive.
    pub(crate) buffer: Raw,
    pub(crate) place: Place,
}
