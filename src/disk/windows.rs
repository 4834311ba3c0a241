//! Files on Windows.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::ManuallyDrop;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::os::windows::io::{FromRawHandle, RawHandle};
use std::path::{Path, PathBuf};

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

pub(super) fn write(file: &File, bytes: &[u8]) -> io::Result<usize> {
    let mut file = file;
    io::Write::write(&mut file, bytes)
}

/// Nothing here says so.
pub(super) fn wait_writable(_file: &File) -> io::Result<()> {
    Err(io::ErrorKind::WouldBlock.into())
}

/// Nothing that would keep the file's size.
pub(super) fn reserve(_file: &File, _offset: u64, _length: u64) -> io::Result<()> {
    Ok(())
}

/// No such limit here.
pub(super) fn check_limit(_offset: u64, _length: u64) -> io::Result<()> {
    Ok(())
}

/// No such call here, but on ReFS.
pub(super) fn clone_range(
    _from: &File,
    _offset: u64,
    _to: &File,
    _to_offset: u64,
    _length: u64,
) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// No such file systems here.
pub(super) fn is_memory_backed(_file: &File) -> bool {
    false
}

pub(super) fn default_directory() -> io::Result<PathBuf> {
    Ok(std::env::temp_dir())
}

/// A file that goes when it is closed. Sparse, so that a byte far out does not fill all before it.
pub(super) fn create_unnamed(directory: &Path) -> io::Result<File> {
    let file = tempfile::tempfile_in(directory)?;
    make_sparse(&file);
    Ok(file)
}

fn make_sparse(file: &File) {
    use std::os::windows::io::AsRawHandle;
    const FSCTL_SET_SPARSE: u32 = 0x0009_00c4;
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn DeviceIoControl(
            file: RawHandle,
            code: u32,
            input: *const u8,
            input_size: u32,
            output: *mut u8,
            output_size: u32,
            returned: *mut u32,
            overlapped: *mut u8,
        ) -> i32;
    }
    let none = std::ptr::null_mut();
    let mut returned = 0;
    // SAFETY: an open handle, no input, no output. A file system that can't is none the worse.
    unsafe {
        DeviceIoControl(
            file.as_raw_handle(),
            FSCTL_SET_SPARSE,
            none,
            0,
            none,
            0,
            &raw mut returned,
            none,
        );
    }
}

pub(super) fn copy_of(path: &Path) -> io::Result<PathBuf> {
    Ok(path.to_path_buf())
}

/// A directory can't be synced here; the file system does it with the file.
pub(super) fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn borrow(descriptor: i32) -> io::Result<ManuallyDrop<File>> {
    unsafe extern "C" {
        fn _get_osfhandle(descriptor: i32) -> isize;
    }
    if descriptor < 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the C runtime checks the number. -2 is a descriptor without a file behind it.
    match unsafe { _get_osfhandle(descriptor) } {
        -1 | -2 => Err(io::ErrorKind::InvalidInput.into()),
        // SAFETY: an open handle, which ManuallyDrop leaves open.
        handle => Ok(ManuallyDrop::new(unsafe {
            File::from_raw_handle(handle as RawHandle)
        })),
    }
}

/// The C runtime keeps its own idea of where a descriptor stands: written to in order only.
pub(super) fn standing(_file: &File) -> Option<u64> {
    None
}

/// Names that a draft can have beside its target: few, so that a save finds what a killed process
/// left behind.
const NAMES: u32 = 16;

/// A file beside the target of a save. While it is open nobody else can open or delete it.
pub(crate) struct Draft {
    pub(crate) file: ManuallyDrop<File>,
    name: PathBuf,
    published: bool,
}

impl Draft {
    pub(super) fn beside(directory: &Path) -> io::Result<Draft> {
        for number in 0..NAMES {
            let name = directory.join(format!(".spoolbuf-{number}.part"));
            // Fails while somebody works on it.
            let _ = std::fs::remove_file(&name);
            let mut options = OpenOptions::new();
            options
                .read(true)
                .write(true)
                .create_new(true)
                .share_mode(0);
            match options.open(&name) {
                Ok(file) => {
                    return Ok(Draft {
                        file: ManuallyDrop::new(file),
                        name,
                        published: false,
                    });
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::AlreadyExists | io::ErrorKind::PermissionDenied
                    ) || error.raw_os_error() == Some(32) => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    pub(super) fn publish(mut self, path: &Path, keep: bool) -> io::Result<()> {
        // SAFETY: dropped once: `published` keeps `drop` from doing it again. A file that is open
        // for nobody else can't be renamed.
        unsafe { ManuallyDrop::drop(&mut self.file) };
        self.published = true;
        let done = if keep {
            std::fs::hard_link(&self.name, path)
        } else {
            std::fs::rename(&self.name, path)
        };
        if keep || done.is_err() {
            let _ = std::fs::remove_file(&self.name);
        }
        done
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            // SAFETY: dropped once: not published.
            unsafe { ManuallyDrop::drop(&mut self.file) };
            let _ = std::fs::remove_file(&self.name);
        }
    }
}

/// A file that goes when it is closed can't be kept.
pub(super) fn link(
    _unnamed: &File,
    _directory: &Path,
    _path: &Path,
    _keep: bool,
    _size: u64,
) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
