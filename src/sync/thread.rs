//! Threads of the library's own: named, with every signal blocked that another thread can take, so
//! that the host's handlers run on the host's threads. What a fault raises stays: it is for the
//! thread that did it, and a source's code runs here.
//!
//! On Unix by the system's own call: std's start of a thread ends the process when it runs out of
//! memory on the way.

#![allow(unsafe_code)]

#[cfg(all(unix, not(loom)))]
mod system {
    use std::ffi::c_void;
    use std::mem::ManuallyDrop;
    use std::ptr::null_mut;

    use crate::error::{Error, Result};
    use crate::sync::shared::try_box;

    /// What a main thread usually has: the host's callbacks run here. Only what is used is taken.
    const STACK: usize = if usize::BITS == 64 { 8 << 20 } else { 2 << 20 };

    const FAULTS: [libc::c_int; 6] = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGSYS,
    ];

    /// A thread that runs, or has run. Dropped without a join it goes its own way.
    pub(crate) struct Thread(libc::pthread_t);

    // SAFETY: a pthread_t, a pointer on some systems, is good on every thread.
    unsafe impl Send for Thread {}

    impl Thread {
        pub(crate) fn start<F: FnOnce() + Send + 'static>(work: F) -> Result<Thread> {
            let work = Box::into_raw(try_box(work)?);
            let mut thread = std::mem::MaybeUninit::uninit();
            // SAFETY: the sets are written before they are read; `main` takes the work back.
            let started = unsafe {
                let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
                libc::sigfillset(&mut all);
                for fault in FAULTS {
                    libc::sigdelset(&mut all, fault);
                }
                let mut attributes = std::mem::zeroed();
                libc::pthread_attr_init(&mut attributes);
                libc::pthread_attr_setstacksize(&mut attributes, STACK);
                libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
                let started =
                    libc::pthread_create(thread.as_mut_ptr(), &attributes, main::<F>, work.cast());
                libc::pthread_sigmask(libc::SIG_SETMASK, &before, null_mut());
                libc::pthread_attr_destroy(&mut attributes);
                started
            };
            if started != 0 {
                // SAFETY: no thread has it.
                drop(unsafe { Box::from_raw(work) });
                return Err(Error::NoMemory);
            }
            // SAFETY: written by a pthread_create that succeeded.
            Ok(Thread(unsafe { thread.assume_init() }))
        }

        /// Waits for the thread's end, unless it is this one.
        pub(crate) fn join(self) {
            let this = ManuallyDrop::new(self);
            // SAFETY: a thread that was neither joined nor detached.
            unsafe {
                if libc::pthread_equal(this.0, libc::pthread_self()) != 0 {
                    libc::pthread_detach(this.0);
                } else {
                    libc::pthread_join(this.0, null_mut());
                }
            }
        }
    }

    impl Drop for Thread {
        fn drop(&mut self) {
            // SAFETY: a thread that was neither joined nor detached.
            unsafe { libc::pthread_detach(self.0) };
        }
    }

    extern "C" fn main<F: FnOnce()>(work: *mut c_void) -> *mut c_void {
        // SAFETY: the name is short enough.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        unsafe {
            libc::pthread_setname_np(libc::pthread_self(), c"spoolbuf".as_ptr());
        }
        // SAFETY: as above.
        #[cfg(target_vendor = "apple")]
        unsafe {
            libc::pthread_setname_np(c"spoolbuf".as_ptr());
        }
        // SAFETY: from Box::into_raw in `start`, given to this thread alone.
        let work = unsafe { Box::from_raw(work.cast::<F>()) };
        work();
        null_mut()
    }
}

#[cfg(not(all(unix, not(loom))))]
mod system {
    #[cfg(loom)]
    use loom::thread;
    #[cfg(not(loom))]
    use std::thread;

    use crate::error::{Error, Result};

    /// A thread that runs, or has run. Dropped without a join it goes its own way.
    pub(crate) struct Thread(thread::JoinHandle<()>);

    impl Thread {
        pub(crate) fn start<F: FnOnce() + Send + 'static>(work: F) -> Result<Thread> {
            let builder = thread::Builder::new().name("spoolbuf".to_owned());
            builder.spawn(work).map(Thread).map_err(|_| Error::NoMemory)
        }

        /// Waits for the thread's end, unless it is this one.
        pub(crate) fn join(self) {
            if self.0.thread().id() != thread::current().id() {
                let _ = self.0.join();
            }
        }
    }
}

pub(crate) use system::Thread;
