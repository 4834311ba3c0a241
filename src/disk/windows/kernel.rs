//! System calls that std does not make, or makes in another way.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs::File;
use std::io::{self, Write};
use std::mem::offset_of;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::path::Path;
use std::ptr::{null, null_mut};

const ERROR_HANDLE_EOF: i32 = 38;
const ERROR_IO_PENDING: i32 = 997;

/// The most that one call is given: its length is a 32-bit number.
const MOST: usize = 1 << 30;

#[repr(C)]
struct Overlapped {
    status: usize,
    count: usize,
    offset: u32,
    offset_high: u32,
    event: RawHandle,
}

/// With room for the first unit of the name.
#[repr(C)]
struct Rename {
    flags: u32,
    root: RawHandle,
    name_size: u32,
    name: [u16; 1],
}

#[link(name = "kernel32")]
unsafe extern "system" {
    fn CreateEventW(
        security: *const c_void,
        manual: i32,
        is_set: i32,
        name: *const u16,
    ) -> RawHandle;
    fn ReadFile(
        file: RawHandle,
        out: *mut u8,
        size: u32,
        count: *mut u32,
        overlapped: *mut Overlapped,
    ) -> i32;
    fn WriteFile(
        file: RawHandle,
        bytes: *const u8,
        size: u32,
        count: *mut u32,
        overlapped: *mut Overlapped,
    ) -> i32;
    fn DeviceIoControl(
        file: RawHandle,
        code: u32,
        input: *const c_void,
        input_size: u32,
        output: *mut c_void,
        output_size: u32,
        count: *mut u32,
        overlapped: *mut Overlapped,
    ) -> i32;
    fn GetOverlappedResult(
        file: RawHandle,
        overlapped: *mut Overlapped,
        count: *mut u32,
        wait: i32,
    ) -> i32;
    fn FormatMessageW(
        flags: u32,
        source: *const c_void,
        code: u32,
        language: u32,
        out: *mut u16,
        size: u32,
        arguments: *mut c_void,
    ) -> u32;
    fn GetDiskFreeSpaceExW(
        directory: *const u16,
        available: *mut u64,
        total: *mut u64,
        free: *mut u64,
    ) -> i32;
    fn GetFileType(file: RawHandle) -> u32;
    fn GetFileInformationByHandleEx(
        file: RawHandle,
        class: i32,
        about: *mut c_void,
        size: u32,
    ) -> i32;
    fn SetFileInformationByHandle(
        file: RawHandle,
        class: i32,
        about: *const c_void,
        size: u32,
    ) -> i32;
}

fn succeeded(done: i32) -> io::Result<()> {
    if done == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Starts an operation at an offset and waits for its end, with an event of its own: other
/// operations on the same file are neither waited for nor mistaken for this one.
///
/// # Safety
/// `start` starts one operation with its arguments, on memory that stays valid until this returns.
unsafe fn complete(
    file: &File,
    offset: u64,
    start: impl FnOnce(RawHandle, *mut Overlapped) -> i32,
) -> io::Result<usize> {
    // SAFETY: creates an event without a name.
    let event = unsafe { CreateEventW(null(), 1, 0, null()) };
    if event.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the event was just created, and nothing else owns it.
    let event = unsafe { OwnedHandle::from_raw_handle(event) };
    let mut overlapped = Overlapped {
        status: 0,
        count: 0,
        offset: offset as u32,
        offset_high: (offset >> 32) as u32,
        event: event.as_raw_handle(),
    };
    let (file, overlapped, mut count) = (file.as_raw_handle(), &raw mut overlapped, 0);
    match succeeded(start(file, overlapped)) {
        Err(error) if error.raw_os_error() != Some(ERROR_IO_PENDING) => return Err(error),
        _ => {}
    }
    // SAFETY: the operation was started with these. The call waits until it ends, so neither they
    // nor the memory that it works on are used afterwards.
    succeeded(unsafe { GetOverlappedResult(file, overlapped, &raw mut count, 1) })?;
    Ok(count as usize)
}

pub(in crate::disk) fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    let size = out.len().min(MOST) as u32;
    // SAFETY: the call writes no more than `size` bytes to `out`.
    let read = unsafe {
        complete(file, offset, |file, overlapped| {
            ReadFile(file, out.as_mut_ptr(), size, null_mut(), overlapped)
        })
    };
    match read {
        // Other systems return a count of 0 there.
        Err(error) if error.raw_os_error() == Some(ERROR_HANDLE_EOF) => Ok(0),
        result => result,
    }
}

pub(in crate::disk) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    let size = bytes.len().min(MOST) as u32;
    // SAFETY: writes no more than `bytes`.
    unsafe {
        complete(file, offset, |file, overlapped| {
            WriteFile(file, bytes.as_ptr(), size, null_mut(), overlapped)
        })
    }
}

/// Writes at the current position. A file opened for overlapped calls has none, and the system
/// returns an error; std would end the process.
pub(in crate::disk) fn write(file: &File, bytes: &[u8]) -> io::Result<usize> {
    let size = bytes.len().min(MOST) as u32;
    let mut count = 0;
    // SAFETY: writes no more than `bytes`.
    succeeded(unsafe {
        WriteFile(
            file.as_raw_handle(),
            bytes.as_ptr(),
            size,
            &raw mut count,
            null_mut(),
        )
    })?;
    Ok(count as usize)
}

/// Whether a handle is that of a file, and not of a pipe or a console.
pub(super) fn is_on_disk(file: &File) -> bool {
    const DISK: u32 = 1;
    // SAFETY: a query about an open handle.
    unsafe { GetFileType(file.as_raw_handle()) == DISK }
}

/// Whether a file is on another machine.
pub(super) fn is_remote(file: &File) -> bool {
    const REMOTE_PROTOCOL: i32 = 13;
    let mut about = [0u32; 32];
    // SAFETY: `about` has room for more than the call writes.
    unsafe {
        GetFileInformationByHandleEx(
            file.as_raw_handle(),
            REMOTE_PROTOCOL,
            about.as_mut_ptr().cast(),
            size_of_val(&about) as u32,
        ) != 0
    }
}

/// Writes the system's message for an error code to `out`, as UTF-8, and returns its length.
pub(in crate::disk) fn message(code: i32, out: &mut [u8]) -> usize {
    const FROM_SYSTEM: u32 = 0x1000;
    const IGNORE_INSERTS: u32 = 0x200;
    let mut units = [0u16; 256];
    // SAFETY: `units` has room for `units.len()` units. The message has no inserts.
    let count = unsafe {
        FormatMessageW(
            FROM_SYSTEM | IGNORE_INSERTS,
            null(),
            code as u32,
            0,
            units.as_mut_ptr(),
            units.len() as u32,
            null_mut(),
        )
    };
    let text = char::decode_utf16(units[..count as usize].iter().copied());
    let mut length = 0;
    for letter in text.map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)) {
        let Some(room) = out.get_mut(length..length + letter.len_utf8()) else {
            break;
        };
        length += letter.encode_utf8(room).len();
    }
    if count == 0 {
        let mut room = &mut *out;
        let _ = write!(room, "error {code}");
        let left = room.len();
        length = out.len() - left;
    }
    length
}

/// Makes the file sparse: ranges that were never written take no space.
pub(super) fn make_sparse(file: &File) -> io::Result<()> {
    const FSCTL_SET_SPARSE: u32 = 0x0009_00c4;
    // SAFETY: the request has no input and no output.
    let done = unsafe {
        complete(file, 0, |file, overlapped| {
            let code = FSCTL_SET_SPARSE;
            DeviceIoControl(file, code, null(), 0, null_mut(), 0, null_mut(), overlapped)
        })
    };
    done.map(|_| ())
}

/// Marks a file to be deleted when its last handle is closed, or takes the mark back. The file was
/// opened with the right to delete it.
pub(super) fn set_deleted(file: &File, deleted: bool) -> io::Result<()> {
    const DISPOSITION: i32 = 4;
    let about = u8::from(deleted);
    // SAFETY: `about` is the one byte that this class reads.
    succeeded(unsafe {
        SetFileInformationByHandle(
            file.as_raw_handle(),
            DISPOSITION,
            (&raw const about).cast(),
            1,
        )
    })
}

/// Renames a file in one step. The file was opened with the right to delete it.
pub(super) fn rename(file: &File, to: &Path, replace: bool) -> io::Result<()> {
    const RENAME: i32 = 3;
    const RENAME_EX: i32 = 22;
    const REPLACE: u32 = 1;
    const POSIX: u32 = 2;
    // Also replaces a file that is open. Not every system and file system can do that.
    if replace && set_name(file, RENAME_EX, REPLACE | POSIX, to).is_ok() {
        return Ok(());
    }
    set_name(file, RENAME, u32::from(replace), to)
}

fn set_name(file: &File, class: i32, flags: u32, to: &Path) -> io::Result<()> {
    let name = || to.as_os_str().encode_wide();
    let name_size = name().count() * size_of::<u16>();
    // With a NUL after the name.
    let size = offset_of!(Rename, name) + name_size + size_of::<u16>();
    let size = size.max(size_of::<Rename>());
    let mut about = zeros(size.div_ceil(size_of::<usize>()))?;
    let start = about.as_mut_ptr().cast::<Rename>();
    // SAFETY: `about` is aligned for the struct and has room for the whole name.
    unsafe {
        start.write(Rename {
            flags,
            root: null_mut(),
            name_size: name_size as u32,
            name: [0],
        });
        let units = start.byte_add(offset_of!(Rename, name)).cast::<u16>();
        for (index, unit) in name().enumerate() {
            units.add(index).write(unit);
        }
        succeeded(SetFileInformationByHandle(
            file.as_raw_handle(),
            class,
            start.cast(),
            size as u32,
        ))
    }
}

pub(in crate::disk) fn free_space(_file: &File, directory: &Path) -> io::Result<u64> {
    let name = || directory.as_os_str().encode_wide();
    let mut path = Vec::new();
    path.try_reserve_exact(name().count() + 1)
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    path.extend(name());
    path.push(0);
    let mut available = 0;
    // SAFETY: a path that ends with a NUL and room for one number; the others may be null.
    succeeded(unsafe {
        GetDiskFreeSpaceExW(path.as_ptr(), &raw mut available, null_mut(), null_mut())
    })?;
    Ok(available)
}

/// Words, aligned for the structs of this module. Running out of memory is an error.
fn zeros(count: usize) -> io::Result<Vec<usize>> {
    let mut words = Vec::new();
    words
        .try_reserve_exact(count)
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    words.resize(count, 0);
    Ok(words)
}
