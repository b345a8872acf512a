use std::path::{Path, PathBuf};

use super::{Change, EachMember, Host, OpenFile, Survey, unreadable};
use crate::ops::Error;
use crate::sys::fs;
use crate::transfer::remote::{self, RemoteHost};
use crate::transfer::{Endpoint, ssh};

/// The host that `--remote-ssh-command` reaches.
pub(super) struct OtherHost(pub RemoteHost);

impl Host for OtherHost {
    fn ssh_command(&self) -> Option<&str> {
        Some(self.0.ssh.text())
    }

    fn endpoint(&self) -> Endpoint {
        self.0.endpoint()
    }

    fn absolute(&self, path: &Path) -> Result<PathBuf, Error> {
        if path.is_absolute() {
            return Ok(path.into());
        }
        Ok(self.reached(self.0.working_directory())?.join(path))
    }

    fn survey(&self, places: &[&Path]) -> Result<Survey, Error> {
        self.reached(self.0.survey(places))
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.read(path)?)
    }

    fn used_bytes(&self, dir: &Path) -> Result<u64, Error> {
        Ok(self.0.used_bytes(dir)?)
    }

    fn is_running(&self, process: u32) -> Result<bool, Error> {
        Ok(self.0.is_running(process)?)
    }

    fn change(&self, changes: &[Change]) -> Result<(), Error> {
        Ok(self.0.change(changes)?)
    }

    fn replace(&self, path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
        Ok(self.0.replace(path, content, mode)?)
    }

    fn write(&self, dir: &Path, count: usize, open: &OpenFile<'_, Error>) -> Result<(), Error> {
        self.0.send(dir, count, open).map_err(|error| match error {
            Error::Remote(remote::Error::Source(fs::Error { path, source, .. })) => unreadable(source, &path),
            other => other,
        })
    }

    fn unpack(&self, dir: &Path, limit: u32, members: &EachMember<'_, Error>) -> Result<(), Error> {
        RemoteHost { bandwidth_limit: limit, ..self.0.clone() }.unpack_members(dir, members)
    }
}

impl OtherHost {
    /// Says of a first contact that failed what the DBA can do.
    fn reached<T>(&self, answer: Result<T, remote::Error>) -> Result<T, Error> {
        answer.map_err(|error| match error {
            remote::Error::Ssh(ssh::Error::NotConnected { stderr, .. }) => Error::refused(format!(
                "Unable to connect to the target host using the command '{}'\n{stderr}\nHINT: It must log in without a \
                 password: try it with 'true' behind it, as the user that runs Barman.",
                self.0.ssh.text()
            )),
            other => other.into(),
        })
    }
}
