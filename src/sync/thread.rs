//! The library's own threads. They have a name and block every signal that another thread can take,
//! so that the host's handlers run on the host's threads. Signals raised by a fault stay unblocked:
//! they are for the thread that caused them, and a source's code runs here.
//!
//! On Unix a thread is created by `pthread_create`: std's function ends the process if memory runs
//! out while it creates the thread.

#![allow(unsafe_code)]

#[cfg(all(unix, not(loom)))]
mod system {
    use std::ffi::c_void;
    use std::mem::ManuallyDrop;
    use std::ptr::null_mut;

    use crate::error::{Error, Result};
    use crate::panic::catch;
    use crate::sync::shared::try_box;

    /// The usual stack size of a main thread, since the host's callbacks run here. The system
    /// provides only the pages that are used.
    const STACK: usize = if usize::BITS == 64 { 8 << 20 } else { 2 << 20 };

    const FAULTS: [libc::c_int; 6] = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGSYS,
    ];

    /// A thread handle; detached on drop.
    pub(crate) struct Thread(libc::pthread_t);

    // SAFETY: a pthread_t, a pointer on some systems, is valid on every thread.
    unsafe impl Send for Thread {}

    impl Thread {
        pub(crate) fn start<F: FnOnce() + Send + 'static>(work: F) -> Result<Thread> {
            let work = Box::into_raw(try_box(work)?);
            let mut thread = std::mem::MaybeUninit::uninit();
            // SAFETY: the signal sets and the attributes are written before they are read, and
            // `main` takes the work back.
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
                // SAFETY: `work` came from `Box::into_raw` above, and no thread was created that
                // owns it.
                drop(unsafe { Box::from_raw(work) });
                return Err(Error::NoMemory);
            }
            // SAFETY: pthread_create succeeded, so it wrote `thread`.
            Ok(Thread(unsafe { thread.assume_init() }))
        }

        /// Waits until the thread has ended; detaches it instead if it is the calling thread.
        pub(crate) fn join(self) {
            let this = ManuallyDrop::new(self);
            // SAFETY: `Thread` owns a thread that was neither joined nor detached, and is consumed
            // here.
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
            // SAFETY: `Thread` owns a thread that was neither joined nor detached; `join` skips
            // this drop.
            unsafe { libc::pthread_detach(self.0) };
        }
    }

    extern "C" fn main<F: FnOnce()>(work: *mut c_void) -> *mut c_void {
        // SAFETY: the name is a C string of less than 16 bytes, and the thread is the calling one.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        unsafe {
            libc::pthread_setname_np(libc::pthread_self(), c"spoolbuf".as_ptr());
        }
        // SAFETY: the name is a C string.
        #[cfg(target_vendor = "apple")]
        unsafe {
            libc::pthread_setname_np(c"spoolbuf".as_ptr());
        }
        // SAFETY: `start` got the pointer from `Box::into_raw` and passed it to this thread alone.
        let work = unsafe { Box::from_raw(work.cast::<F>()) };
        // What the work owns is the host's in part, and is dropped here: a panic must not leave this
        // function, which would end the process.
        catch((), work);
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

    /// A thread handle; detached on drop.
    pub(crate) struct Thread(thread::JoinHandle<()>);

    impl Thread {
        pub(crate) fn start<F: FnOnce() + Send + 'static>(work: F) -> Result<Thread> {
            let builder = thread::Builder::new().name("spoolbuf".to_owned());
            builder.spawn(work).map(Thread).map_err(|_| Error::NoMemory)
        }

        /// Waits until the thread has ended, unless it is the calling thread.
        pub(crate) fn join(self) {
            if self.0.thread().id() != thread::current().id() {
                let _ = self.0.join();
            }
        }
    }
}

pub(crate) use system::Thread;
