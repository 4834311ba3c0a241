//! The crew: a few helper threads that many buffers share.
//!
//! A buffer with a crew has no helper thread of its own. Where that would be woken, the buffer is put
//! into the crew's queue, once. A thread of the crew takes it out, is its helper while it has work,
//! and leaves it. If others wait in the queue, it leaves after one call of the source and puts the
//! buffer at the back. So a few threads carry many buffers in turn. A source that stalls holds up its
//! thread; once all are held up, the other buffers wait for one of them. Calls with a time limit
//! return in time all the same, since they wait by themselves. The others wait, except on a thread of a
//! crew and in an opener, where they use the source themselves then ([`Puller::Either`]): the threads may
//! all be waiting for that very call.
//!
//! [`Puller::Either`]: crate::pull::demand::Puller
//!
//! The lock is taken under the gate's lock, and nothing is called under it, except that a thread may be
//! started.

#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::iter;
use std::ptr::NonNull;

use crate::error::{Error, Result};
use crate::options::ThreadHooks;
use crate::panic::catch;
use crate::pull::thread_hooks::{call, share};
use crate::sync::host_call::HostCall;
use crate::sync::shared::{Backlink, Counted, Shared};
use crate::sync::thread::Thread;
use crate::sync::{Condvar, Mutex, ThreadToken, lock, this_thread, wait};

/// The most threads of one crew.
const MOST: u32 = 256;

/// A buffer, as the crew sees it.
pub(crate) trait Assisted: Send + Sync {
    /// Is its helper while it has work, or for one piece of work if others wait.
    fn assist(&self, is_contended: &dyn Fn() -> bool);

    /// Whether a thread that is its helper is inside something that need not return soon.
    fn is_away(&self, thread: ThreadToken) -> bool;
}

/// Work that waits for a thread of the crew.
enum Job {
    /// Be the helper of a buffer, which the queue does not keep: its seat leaves the queue when the
    /// buffer is dropped.
    Help(Backlink<dyn Assisted>),
    Call(Box<dyn FnOnce() + Send>),
}

/// Work that a thread has taken.
enum Taken {
    Help(Shared<dyn Assisted>),
    Call(Box<dyn FnOnce() + Send>),
}

pub(crate) struct Crew {
    state: Mutex<CrewState>,
    /// Notified when there is a job, and at the end.
    called: Condvar,
    hooks: Option<Shared<ThreadHooks>>,
    most: usize,
}

struct CrewState {
    queue: VecDeque<Job>,
    /// The buffers that may be in the queue.
    members: usize,
    threads: Vec<CrewThread>,
    /// The threads that have no job, even if they have not begun yet.
    free: usize,
    is_closed: bool,
}

struct CrewThread {
    /// None once somebody has joined it.
    thread: Option<Thread>,
    /// None until it has begun.
    token: Option<ThreadToken>,
    /// The buffer whose helper it is.
    helps: Option<Shared<dyn Assisted>>,
}

/// A buffer's place in a crew. Part of the buffer's state.
pub(crate) struct CrewSeat {
    crew: Shared<Crew>,
    owner: Backlink<dyn Assisted>,
    is_queued: bool,
}

impl Crew {
    /// The memory that a job takes in the queue.
    pub(crate) const PLACE: usize = size_of::<Job>();

    /// A crew of at most this many threads. Starts none.
    pub(crate) fn new(most: u32, hooks: ThreadHooks) -> Result<Shared<Crew>> {
        let hooks = share(hooks)?;
        let most = most.clamp(1, MOST) as usize;
        let mut threads = Vec::new();
        threads
            .try_reserve_exact(most)
            .map_err(|_| Error::NoMemory)?;
        Shared::try_new(Crew {
            state: Mutex::new(CrewState {
                queue: VecDeque::new(),
                members: 0,
                threads,
                free: 0,
                is_closed: false,
            }),
            called: Condvar::new(),
            hooks,
            most,
        })
    }

    fn ensure_thread(this: &Shared<Crew>) -> Result<()> {
        let mut state = lock(&this.state);
        match state.threads.is_empty() && !state.is_closed {
            true => Crew::start_thread(this, &mut state),
            false => Ok(()),
        }
    }

    /// Calls `work` on a thread of the crew.
    pub(crate) fn call(this: &Shared<Crew>, work: Box<dyn FnOnce() + Send>) -> Result<()> {
        let mut state = lock(&this.state);
        state.reserve()?;
        if state.is_closed {
            return Err(Error::Canceled);
        }
        if state.threads.is_empty() {
            Crew::start_thread(this, &mut state)?;
        }
        Crew::push(this, &mut state, Job::Call(work));
        Ok(())
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }

    /// Whether jobs wait for the end of others. If not, each job in the queue has a thread that takes it.
    fn is_contended(&self) -> bool {
        lock(&self.state).is_contended()
    }

    /// The queue has space for it.
    fn push(this: &Shared<Crew>, state: &mut CrewState, job: Job) {
        if state.is_closed {
            return;
        }
        state.queue.push_back(job);
        if state.is_contended() && state.threads.len() < this.most {
            // If none can be started, the others do it.
            let _ = Crew::start_thread(this, state);
        }
        this.called.notify_one();
    }

    fn start_thread(this: &Shared<Crew>, state: &mut CrewState) -> Result<()> {
        let crew = this.clone();
        let number = state.threads.len();
        let work = move || HostCall::Work.run(|| crew.work(number));
        let thread = Thread::start(work)?;
        // `new` has allocated the space.
        state.threads.push(CrewThread {
            thread: Some(thread),
            token: None,
            helps: None,
        });
        state.free += 1;
        Ok(())
    }

    fn work(&self, number: usize) {
        lock(&self.state).threads[number].token = Some(this_thread());
        call(self.hooks.as_deref(), |hooks| &hooks.begin);
        let mut has_had_job = false;
        let next = || self.next(std::mem::replace(&mut has_had_job, true));
        for job in iter::from_fn(next) {
            match job {
                Taken::Help(owner) => self.help(number, owner),
                Taken::Call(work) => catch((), work),
            }
        }
        call(self.hooks.as_deref(), |hooks| &hooks.end);
    }

    fn help(&self, number: usize, owner: Shared<dyn Assisted>) {
        lock(&self.state).threads[number].helps = Some(owner.clone());
        owner.assist(&|| self.is_contended());
        // Dropped without the lock: this may be the end of the buffer.
        let helped = lock(&self.state).threads[number].helps.take();
        drop((helped, owner));
    }

    /// Waits for a job, after another one. None at the end.
    fn next(&self, has_had_job: bool) -> Option<Taken> {
        let mut state = lock(&self.state);
        state.free += usize::from(has_had_job);
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(taken) = state.take() {
                state.free -= 1;
                return Some(taken);
            }
            state = wait(&self.called, state);
        }
    }

    /// Drops the jobs that no thread has taken, and ends each thread after its current one.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        self.called.notify_all();
        drop(queue);
    }

    /// Waits for the end of the threads, except this one and those that are inside a source, a file
    /// operation or a callback of a buffer: none of these has to return soon. Those end by themselves.
    /// The crew is closed, its buffers are freed, and no other thread is inside a call.
    pub(crate) fn join(&self) {
        let mut number = 0;
        loop {
            let mut state = lock(&self.state);
            let Some(member) = state.threads.get_mut(number) else {
                return;
            };
            let (thread, token, helps) = (member.thread.take(), member.token, member.helps.clone());
            drop(state);
            let is_away = match (&helps, token) {
                (Some(owner), Some(token)) => owner.is_away(token),
                _ => false,
            };
            drop(helps);
            // One that is not joined is detached.
            if let Some(thread) = thread.filter(|_| !is_away) {
                thread.join();
            }
            number += 1;
        }
    }
}

impl CrewState {
    fn is_contended(&self) -> bool {
        self.queue.len() > self.free
    }

    /// Takes the first job whose buffer is not being dropped.
    fn take(&mut self) -> Option<Taken> {
        let jobs = iter::from_fn(|| self.queue.pop_front());
        let mut taken = jobs.filter_map(|job| match job {
            Job::Call(work) => Some(Taken::Call(work)),
            // SAFETY: the drop of the buffer does not return before its seat has left the queue, for
            // which it needs the lock that is held here.
            Job::Help(owner) => unsafe { owner.upgrade() }.map(Taken::Help),
        });
        taken.next()
    }

    /// Allocates the space for one more job beside those of all members.
    fn reserve(&mut self) -> Result<()> {
        let most = self.members + 1;
        let reserved = self.queue.try_reserve(most);
        reserved.map_err(|_| Error::NoMemory)
    }
}

impl CrewSeat {
    /// The memory that a seat takes, with its place in the queue, which doubles when it grows.
    pub(crate) const SIZE: usize = size_of::<CrewSeat>() + 2 * Crew::PLACE;

    /// A seat for a buffer, which takes it back when it is dropped. Allocates its place in the queue.
    pub(crate) fn new<T: Assisted + 'static>(
        crew: &Shared<Crew>,
        owner: &Shared<T>,
    ) -> Result<CrewSeat> {
        let mut state = lock(&crew.state);
        state.reserve()?;
        state.members += 1;
        drop(state);
        let allocation = Shared::allocation(owner);
        let allocation: NonNull<Counted<dyn Assisted>> = allocation;
        Ok(CrewSeat {
            crew: crew.clone(),
            owner: Backlink::new(allocation),
            is_queued: false,
        })
    }

    pub(super) fn is_contended(&self) -> bool {
        self.crew.is_contended()
    }

    /// Makes sure that there is a thread.
    pub(crate) fn ensure_thread(&self) -> Result<()> {
        Crew::ensure_thread(&self.crew)
    }

    /// Puts the buffer into the queue, unless it is there.
    pub(super) fn ring(&mut self) {
        if !self.is_queued {
            self.is_queued = true;
            let job = Job::Help(self.owner.copy());
            Crew::push(&self.crew, &mut lock(&self.crew.state), job);
        }
    }

    /// A thread has taken the buffer out of the queue.
    pub(super) fn taken(&mut self) {
        self.is_queued = false;
    }
}

impl Drop for CrewSeat {
    fn drop(&mut self) {
        let mut state = lock(&self.crew.state);
        state.members -= 1;
        state.queue.retain(|job| match job {
            Job::Help(owner) => !owner.is_same(&self.owner),
            Job::Call(_) => true,
        });
    }
}
