//! File systems of a test: visible to its thread and the threads that this one starts, and
//! unmounted with them.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::ptr::null;
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::skip::skip;

/// A mounted file system.
pub struct Mount {
    pub path: PathBuf,
    /// How it was mounted.
    arguments: Vec<String>,
    /// The process of the file system.
    server: Option<Child>,
    _directories: [Option<crate::tempfile::TempDir>; 2],
}

impl Mount {
    /// A tmpfs with the given options; None, and a line about it, if that is not allowed.
    pub fn tmpfs(options: &str) -> Option<Mount> {
        Mount::new(&["-t", "tmpfs", "-o", options, "none"])
    }

    /// A file system of `mebibytes` in a file, of the kind that `mkfs.KIND` makes.
    pub fn image(kind: &str, mebibytes: u64) -> Option<Mount> {
        Mount::image_with(kind, mebibytes, &[])
    }

    /// The same, made with these options.
    pub fn image_with(kind: &str, mebibytes: u64, options: &[&str]) -> Option<Mount> {
        let directory = crate::tempfile::tempdir().expect("a directory");
        let image = directory.path().join("image");
        let file = File::create(&image).expect("an image");
        file.set_len(mebibytes << 20).expect("its size");
        let what = format!("a file system made by mkfs.{kind}");
        // First, since mkfs is not in the PATH of every user who may not mount anyway.
        enter_namespace(&what)?;
        match Command::new(format!("mkfs.{kind}"))
            .arg("-q")
            .args(options)
            .arg(&image)
            .output()
        {
            Err(error) => {
                skip(&what, format!("mkfs.{kind}: {error}"));
                return None;
            }
            Ok(output) => assert!(output.status.success(), "{output:?}"),
        }
        let image = image.to_str().expect("a plain path");
        let mut mount = Mount::new(&["-t", kind, "-o", "loop", image])?;
        mount._directories[1] = Some(directory);
        Some(mount)
    }

    /// The directory `backing` under a second path, by a FUSE file system that lacks or breaks what
    /// `options` say (see `passthrough.c`). Every mount has its own locks.
    pub fn passthrough(backing: &Path, options: &[&str]) -> Option<Mount> {
        let what = "a FUSE file system of the test's own";
        enter_namespace(what)?;
        let program = match passthrough_program() {
            Ok(program) => program,
            Err(error) => {
                skip(what, error);
                return None;
            }
        };
        let directory = crate::tempfile::tempdir().expect("a directory");
        let path = directory.path().to_path_buf();
        let device = |path: &Path| path.metadata().map(|about| about.dev()).ok();
        let before = device(&path);
        let mut server = Command::new(program);
        server.arg(backing).arg(&path).args(options);
        let mut server = server.stdout(Stdio::null()).spawn().expect("a process");
        let began = Instant::now();
        while device(&path) == before {
            let ended = server.try_wait().expect("a process");
            if let Some(status) = ended {
                skip(what, status);
                return None;
            }
            assert!(began.elapsed().as_secs() < 60, "it is never mounted");
            std::thread::sleep(Duration::from_millis(2));
        }
        Some(Mount {
            path,
            arguments: Vec::new(),
            server: Some(server),
            _directories: [Some(directory), None],
        })
    }

    fn new(arguments: &[&str]) -> Option<Mount> {
        let directory = crate::tempfile::tempdir().expect("a directory");
        let mount = Mount {
            path: directory.path().to_path_buf(),
            arguments: arguments.iter().map(|part| (*part).to_owned()).collect(),
            server: None,
            _directories: [Some(directory), None],
        };
        let what = format!("a mounted {}", arguments[1]);
        enter_namespace(&what)?;
        match mount.mount() {
            Ok(()) => Some(mount),
            Err(error) => {
                skip(&what, error);
                None
            }
        }
    }

    fn mount(&self) -> io::Result<()> {
        let mut mount = Command::new("mount");
        let output = mount.args(&self.arguments).arg(&self.path).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ))
    }

    /// Unmounts it, since nothing in it is open any more, and mounts it again.
    pub fn again(&mut self) {
        let began = Instant::now();
        while !self.unmount(0) {
            // A process that another test is starting has the files of this one open.
            let error = io::Error::last_os_error();
            assert!(began.elapsed().as_secs() < 30, "{error}");
            std::thread::yield_now();
        }
        self.mount().expect("a file system that was mounted before");
    }

    /// Changes the options.
    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let done = Command::new("mount")
            .arg("-o")
            .arg(options)
            .arg(&self.path)
            .status();
        assert!(done.expect("mount").success());
    }

    /// Every write to the file system waits until the result is dropped.
    pub fn freeze(&self) -> Ice {
        let directory = File::open(&self.path).expect("a directory");
        let watched = directory.try_clone().expect("a descriptor");
        ask(&directory, FIFREEZE).expect("a file system that can be frozen");
        let (melt, melted) = channel::<()>();
        std::thread::spawn(move || {
            if melted.recv_timeout(ICE_AGE) == Err(RecvTimeoutError::Timeout) {
                let _ = ask(&watched, FITHAW);
            }
        });
        Ice { directory, melt }
    }

    /// A power failure: nothing is written any more, and what was not is gone after `again`.
    pub fn cut_power(&self) -> io::Result<()> {
        const EXT4_IOC_SHUTDOWN: libc::c_ulong = 0x8004_587d;
        const NO_LOG_FLUSH: u32 = 2;
        let directory = File::open(&self.path)?;
        let how = NO_LOG_FLUSH;
        // SAFETY: an open directory, and a number that is read.
        match unsafe {
            libc::ioctl(
                directory.as_raw_fd(),
                EXT4_IOC_SHUTDOWN as _,
                &raw const how,
            )
        } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn unmount(&self, flags: i32) -> bool {
        let path = text(&self.path);
        // SAFETY: a NUL-terminated path.
        unsafe { libc::umount2(path.as_ptr(), flags) == 0 }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.unmount(libc::MNT_DETACH);
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// Compiles `passthrough.c`, once for all tests of this program. Returns what is missing if that
/// fails.
fn passthrough_program() -> Result<&'static Path, &'static str> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let compile = || -> Result<PathBuf, String> {
        let mut about = Command::new("pkg-config");
        about.args(["--cflags", "--libs", "fuse3"]);
        let about = about.output();
        let about = about.map_err(|error| format!("pkg-config: {error}"))?;
        if !about.status.success() {
            return Err("libfuse3-dev is not installed".to_owned());
        }
        let flags = String::from_utf8(about.stdout).expect("UTF-8");
        let name = format!("passthrough-{}", std::process::id());
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut compiler = Command::new("cc");
        compiler.args(["-Wall", "-Wextra", "-Werror", "-O1", "-o"]);
        compiler.arg(&program).arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/support/passthrough.c"
        ));
        let compiled = compiler.args(flags.split_whitespace()).output();
        let compiled = compiled.map_err(|error| error.to_string())?;
        assert!(compiled.status.success(), "{compiled:?}");
        // Another test program may have done the same, and may be running it.
        let shared = program.with_file_name("passthrough");
        std::fs::rename(&program, &shared).map_err(|error| error.to_string())?;
        Ok(shared)
    };
    match PROGRAM.get_or_init(compile) {
        Ok(program) => Ok(program),
        Err(why) => Err(why),
    }
}

const FIFREEZE: libc::c_ulong = 0xc004_5877;
const FITHAW: libc::c_ulong = 0xc004_5878;

/// A test that waits for a frozen file system would never thaw it, and its process could not be
/// killed. Longer than such a test is patient.
const ICE_AGE: Duration = Duration::from_secs(400);

/// A frozen file system; thaws when it is dropped, or has been kept for too long.
pub struct Ice {
    directory: File,
    #[expect(dead_code, reason = "its drop is what counts")]
    melt: Sender<()>,
}

impl Drop for Ice {
    fn drop(&mut self) {
        let _ = ask(&self.directory, FITHAW);
    }
}

fn ask(directory: &File, request: libc::c_ulong) -> io::Result<()> {
    // SAFETY: an open directory and requests that take no argument.
    match unsafe { libc::ioctl(directory.as_raw_fd(), request as _, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives the calling thread its own mount namespace; None, and a line about the skipped `what`, if
/// that is not allowed.
pub fn enter_namespace(what: &str) -> Option<()> {
    let entered = own_namespace();
    entered.map_err(|error| skip(what, reason(error))).ok()
}

/// Why something that only root may do was refused.
pub fn reason(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "it needs root".to_owned(),
        _ => error.to_string(),
    }
}

/// Gives the calling thread its own mount namespace.
fn own_namespace() -> io::Result<()> {
    let root = c"/";
    // SAFETY: plain flags, and a NUL-terminated path.
    let done = unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(
                null(),
                root.as_ptr(),
                null(),
                libc::MS_REC | libc::MS_PRIVATE,
                null(),
            ) == 0
    };
    if done {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn text(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path")
}
