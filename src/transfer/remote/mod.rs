//! Files of another host, beside the trees that rsync copies: what is there, and changes to it.
//!
//! Everything goes through the SSH command, by the programs that every host has: a POSIX shell, `tar`, `df`. The
//! scripts are ours and constant; paths are given to them as arguments, contents on standard input. Nothing is put
//! anywhere but where it belongs. Every change may be repeated, so that a lost connection can be made anew.

mod pace;
mod script;
mod send;
mod survey;
mod tar;
mod unpack;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

pub use send::{NewFile, OpenFile};
pub use survey::{Place, Room, Survey, real_place};
pub use unpack::{EachMember, TakeMember};

use super::{Endpoint, Retry, SshCommand, ssh};
use crate::sys::fs::temporary_beside;
use crate::sys::{Cancelled, Context, Finished, fs, process};

/// Something on the other host could not be found out or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host cannot be reached.
    #[error(transparent)]
    Ssh(#[from] ssh::Error),
    /// It can, and what was to be done there failed.
    #[error("cannot {action} '{path}' with '{command}' (exit code {code})\n{stderr}")]
    Failed {
        /// What was to be done: "write".
        action: &'static str,
        /// The path there.
        path: PathBuf,
        /// The command that reaches the host, as a person would type it.
        command: String,
        /// The exit code of what ran there.
        code: i32,
        /// What it had to say.
        stderr: String,
    },
    /// The answer is not one of our script's.
    #[error(
        "'{command}' runs commands, but their output is not clean: silence the start-up files of the account there, \
         and see that its shell is not a restricted one"
    )]
    Unclean {
        /// The command that reaches the host, as a person would type it.
        command: String,
    },
    /// A file to be sent could not be read.
    #[error(transparent)]
    Source(#[from] fs::Error),
    /// We were asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl From<process::Error> for Error {
    fn from(error: process::Error) -> Self {
        Self::Ssh(error.into())
    }
}

impl Error {
    /// Whether another attempt may succeed although nobody has done anything about it.
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Ssh(ssh::Error::NotConnected { .. }))
    }
}

/// A change to the files of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Makes a directory that only its owner may enter, and those above it, unless there is one.
    Directory(PathBuf),
    /// Lets nobody but its owner enter a directory.
    Private(PathBuf),
    /// Makes a symbolic link, in the place of whatever is there.
    Link {
        /// What it says.
        target: PathBuf,
        /// Where it stands.
        link: PathBuf,
    },
    /// Gives a file another name, if there is one, replacing what has it.
    Rename {
        /// Its name.
        from: PathBuf,
        /// The other one.
        to: PathBuf,
    },
    /// Removes a file, if there is one.
    Remove(PathBuf),
    /// Removes all that is in a directory, to which a link may lead, if there is one.
    Empty(PathBuf),
    /// Asks the disk to keep everything on the file system that holds the path.
    Sync(PathBuf),
}

/// A host that an SSH command reaches.
#[derive(Clone)]
pub struct RemoteHost {
    /// The command.
    pub ssh: SshCommand,
    /// The world on this side.
    pub context: Context,
    /// What happens when the connection is lost.
    pub retry: Retry,
    /// Whether what is sent is compressed on its way.
    pub compress: bool,
    /// The rate that sending keeps to, in KiB a second; 0 is none.
    pub bandwidth_limit: u32,
}

impl RemoteHost {
    /// Where rsync finds the host.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Ssh(self.ssh.clone())
    }

    /// What there is at the paths, which are absolute; in their order. One attempt: nothing has begun that would be
    /// worth another.
    pub fn survey(&self, paths: &[&Path]) -> Result<Survey, Error> {
        let words = script::SURVEY.with(paths.iter().map(|path| path.as_os_str()));
        let finished = self.ssh.run(words, &self.context)?;
        survey::parse(&finished.stdout, paths).ok_or_else(|| Error::Unclean { command: self.ssh.to_string() })
    }

    /// The directory that relative paths start from.
    pub fn working_directory(&self) -> Result<PathBuf, Error> {
        let finished = self.ssh.run(["pwd"], &self.context)?;
        let text = String::from_utf8_lossy(&finished.stdout);
        let lines: Vec<&str> = text.lines().collect();
        match lines[..] {
            [path] if path.starts_with('/') => Ok(path.into()),
            _ => Err(Error::Unclean { command: self.ssh.to_string() }),
        }
    }

    /// The whole of a small file; `None` when there is none.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.ssh.read_file(path, &self.context)?)
    }

    /// The bytes that the files below `dir` take; 0 when that cannot be found out.
    pub fn used_bytes(&self, dir: &Path) -> Result<u64, Error> {
        let words = ["env", "LC_ALL=C", "du", "-sk"].map(OsStr::new).into_iter().chain([dir.as_os_str()]);
        let finished = self.ssh.run(words, &self.context)?;
        let text = String::from_utf8_lossy(&finished.stdout);
        let kib = text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
        Ok(kib.unwrap_or(0).saturating_mul(1024))
    }

    /// Whether there is a process of that number.
    pub fn is_running(&self, process: u32) -> Result<bool, Error> {
        let finished = self.ssh.run(script::EXISTS.with([process.to_string()]), &self.context)?;
        Ok(finished.success())
    }

    /// Makes the changes, in their order, up to the first that fails.
    pub fn change(&self, changes: &[Change]) -> Result<(), Error> {
        let Some(first) = changes.first() else { return Ok(()) };
        let words = script::CHANGE.with(changes.iter().flat_map(Change::words));
        self.retrying("ssh", || {
            let finished = self.ssh.run(&words, &self.context)?;
            self.judge("change", first.path(), &finished)
        })
    }

    /// Puts `content` at `path` so that there is at any moment, after a power cut too, the old file or the new one.
    pub fn replace(&self, path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
        let (temporary, mode, bytes) =
            (temporary_beside(path), format!("{mode:o}"), content.len().to_string());
        let places = [path, &temporary, fs::parent(path)].map(Path::as_os_str);
        let arguments = places.into_iter().chain([mode.as_ref(), bytes.as_ref()]);
        let command = self.ssh.remote(script::REPLACE.with(arguments));
        self.retrying("ssh", || {
            let finished = self.context.processes.feed(&command, content, &self.context.cancel)?;
            self.judge("write", path, &finished)
        })
    }

    fn retrying<T>(&self, program: &str, attempt: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
        let what = format!("{program} on '{}'", self.ssh.text());
        self.retry.run(&what, (&self.context, &self.context.cancel), Error::is_retryable, attempt)
    }

    fn judge(&self, action: &'static str, path: &Path, finished: &Finished) -> Result<(), Error> {
        let (command, stderr) = (self.ssh.to_string(), finished.stderr_text());
        match finished.code {
            0 => Ok(()),
            // 255 is ssh's own; what is above 128 tells that ssh was killed here.
            code if code > 128 => Err(ssh::Error::NotConnected { command, stderr }.into()),
            code => Err(Error::Failed { action, path: path.into(), command, code, stderr }),
        }
    }
}

impl Change {
    /// The path that it is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Directory(path)
            | Self::Private(path)
            | Self::Remove(path)
            | Self::Empty(path)
            | Self::Sync(path) => path,
            Self::Link { link, .. } => link,
            Self::Rename { from, .. } => from,
        }
    }

    /// As the script takes it.
    fn words(&self) -> Vec<OsString> {
        let words = |verb: &str, paths: &[&PathBuf]| {
            let paths = paths.iter().map(|path| path.as_os_str().to_owned());
            std::iter::once(verb.into()).chain(paths).collect()
        };
        match self {
            Self::Directory(path) => words("directory", &[path]),
            Self::Private(path) => words("private", &[path]),
            Self::Link { target, link } => words("link", &[target, link]),
            Self::Rename { from, to } => words("rename", &[from, to]),
            Self::Remove(path) => words("remove", &[path]),
            Self::Empty(path) => words("empty", &[path]),
            Self::Sync(path) => words("sync", &[path]),
        }
    }
}
