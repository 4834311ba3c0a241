//! The names of temporary files: the owner, and a random number.
//!
//! `.spoolbuf-SESSION-PROCESS-RANDOM.part`, in hexadecimal digits. Two hosts may use one directory
//! without seeing each other's locks, so no name is used twice, and each name identifies its owner:
//! the session identifies a host since it was booted, and the process one process of that session.

use std::ffi::CStr;

/// Every temporary file's name begins and ends like this.
const START: &[u8] = b".spoolbuf-";
const END: &[u8] = b".part";

/// The three numbers and their separators.
const LENGTH: usize = START.len() + 16 + 1 + 8 + 1 + 32 + END.len();

/// The process that created a temporary file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// 0 if unknown.
    pub(super) session: u64,
    pub(super) process: u32,
}

/// The name of a temporary file, NUL-terminated.
#[derive(Clone)]
pub(super) struct Name([u8; LENGTH + 1]);

impl Name {
    pub(super) fn new(owner: Owner, random: [u64; 2]) -> Name {
        let mut name = Name([0; LENGTH + 1]);
        let Owner { session, process } = owner;
        let [high, low] = random;
        // The array is long enough.
        let _ = std::io::Write::write_fmt(
            &mut &mut name.0[..LENGTH],
            format_args!(".spoolbuf-{session:016x}-{process:08x}-{high:016x}{low:016x}.part"),
        );
        name
    }

    pub(super) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_with_nul(&self.0).unwrap_or_default()
    }

    #[cfg(any(windows, test))]
    pub(super) fn as_str(&self) -> &str {
        self.as_c_str().to_str().unwrap_or_default()
    }
}

/// The owner of the temporary file with this name; `None` if the name does not have exactly the
/// form above.
pub(super) fn owner(name: &[u8]) -> Option<Owner> {
    let numbers = name.strip_prefix(START)?.strip_suffix(END)?;
    let mut parts = numbers.split(|byte| *byte == b'-');
    let mut number = |digits| hexadecimal(parts.next()?, digits);
    let (session, process) = (number(16)?, number(8)? as u32);
    number(32)?;
    match parts.next() {
        None => Some(Owner { session, process }),
        Some(_) => None,
    }
}

/// The number in exactly this many digits, or the last 64 bits of it.
fn hexadecimal(text: &[u8], digits: usize) -> Option<u64> {
    if text.len() != digits {
        return None;
    }
    text.iter().try_fold(0, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(digit))
    })
}

/// Whether only this library creates files with such a name.
pub(super) fn is_reserved(name: &[u8]) -> bool {
    name.len() >= START.len() + END.len() && name.starts_with(START) && name.ends_with(END)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner = Owner {
        session: 0x0123_4567_89ab_cdef,
        process: 4711,
    };

    #[test]
    fn a_name_identifies_its_owner() {
        for random in [[0, 0], [u64::MAX, 1], [7, u64::MAX]] {
            let name = Name::new(OWNER, random);
            assert_eq!(owner(name.as_c_str().to_bytes()), Some(OWNER));
            assert!(is_reserved(name.as_str().as_bytes()));
            assert_eq!(name.as_str().len(), LENGTH);
        }
        let one = Name::new(OWNER, [1, 2]);
        assert_ne!(one.as_str(), Name::new(OWNER, [1, 3]).as_str());
    }

    #[test]
    fn a_name_of_another_form_has_no_owner() {
        let name = Name::new(OWNER, [1, 2]);
        let name = name.as_str();
        let others = [
            ".spoolbuf-3.part".to_owned(),
            ".spoolbuf-.part".to_owned(),
            String::new(),
            name.to_uppercase(),
            name.replace('f', "g"),
            name.replace(".part", "0.part"),
            name.replace(".part", "-0.part"),
            name.replace("-0", "-+"),
            name.replace(".part", ".part "),
            format!("a{name}"),
            name.replacen('0', "", 1),
        ];
        for other in others {
            assert_ne!(other, name);
            assert_eq!(owner(other.as_bytes()), None, "{other}");
        }
        for (name, reserved) in [
            (&b".spoolbuf-3.part"[..], true),
            (b".spoolbuf-.part", true),
            (b".spoolbuf-.par", false),
            (b"spoolbuf-3.part", false),
            (b".spoolbuf-3.parts", false),
            (b".spoolbuf", false),
        ] {
            assert_eq!(is_reserved(name), reserved);
        }
    }
}
