//! The host that a restore writes on: this one, or another.
//!
//! A restore is planned and carried out the same way on both. What differs stands here: how to see what is there, how
//! to change it, and how files get there that are no part of the trees that rsync copies.

mod local;
mod remote;
mod unpack;

use std::io;
use std::path::{Path, PathBuf};

pub use crate::transfer::remote::{Change, EachMember, NewFile, OpenFile, Place, Room, Survey, TakeMember};
pub use unpack::unpack;

use local::LocalHost;
use remote::OtherHost;

use crate::ops::{CopySettings, Error, Server};
use crate::sys::fs;
use crate::transfer::remote::RemoteHost;
use crate::transfer::{Endpoint, SshCommand};
use crate::wal;

/// A host, as a restore needs it. What can be repeated is tried again when a connection is lost.
pub trait Host: Sync {
    /// The SSH command as it was typed; `None` for this host.
    fn ssh_command(&self) -> Option<&str>;

    /// Where rsync finds it.
    fn endpoint(&self) -> Endpoint;

    /// The path as PostgreSQL will see it, wherever it is started.
    fn absolute(&self, path: &Path) -> Result<PathBuf, Error>;

    /// What is at the places; in their order.
    fn survey(&self, places: &[&Path]) -> Result<Survey, Error>;

    /// The whole of a small file; `None` when there is none.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Error>;

    /// The bytes that the files below `dir` take.
    fn used_bytes(&self, dir: &Path) -> Result<u64, Error>;

    /// Whether there is a process of that number.
    fn is_running(&self, process: u32) -> Result<bool, Error>;

    /// Makes the changes, in their order, up to the first that fails.
    fn change(&self, changes: &[Change]) -> Result<(), Error>;

    /// Puts `content` at `path` so that there is at any moment, after a power cut too, the old file or the new one.
    fn replace(&self, path: &Path, content: &[u8], mode: u32) -> Result<(), Error>;

    /// Writes `count` files into the directory `dir`, in place of those that have their names. They are not synced.
    fn write(&self, dir: &Path, count: usize, open: &OpenFile<'_, Error>) -> Result<(), Error>;

    /// Writes the files and directories of an archive below the directory `dir`, in place of those that have their
    /// names. They are not synced. What goes over a network keeps to `limit`, in KiB a second; 0 is none.
    fn unpack(&self, dir: &Path, limit: u32, members: &EachMember<'_, Error>) -> Result<(), Error>;
}

/// Behind a path: the host that it is of, unless it is this one.
pub fn of_host(host: &dyn Host) -> String {
    host.ssh_command().map_or_else(String::new, |command| format!(" (reached by '{command}')"))
}

/// What the content of WAL has to say of itself is said as it is.
fn unreadable(error: io::Error, origin: &Path) -> Error {
    match error.downcast::<wal::Error>() {
        Ok(error) => error.into(),
        Err(source) => fs::Error { action: "read", path: origin.to_owned(), source }.into(),
    }
}

/// The host that `ssh_command` reaches, or this one. Touches nothing.
pub fn open<'a>(
    server: &'a Server<'_>,
    ssh_command: Option<&str>,
    copy: &CopySettings,
) -> Result<Box<dyn Host + 'a>, Error> {
    let Some(text) = ssh_command else {
        return Ok(Box::new(LocalHost { context: &server.context, jobs: copy.jobs }));
    };
    let host = RemoteHost {
        ssh: SshCommand::parse(text)?.with_path_prefix(server.config.path_prefix()),
        context: server.context.clone(),
        retry: copy.retry(),
        compress: copy.network_compression,
        bandwidth_limit: copy.bandwidth_limit,
    };
    Ok(Box::new(OtherHost(host)))
}
