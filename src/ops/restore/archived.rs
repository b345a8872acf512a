//! Unpacking the archives of a backup where its files are wanted.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::host::{self, Host};
use super::names::{CONTROL_FILE, INCOMPLETE_MARK};
use super::parallel;
use super::scratch::Scratch;
use super::source::Trees;
use crate::catalog::{BackupArchive, BackupInfo, Part};
use crate::codec::{Codecs, Member, MemberKind};
use crate::ops::{CopySettings, Error, Server, backup_archives};
use crate::sys::fs::{self, PathContext, parent};
use crate::sys::{Context, Progress};
use crate::transfer::Filters;

/// Files of this size are no configuration.
const CONFIGURATION_BYTES: u64 = 16 << 20;

/// Unpacks the archives into `scratch` as they are, from where they are copied like any other backup.
pub fn stage(
    server: &Server<'_>,
    (backup, archives): (&BackupInfo, &[BackupArchive]),
    scratch: &Scratch,
    settings: &CopySettings,
) -> Result<Trees, Error> {
    let unpacking = Unpacking::new(server, archives.iter(), None);
    let place = |archive: &BackupArchive| match archive.part {
        Part::Data => scratch.dir().join("data"),
        Part::Tablespace(oid) => scratch.dir().join(oid.to_string()),
    };
    parallel::each(archives.len(), settings.jobs, |number| {
        let archive = &archives[number];
        let dir = place(archive);
        // The destination gets the mode of the directory; archives of PostgreSQL do not tell that of the original.
        server.context.files.create_dir(&dir, 0o700)?;
        host::unpack(&server.context, &dir, &|take| unpacking.members(archive, take))
    })?;
    let tablespaces = backup.tablespaces.iter().map(|known| scratch.dir().join(known.oid.to_string()));
    Ok(Trees { data: scratch.dir().join("data"), tablespaces: tablespaces.collect() })
}

/// What is unpacked where the files are wanted.
pub struct Transport<'a> {
    /// The archive.
    pub archive: &'a BackupArchive,
    /// The directory for it.
    pub place: &'a Path,
    /// The limit of its transfer.
    pub bandwidth_limit: u32,
}

/// Unpacks archives on `host`, straight into their places. What has to be changed first, or comes last, is kept in
/// `aside`, which looks like the data directory: the control file, and whatever can be configuration.
pub fn deliver(
    server: &Server<'_>,
    host: &dyn Host,
    transports: &[Transport<'_>],
    aside: &Path,
    settings: &CopySettings,
) -> Result<(), Error> {
    let archives = transports.iter().map(|transport| transport.archive);
    let unpacking = Unpacking::new(server, archives, Some(aside));
    parallel::each(transports.len(), settings.jobs, |number| {
        let transport = &transports[number];
        host.unpack(transport.place, transport.bandwidth_limit, &|take| {
            unpacking.members(transport.archive, take)
        })
    })?;
    if server.context.files.exists(&aside.join(CONTROL_FILE))? {
        return Ok(());
    }
    let data = transports.first().map(|transport| transport.archive.path.display().to_string());
    Err(Error::refused(format!(
        "the archive '{}' has no '{CONTROL_FILE}', without which PostgreSQL does not start; restore another backup",
        data.unwrap_or_default()
    )))
}

/// The members of archives on their way to where they are wanted.
struct Unpacking<'a> {
    context: &'a Context,
    codecs: Codecs,
    /// Where files are kept that do not arrive in the end as they are; without it, all pass.
    aside: Option<&'a Path>,
    left_out: Filters,
    /// The places of the tablespaces in the data directory, which become links.
    tablespaces: Vec<PathBuf>,
    bytes: AtomicU64,
}

impl<'a> Unpacking<'a> {
    fn new<'b>(
        server: &'a Server<'_>,
        archives: impl Iterator<Item = &'b BackupArchive>,
        aside: Option<&'a Path>,
    ) -> Self {
        let tablespaces = archives.filter(|archive| archive.part != Part::Data);
        Self {
            context: &server.context,
            codecs: backup_archives::codecs(server),
            aside,
            left_out: Filters::restore_of_pgdata(),
            tablespaces: tablespaces.map(|archive| archive.part.place()).collect(),
            bytes: AtomicU64::new(0),
        }
    }

    /// Gives `take` what of `archive` is restored.
    fn members(&self, archive: &BackupArchive, take: &mut host::TakeMember<'_, Error>) -> Result<(), Error> {
        backup_archives::for_each(&self.context.files, &self.codecs, archive, |member| {
            if archive.part == Part::Data && self.is_left_out(&member.name) {
                return Ok(());
            }
            ensure_plain(archive, &member)?;
            let mut content = Watched { content: member.content, unpacking: self, failure: None };
            let member = Member { content: &mut content, ..member };
            let taken = match self.aside {
                Some(aside) if archive.part == Part::Data => self.split(aside, member, take),
                _ => take(member),
            };
            self.context.cancel.check()?;
            match content.failure {
                Some(source) => Err(fs::Error { action: "read", path: archive.path.clone(), source }.into()),
                None => taken,
            }
        })
    }

    /// Whether a restore leaves a file of the data directory out.
    fn is_left_out(&self, name: &Path) -> bool {
        let is_tablespace = self.tablespaces.iter().any(|place| name.starts_with(place));
        is_tablespace || name == Path::new(INCOMPLETE_MARK) || self.left_out.exclude_anchored(name)
    }

    /// Keeps the control file for the end, and a copy of what can be configuration.
    fn split(
        &self,
        aside: &Path,
        member: Member<'_>,
        take: &mut host::TakeMember<'_, Error>,
    ) -> Result<(), Error> {
        let is_control = member.name == Path::new(CONTROL_FILE);
        let is_small = member.bytes <= CONFIGURATION_BYTES;
        if member.kind != MemberKind::File || !(is_control || is_small && can_be_configuration(&member.name))
        {
            return take(member);
        }
        let mut content = Vec::new();
        let path = aside.join(&member.name);
        member.content.take(CONFIGURATION_BYTES).read_to_end(&mut content).at("unpack", &path)?;
        let files = &self.context.files;
        files.create_dir_all(parent(&path))?;
        files.write_all(&files.create(&path)?, &content, &path)?;
        files.set_mode(&path, member.mode | 0o600)?;
        if is_control { Ok(()) } else { take(Member { content: &mut &content[..], ..member }) }
    }
}

/// PostgreSQL puts nothing else into its archives, and what others put there could lead anywhere.
fn ensure_plain(archive: &BackupArchive, member: &Member<'_>) -> Result<(), Error> {
    let kind = match member.kind {
        MemberKind::File | MemberKind::Directory => return Ok(()),
        MemberKind::Link => "a link",
        MemberKind::Special => "neither a file nor a directory",
    };
    Err(Error::refused(format!(
        "'{}' in the archive '{}' is {kind}, and PostgreSQL stores only files and directories: somebody has changed the \
         archive; restore another backup",
        member.name.display(),
        archive.path.display()
    )))
}

/// Whether a file of the data directory can be configuration: it lies in no directory of PostgreSQL's own.
fn can_be_configuration(name: &Path) -> bool {
    let first = name.iter().next().unwrap_or_default();
    !(first == "base" || first == "global" || first.as_encoded_bytes().starts_with(b"pg_"))
        || name.parent() == Some(Path::new(""))
}

/// A content that tells how much of all was read, and why it ended early.
struct Watched<'a> {
    content: &'a mut dyn Read,
    unpacking: &'a Unpacking<'a>,
    failure: Option<io::Error>,
}

impl Read for Watched<'_> {
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        let context = self.unpacking.context;
        context.cancel.check().map_err(io::Error::other)?;
        match self.content.read(chunk) {
            Ok(count) => {
                let before = self.unpacking.bytes.fetch_add(count as u64, Ordering::Relaxed);
                let bytes = before + count as u64;
                context.events.progress(Progress { phase: "unpacking", bytes, total_bytes: None });
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let told = io::Error::from(error.kind());
                self.failure = Some(error);
                Err(told)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgresql_does_not_own_can_be_configuration() {
        for name in ["postgresql.conf", "pg_hba.conf", "conf.d/a.conf", "certs/server.key"] {
            assert!(can_be_configuration(Path::new(name)), "{name}");
        }
        for name in ["base/1/1259", "global/1262", "pg_xact/0000"] {
            assert!(!can_be_configuration(Path::new(name)), "{name}");
        }
    }
}
