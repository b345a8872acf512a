//! The process group that a guarded child leads, and its end.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::AsFd;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How long a program may take to end that was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// Between two looks whether it has.
const PAUSE: Duration = Duration::from_millis(20);

/// The process group that a guarded child leads.
#[derive(Clone)]
pub(super) struct Group {
    leader: Pid,
    state: Arc<Mutex<State>>,
    /// Ends when nobody waits for the group any more.
    stop: Arc<PipeReader>,
}

struct State {
    /// Then the number of the group may be that of another one.
    is_reaped: bool,
    /// Outlasts the group once it was asked to end.
    patience: Option<JoinHandle<()>>,
    /// Closed when the group has been ended.
    waiting: Option<PipeWriter>,
}

/// What tells those who read the output of a group that it was ended; made before there is one.
pub(super) struct Watch {
    stop: PipeReader,
    waiting: PipeWriter,
}

impl Watch {
    pub fn new() -> io::Result<Self> {
        let (stop, waiting) = io::pipe()?;
        Ok(Self { stop, waiting })
    }
}

impl Group {
    pub fn of(child: &Child, watch: Watch) -> Self {
        let Watch { stop, waiting } = watch;
        let state = State { is_reaped: false, patience: None, waiting: Some(waiting) };
        let leader = Pid::from_raw(child.id().cast_signed());
        Self { leader, state: Arc::new(Mutex::new(state)), stop: Arc::new(stop) }
    }

    /// Asks the group to end, and ends it when it does not: a script around ssh may ignore the request.
    pub fn end(&self) {
        let mut state = self.state();
        if state.is_reaped || state.patience.is_some() {
            return;
        }
        let _ = killpg(self.leader, Signal::SIGTERM);
        let group = self.clone();
        // Without a thread there is only the request.
        state.patience = thread::Builder::new().name("patience".into()).spawn(move || group.outlast()).ok();
    }

    /// Waits until the last member has ended, or ends it. Programs that have left the group may live on: of their
    /// output nothing is read any more.
    fn outlast(&self) {
        let deadline = Instant::now() + GRACE;
        // No number is given anew as long as a member has it, so that this is our group or none.
        while killpg(self.leader, None).is_ok() {
            if Instant::now() > deadline {
                let _ = killpg(self.leader, Signal::SIGKILL);
                break;
            }
            thread::sleep(PAUSE);
        }
        drop(self.state().waiting.take());
    }

    /// To be told when the leader was waited for; returns when a group that was asked to end is no more.
    pub fn reaped(&self) {
        let patience = {
            let mut state = self.state();
            state.is_reaped = true;
            state.patience.take()
        };
        if let Some(patience) = patience {
            let _ = patience.join();
        }
    }

    /// The output of the group, which ends at the latest when the group was ended.
    pub fn watch<R>(&self, pipe: R) -> Watched<R> {
        Watched::new(pipe, self.stop.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pipe that a program which has left the group cannot hold open for longer than the group is waited for.
pub(super) struct Watched<R> {
    pipe: R,
    stop: Arc<PipeReader>,
}

impl<R> Watched<R> {
    /// The output in `pipe`, which ends at the latest when `stop` does.
    pub fn new(pipe: R, stop: Arc<PipeReader>) -> Self {
        Self { pipe, stop }
    }
}

impl<R: Read + AsFd> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stopped = {
            let mut both =
                [self.pipe.as_fd(), self.stop.as_fd()].map(|end| PollFd::new(end, PollFlags::POLLIN));
            while let Err(error) = poll(&mut both, PollTimeout::NONE) {
                if error != Errno::EINTR {
                    return Err(error.into());
                }
            }
            let [output, stop] = both.map(|end| end.any().unwrap_or(true));
            stop && !output
        };
        if stopped { Ok(0) } else { self.pipe.read(buffer) }
    }
}
