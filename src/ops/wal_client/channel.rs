use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Error, Remote};
use crate::sys::other_process::listens_at;
use crate::sys::process::{self, run_shared};
use crate::sys::{Cancel, Context, Finished, Lock};

/// How often one looks whether the connection is there.
const GLANCE: Duration = Duration::from_millis(5);

/// How long one waits for that, and ssh for the other side. The command makes a connection of its own then.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many seconds it stays when nobody uses it: longer than PostgreSQL needs for what was fetched ahead.
const STAYS: u32 = 60;

/// After so many seconds of silence one asks whether the other side is still there; three times.
const SILENCE: u32 = 15;

/// A socket's path has 107 bytes at most, and ssh makes it under a name that is longer by 17.
const LONGEST: usize = 107 - 17;

/// A connection of ssh that many commands share, since a handshake takes longer than a file.
///
/// The other side does not see it: each command has a session of its own, and a key for which it allows certain
/// commands only remains one. Where it allows fewer sessions, the others have connections of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    socket: PathBuf,
    lock: PathBuf,
}

impl Channel {
    /// The connection to `remote` that is found in `dir`, to which nobody else has access. None where ssh would not
    /// take the path as it is.
    pub fn new(dir: &Path, remote: &Remote) -> Option<Self> {
        let port = remote.port.map(|port| format!(":{port}")).unwrap_or_default();
        let name = format!(".{}@{}{port}.ssh", remote.user, remote.host).replace(['/', '%', '$'], "_");
        let socket = dir.join(&name);
        let path = socket.as_os_str().as_bytes();
        let is_plain =
            socket.is_absolute() && path.len() <= LONGEST && !path.iter().any(|byte| b"%$".contains(byte));
        is_plain.then(|| Self { lock: dir.join(name + ".lock"), socket })
    }

    /// Has the connection made, unless it is there. Whether that succeeds, the command shows that comes after.
    pub fn open(&self, remote: &Remote, context: &Context) -> Result<(), Error> {
        if self.is_open() {
            return Ok(());
        }
        let lock = Lock::try_acquire(&self.lock);
        // Another process may have been quicker.
        if let Ok(Some(lock)) = lock
            && !self.is_open()
        {
            // Nobody listens behind what is left of one that was killed.
            context.files.remove_file_if_exists(&self.socket)?;
            if let Some(held) = lock.hand_over() {
                context.processes.spawn_detached_holding(&remote.connection(self), held)?;
            }
        }
        // ssh holds the lock at least until it listens or has failed. Where there can be no lock, nobody is waited for.
        let started = Instant::now();
        while !self.is_open() && self.is_being_made() && started.elapsed() < PATIENCE {
            context.clock.sleep(GLANCE, &context.cancel)?;
        }
        Ok(())
    }

    fn is_being_made(&self) -> bool {
        Lock::try_acquire(&self.lock).is_ok_and(|lock| lock.is_none())
    }

    fn is_open(&self) -> bool {
        listens_at(&self.socket)
    }

    /// Runs `command` on the other side; ends as ssh does, also where there is no connection.
    pub(super) fn run(
        &self,
        command: &str,
        stdout: &mut dyn Write,
        cancel: &Cancel,
    ) -> Result<Finished, process::Error> {
        run_shared(&self.socket, command, stdout, cancel)
    }

    /// The options of the ssh that makes it.
    pub(super) fn made(&self) -> Vec<OsString> {
        let options = [
            "ControlMaster=yes".to_owned(),
            format!("ConnectTimeout={}", PATIENCE.as_secs()),
            format!("ControlPersist={STAYS}"),
            format!("ServerAliveInterval={SILENCE}"),
        ];
        let options = options.into_iter().flat_map(|option| ["-o".into(), option.into()]);
        options.chain(["-S".into(), self.socket.clone().into()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(dir: &str, port: Option<u16>) -> Option<Channel> {
        let [host, user, server] = ["fe80::1%eth0", "barman", "main"].map(str::to_owned);
        Channel::new(Path::new(dir), &Remote { host, user, server, port, config: None, channel: None })
    }

    #[test]
    fn a_connection_is_shared_by_those_who_go_to_the_same_place() {
        let dir = "/var/tmp/walrestore";
        assert_eq!(channel(dir, None), channel(dir, None));
        assert_ne!(channel(dir, None), channel(dir, Some(22)));
    }

    #[test]
    fn a_path_that_ssh_would_not_take_as_it_is_means_a_connection_for_each() {
        assert!(channel("/var/tmp/walrestore", Some(22)).is_some());
        for dir in ["spool", "/srv/100%", "/srv/$HOME", &format!("/{}", "x".repeat(80))] {
            assert_eq!(channel(dir, None), None, "{dir}");
        }
    }
}
