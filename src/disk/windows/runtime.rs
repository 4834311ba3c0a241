//! The descriptors of the C runtime.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::windows::io::{FromRawHandle, RawHandle};

unsafe extern "C" {
    fn _get_osfhandle(descriptor: i32) -> isize;
}

pub(in crate::disk) fn borrow(descriptor: i32) -> io::Result<ManuallyDrop<File>> {
    // SAFETY: a query about a number, which the runtime checks.
    let handle = forgiving(|| unsafe { _get_osfhandle(descriptor) });
    match handle {
        // -2: a standard descriptor without a file.
        -1 | -2 => Err(io::ErrorKind::InvalidInput.into()),
        // SAFETY: the handle is open, and ManuallyDrop does not close it.
        handle => Ok(ManuallyDrop::new(unsafe {
            File::from_raw_handle(handle as RawHandle)
        })),
    }
}

/// What the runtime calls for an invalid argument.
type Handler = unsafe extern "C" fn(*const u16, *const u16, *const u16, line: u32, reserved: usize);
type SetHandler = unsafe extern "C" fn(Option<Handler>) -> Option<Handler>;

unsafe extern "C" fn ignore(_: *const u16, _: *const u16, _: *const u16, _: u32, _: usize) {}

/// Makes the runtime return an error for an invalid number, for this thread and this call; by
/// default it ends the process.
fn forgiving<T>(call: impl FnOnce() -> T) -> T {
    let Some(set) = set_handler() else {
        return call();
    };
    // SAFETY: sets a handler that does nothing, for this thread.
    let before = unsafe { set(Some(ignore)) };
    let answer = call();
    // SAFETY: restores the runtime's previous handler.
    unsafe { set(before) };
    answer
}

#[cfg(target_env = "msvc")]
fn set_handler() -> Option<SetHandler> {
    unsafe extern "C" {
        fn _set_thread_local_invalid_parameter_handler(handler: Option<Handler>)
        -> Option<Handler>;
    }
    Some(_set_thread_local_invalid_parameter_handler)
}

/// The older of the two runtimes that this may be linked with does not end the process, and has no
/// such call.
#[cfg(not(target_env = "msvc"))]
fn set_handler() -> Option<SetHandler> {
    use std::ffi::c_void;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetModuleHandleA(name: *const i8) -> RawHandle;
        fn GetProcAddress(module: RawHandle, name: *const i8) -> *const c_void;
    }
    // SAFETY: NUL-terminated names. If the function exists, it has this type.
    unsafe {
        let module = GetModuleHandleA(c"ucrtbase.dll".as_ptr());
        if module.is_null() {
            return None;
        }
        let name = c"_set_thread_local_invalid_parameter_handler";
        let set = GetProcAddress(module, name.as_ptr());
        std::mem::transmute::<*const c_void, Option<SetHandler>>(set)
    }
}
