//! Files on Windows.

use std::fs::File;
use std::io;
use std::os::windows::fs::FileExt;
use std::path::Path;

/// Moves the file's cursor as well, which nothing here uses.
pub(super) fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    match file.seek_read(out, offset) {
        // ERROR_HANDLE_EOF: what other systems say by a count of 0.
        Err(error) if error.raw_os_error() == Some(38) => Ok(0),
        other => other,
    }
}

pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    file.seek_write(bytes, offset)
}

/// Nothing that would keep the file's size.
pub(super) fn reserve(_file: &File, _offset: u64, _length: u64) -> io::Result<()> {
    Ok(())
}

/// No such limit here.
pub(super) fn check_limit(_offset: u64, _length: u64) -> io::Result<()> {
    Ok(())
}

/// No such file systems here.
pub(super) fn is_memory_backed(_directory: &Path) -> bool {
    false
}

pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    // A directory can't be synced here; the file system does it with the file.
    let _ = directory;
    Ok(())
}

pub(super) fn borrow(descriptor: i32) -> io::Result<std::mem::ManuallyDrop<File>> {
    unsafe extern "C" {
        fn _get_osfhandle(descriptor: i32) -> isize;
    }
    // -2 is a descriptor without a file behind it.
    if descriptor < 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the C runtime checks the number.
    let handle = unsafe { _get_osfhandle(descriptor) };
    if handle == -1 || handle == -2 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let handle = handle as std::os::windows::io::RawHandle;
    // SAFETY: an open handle, which ManuallyDrop leaves open.
    let file = unsafe { std::os::windows::io::FromRawHandle::from_raw_handle(handle) };
    Ok(std::mem::ManuallyDrop::new(file))
}
