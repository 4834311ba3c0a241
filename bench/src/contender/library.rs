//! Shared libraries that are loaded at run time. A contender that is not installed is left out.

use std::ffi::{CStr, CString, c_void};

/// Opens the first of `names` that exists.
pub fn open(names: &[String]) -> Result<*mut c_void, String> {
    let mut why = String::new();
    for name in names {
        let name = CString::new(name.as_str()).map_err(|e| e.to_string())?;
        // SAFETY: a NUL-terminated string; dlerror returns one after a failed dlopen.
        unsafe {
            let library = libc::dlopen(name.as_ptr(), libc::RTLD_NOW);
            if !library.is_null() {
                return Ok(library);
            }
            why = CStr::from_ptr(libc::dlerror())
                .to_string_lossy()
                .into_owned();
        }
    }
    Err(why)
}

/// Makes a struct `Api` of C functions, each under its own name; `Api::of`, which finds them; and
/// `api` and `missing`, which call the contender's own `load` once.
macro_rules! functions {
    ($($name:ident($($arg:ty),*) $(-> $out:ty)?;)*) => {
        struct Api {
            $($name: unsafe extern "C" fn($($arg),*) $(-> $out)?,)*
        }

        impl Api {
            /// The functions of an open library.
            fn of(library: *mut std::ffi::c_void) -> Result<Api, String> {
                Ok(Api {
                    $($name: {
                        let name = concat!(stringify!($name), "\0").as_ptr().cast();
                        // SAFETY: an open library; the list of functions has their types.
                        unsafe {
                            let found = libc::dlsym(library, name);
                            if found.is_null() {
                                return Err(concat!("it has no ", stringify!($name)).to_owned());
                            }
                            std::mem::transmute::<
                                *mut std::ffi::c_void,
                                unsafe extern "C" fn($($arg),*) $(-> $out)?,
                            >(found)
                        }
                    },)*
                })
            }
        }

        fn api() -> &'static Result<Api, String> {
            static API: std::sync::OnceLock<Result<Api, String>> = std::sync::OnceLock::new();
            API.get_or_init(load)
        }

        /// Why the library cannot be loaded, if it cannot.
        pub fn missing() -> Option<String> {
            api().as_ref().err().cloned()
        }
    };
}
pub(super) use functions;
