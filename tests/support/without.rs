//! A thread whose system lacks something, by a filter on its system calls (seccomp): a way to test
//! what a file system or a kernel cannot do, without having that one.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io;

/// What the system lacks.
#[derive(Clone, Copy, Debug)]
pub enum Lack {
    /// Unnamed files: EOPNOTSUPP, as vfat, NFS and many FUSE file systems return.
    Unnamed,
    /// Blocks reserved ahead: EOPNOTSUPP.
    Reserve,
    /// A second name for a file: EPERM, as vfat, exFAT and some network file systems return.
    Links,
    /// Changing the flags of an open file: EPERM.
    Flags,
    /// A free name, for a new file or a second name: EEXIST.
    Names,
}

/// Runs `work` on a thread that lacks these things, as do the threads that it starts.
#[track_caller]
pub fn without<T: Send>(lacks: &[Lack], work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            deny(lacks).expect("a filter");
            work()
        });
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const IS: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const HAS: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
/// In `seccomp_data`: the call's number, and the lower halves of its second and third argument.
const NUMBER: u32 = 0;
const SECOND: u32 = 16 + 8 + if cfg!(target_endian = "big") { 4 } else { 0 };
const THIRD: u32 = SECOND + 8;

fn deny(lacks: &[Lack]) -> io::Result<()> {
    let op = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let fail = |code: i32| op(RETURN, libc::SECCOMP_RET_ERRNO | code as u32, 0, 0);
    let mut filter = vec![op(LOAD, NUMBER, 0, 0)];
    for lack in lacks {
        match lack {
            Lack::Unnamed => filter.extend([
                op(IS, libc::SYS_openat as u32, 0, 4),
                op(LOAD, THIRD, 0, 0),
                // Without the bit of O_DIRECTORY, which is part of O_TMPFILE.
                op(HAS, (libc::O_TMPFILE & !libc::O_DIRECTORY) as u32, 0, 1),
                fail(libc::EOPNOTSUPP),
                op(LOAD, NUMBER, 0, 0),
            ]),
            Lack::Reserve => filter.extend([
                op(IS, libc::SYS_fallocate as u32, 0, 1),
                fail(libc::EOPNOTSUPP),
            ]),
            Lack::Flags => filter.extend([
                op(IS, libc::SYS_fcntl as u32, 0, 4),
                op(LOAD, SECOND, 0, 0),
                op(IS, libc::F_SETFL as u32, 0, 1),
                fail(libc::EPERM),
                op(LOAD, NUMBER, 0, 0),
            ]),
            Lack::Names => filter.extend([
                op(IS, libc::SYS_linkat as u32, 0, 1),
                fail(libc::EEXIST),
                op(IS, libc::SYS_openat as u32, 0, 4),
                op(LOAD, THIRD, 0, 0),
                op(HAS, libc::O_CREAT as u32, 0, 1),
                fail(libc::EEXIST),
                op(LOAD, NUMBER, 0, 0),
            ]),
            Lack::Links => {
                filter.extend([op(IS, libc::SYS_linkat as u32, 0, 1), fail(libc::EPERM)])
            }
        }
    }
    filter.push(op(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0));
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: binds this thread only; the program is read during the call.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            ) == 0
    };
    if done {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
