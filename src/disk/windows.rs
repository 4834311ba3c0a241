//! Files on Windows.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::ManuallyDrop;
use std::os::windows::ffi::OsStrExt;
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

/// All that there is: a write that blocks here does so until it is taken.
pub(super) fn takes_at_once(_file: &File) -> usize {
    usize::MAX
}

/// Nothing here tells.
pub(super) fn wait_writable(_file: &File) -> io::Result<bool> {
    Ok(true)
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

/// A file that is to be: its directory and its path, from the root.
pub(crate) struct Target {
    directory: PathBuf,
    path: PathBuf,
}

impl Target {
    pub(super) fn new(directory: &Path, path: &Path, _synced: bool) -> io::Result<Target> {
        Ok(Target {
            directory: std::path::absolute(directory)?,
            path: std::path::absolute(path)?,
        })
    }

    /// A directory can't be synced here; the file system does it with the file.
    pub(super) fn sync_name(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A file beside the target of a save. While it is open nobody else can open or delete it.
pub(crate) struct Draft<'t> {
    pub(crate) file: ManuallyDrop<File>,
    target: &'t Target,
    name: PathBuf,
    published: bool,
}

impl<'t> Draft<'t> {
    pub(super) fn beside(target: &'t Target) -> io::Result<Draft<'t>> {
        for number in 0..NAMES {
            let name = target.directory.join(format!(".spoolbuf-{number}.part"));
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
                        target,
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

    pub(super) fn publish(mut self, keep: bool) -> io::Result<()> {
        // SAFETY: dropped once: `published` keeps `drop` from doing it again. A file that is open
        // for nobody else can't be renamed.
        unsafe { ManuallyDrop::drop(&mut self.file) };
        self.published = true;
        let done = if keep {
            rename_new(&self.name, &self.target.path)
        } else {
            std::fs::rename(&self.name, &self.target.path)
        };
        if done.is_err() {
            let _ = std::fs::remove_file(&self.name);
        }
        done
    }
}

/// Renames to a name that nothing has, which std does not offer.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn MoveFileExW(from: *const u16, to: *const u16, flags: u32) -> i32;
    }
    let wide = |path: &Path| {
        let units = path.as_os_str().encode_wide();
        units.chain(std::iter::once(0)).collect::<Vec<u16>>()
    };
    // SAFETY: two NUL-terminated paths. Without flags it replaces nothing and stays on the volume.
    if unsafe { MoveFileExW(wide(from).as_ptr(), wide(to).as_ptr(), 0) } != 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // The path may be too long for the call; std knows how to say it.
        _ => std::fs::hard_link(from, to).and_then(|()| std::fs::remove_file(from)),
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.published {
            // SAFETY: dropped once: not published.
            unsafe { ManuallyDrop::drop(&mut self.file) };
            let _ = std::fs::remove_file(&self.name);
        }
    }
}

/// A file that goes when it is closed can't be kept.
pub(super) fn make_linkable(_unnamed: &File, _target: &Target, _size: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn link(_unnamed: &File, _target: &Target, _keep: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
