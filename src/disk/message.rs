//! The system's words for one of its error codes.

use super::system;

/// One line of text. It is kept in an array, since memory may have run out.
pub(crate) struct SystemMessage {
    bytes: [u8; SystemMessage::MOST],
    length: usize,
}

impl SystemMessage {
    /// Longer messages are cut.
    const MOST: usize = 256;

    pub(crate) fn new(code: i32) -> SystemMessage {
        let mut bytes = [0; SystemMessage::MOST];
        let length = system::message(code, &mut bytes);
        SystemMessage { bytes, length }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes[..self.length].trim_ascii_end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_message() {
        for code in [2, 5, 28, -1, 0, 12_345_678, i32::MIN, i32::MAX] {
            let message = SystemMessage::new(code);
            assert!(!message.as_bytes().is_empty(), "{code}");
        }
        let (one, other) = (SystemMessage::new(2), SystemMessage::new(5));
        assert_ne!(one.as_bytes(), other.as_bytes());
    }
}
