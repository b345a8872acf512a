//! The hosts of a connection string, each with its port and password.

use std::net::IpAddr;
use std::path::PathBuf;

use super::error::Error;
use super::keywords::Keyword;
use super::overlay::Overlay;
use super::passfile::{DEFAULT_SOCKET_DIRECTORY, PassFile};
use super::{Secret, Surroundings};

/// One entry of the list of hosts.
#[derive(Debug, Clone)]
pub(in crate::pg) struct Host {
    pub(in crate::pg) place: Place,
    pub(in crate::pg) port: u16,
    pub(in crate::pg) password: Password,
}

/// Where a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pg) enum Place {
    /// The directory of a unix socket; a leading `@` is the abstract name space.
    Unix(String),
    /// A name to look up.
    Name(String),
    /// An address; the name serves TLS and messages.
    Address { address: IpAddr, name: Option<String> },
}

/// The password for one host.
#[derive(Debug, Clone)]
pub(in crate::pg) enum Password {
    Given(Secret),
    FromFile {
        secret: Secret,
        path: PathBuf,
    },
    /// There is none; the note tells of a password file that was not used.
    None {
        note: Option<String>,
    },
}

impl Host {
    /// Pairs the lists host, hostaddr and port, and finds the password for each host.
    pub(super) fn list(
        overlay: &Overlay,
        around: &Surroundings<'_>,
        user: &str,
        dbname: &str,
    ) -> Result<Vec<Self>, Error> {
        let (names, addresses) = (overlay.list(Keyword::Host), overlay.list(Keyword::HostAddr));
        let count = addresses.as_ref().or(names.as_ref()).map_or(1, Vec::len);
        if let Some(names) = names.as_ref().filter(|names| names.len() != count) {
            return Err(lists_differ(Keyword::Host, names.len(), Keyword::HostAddr, count));
        }
        let ports = overlay.list(Keyword::Port).unwrap_or_else(|| vec![""]);
        if ports.len() != 1 && ports.len() != count {
            return Err(lists_differ(Keyword::Port, ports.len(), Keyword::Host, count));
        }
        let passwords = Passwords::load(overlay, around);
        let entry =
            |list: &Option<Vec<&str>>, at: usize| list.as_ref().map_or("", |list| list[at]).to_owned();
        let host = |at: usize| {
            let (name, address) = (entry(&names, at), entry(&addresses, at));
            let port_text =
                Some(ports[if ports.len() == 1 { 0 } else { at }].trim()).filter(|text| !text.is_empty());
            let port_text = port_text.unwrap_or("5432");
            let port = port_text.parse().ok().filter(|port| *port > 0);
            let known_as = if name.is_empty() { &address } else { &name };
            let password = passwords.find(known_as, port_text, dbname, user);
            Ok(Self {
                password,
                port: port.ok_or_else(|| overlay.invalid(Keyword::Port))?,
                place: Place::of(name, &address).ok_or_else(|| overlay.invalid(Keyword::HostAddr))?,
            })
        };
        (0..count).map(host).collect()
    }
}

fn lists_differ(first: Keyword, first_count: usize, second: Keyword, second_count: usize) -> Error {
    Error::ListsDiffer { first: first.into(), first_count, second: second.into(), second_count }
}

impl Place {
    /// The address decides, then the name; with neither it is the default socket.
    fn of(name: String, address: &str) -> Option<Self> {
        if !address.is_empty() {
            let name = Some(name).filter(|name| !name.is_empty());
            return Some(Self::Address { address: address.parse().ok()?, name });
        }
        Some(match name.as_bytes().first() {
            None => Self::Unix(DEFAULT_SOCKET_DIRECTORY.into()),
            Some(b'/' | b'@') => Self::Unix(name),
            Some(_) => Self::Name(name),
        })
    }
}

/// Where passwords come from: one for all hosts, or the password file.
enum Passwords {
    Given(Secret),
    File { path: PathBuf, file: PassFile },
    None,
}

impl Passwords {
    fn load(overlay: &Overlay, around: &Surroundings<'_>) -> Self {
        if let Some(password) = overlay.text(Keyword::Password) {
            return Self::Given(Secret::new(password.to_owned()));
        }
        let default = || Some(around.home.as_ref()?.join(".pgpass"));
        let Some(path) = overlay.text(Keyword::PassFile).map(PathBuf::from).or_else(default) else {
            return Self::None;
        };
        let file = PassFile::load(&path, around.files);
        Self::File { path, file }
    }

    fn find(&self, host: &str, port: &str, dbname: &str, user: &str) -> Password {
        let (path, file) = match self {
            Self::Given(secret) => return Password::Given(secret.clone()),
            Self::None => return Password::None { note: None },
            Self::File { path, file } => (path, file),
        };
        let host = if host.is_empty() { "localhost" } else { host };
        match (file.find(host, port, dbname, user), file) {
            (Some(secret), _) => Password::FromFile { secret, path: path.clone() },
            (None, PassFile::Refused(reason)) => {
                let note = format!("password file '{}' is not used: {reason}", path.display());
                Password::None { note: Some(note) }
            }
            (None, PassFile::Lines(_) | PassFile::Missing) => Password::None { note: None },
        }
    }
}

impl Password {
    /// The password; an empty one counts as none.
    pub(in crate::pg) fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Given(secret) | Self::FromFile { secret, .. } => {
                Some(secret).filter(|secret| !secret.expose().is_empty())
            }
            Self::None { .. } => None,
        }
    }
}
