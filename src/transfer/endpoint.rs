use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::filter::literal;
use super::ssh::SshCommand;

/// On which host a tree of files is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// This one.
    Local,
    /// The one that this command reaches.
    Ssh(SshCommand),
}

/// A path on a host, in one of the forms that rsync knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    endpoint: Endpoint,
    path: Vec<u8>,
}

impl Location {
    /// What is in the directory `dir`, or is to be put there.
    pub fn inside(endpoint: &Endpoint, dir: &Path) -> Self {
        let dir = simple(dir);
        // A relative path could be taken for an option or a host, and an empty one must not become the root.
        let mut path = if dir.is_absolute() { Vec::new() } else { b"./".to_vec() };
        path.extend(dir.as_os_str().as_bytes());
        if !path.ends_with(b"/") {
            path.push(b'/');
        }
        Self { endpoint: endpoint.clone(), path }
    }

    /// The file `relative` of the directory `dir`; with `--relative` rsync keeps that part of the path.
    pub fn part_of(endpoint: &Endpoint, dir: &Path, relative: &Path) -> Self {
        let mut location = Self::inside(endpoint, dir);
        location.path.extend(b"./");
        location.path.extend(simple(relative).into_os_string().as_bytes());
        location
    }

    /// The command by which rsync reaches the host; `None` for this one.
    pub(super) fn ssh(&self) -> Option<&SshCommand> {
        match &self.endpoint {
            Endpoint::Local => None,
            Endpoint::Ssh(ssh) => Some(ssh),
        }
    }

    /// The argument for rsync, with `--protect-args`: then no shell sees it, but the rsync of the other host
    /// expands wildcards, part by part of the path.
    pub(super) fn argument(&self) -> OsString {
        if self.ssh().is_none() {
            return OsString::from_vec(self.path.clone());
        }
        let path = self.path.split(|&byte| byte == b'/').map(literal).collect::<Vec<_>>().join(&b'/');
        // The blank in front of the colon is for the rsync of SuSE, which takes `:path` for a local file.
        OsString::from_vec([b" :", &path[..]].concat())
    }
}

/// A path without `/./` and `//`, which mean something to rsync.
fn simple(path: &Path) -> PathBuf {
    path.components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote() -> Endpoint {
        Endpoint::Ssh(SshCommand::parse("ssh pg").unwrap())
    }

    #[test]
    fn locations_are_written_as_rsync_takes_them() {
        let dir = Path::new("/srv//./pg/");
        assert_eq!(Location::inside(&remote(), dir).argument(), " :/srv/pg/");
        assert_eq!(Location::inside(&Endpoint::Local, dir).argument(), "/srv/pg/");
        assert_eq!(Location::inside(&Endpoint::Local, Path::new("/")).argument(), "/");
        assert_eq!(Location::inside(&Endpoint::Local, Path::new("-a:b")).argument(), "./-a:b/");
        assert_eq!(Location::inside(&Endpoint::Local, Path::new("")).argument(), "./", "never the root");
        let control = Location::part_of(&remote(), dir, Path::new("global/pg_control"));
        assert_eq!(control.argument(), " :/srv/pg/./global/pg_control");
    }

    #[test]
    fn wildcards_of_the_other_host_are_meant_literally() {
        let odd = Path::new(r"/srv/a\ b/c[1]\");
        assert_eq!(Location::inside(&remote(), odd).argument(), r" :/srv/a\ b/c\[1]\\/");
        assert_eq!(Location::inside(&Endpoint::Local, odd).argument(), r"/srv/a\ b/c[1]\/");
    }
}
