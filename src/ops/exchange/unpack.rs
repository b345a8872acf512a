//! Reading the archive.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tar::{Archive, Entry};

use super::BUFFER_BYTES;
use super::member::Member;
use super::staging::Staging;
use crate::catalog::{BackupInfo, Identity};
use crate::codec::{Codecs, Custom, Origin};
use crate::ops::Error;
use crate::sys::fs::PathContext;
use crate::sys::{Context, Progress};
use crate::types::{BackupId, WalName};
use crate::wal::XlogDbEntry;

/// The largest of the small files that are read into memory: a record of many tablespaces, the lines of much WAL.
const TEXT_BYTES: u64 = 16 << 20;

/// What an archive holds, unpacked.
pub(super) struct Unpacked {
    pub info: BackupInfo,
    /// The WAL files that came, with their sizes.
    pub wal: BTreeMap<WalName, u64>,
    /// Their lines.
    pub lines: BTreeMap<WalName, XlogDbEntry>,
    /// The links to tablespaces, by their paths in the backup.
    pub tablespace_links: Vec<PathBuf>,
}

/// The members of the archive at `path`, in whatever way it is compressed.
pub(super) fn open(context: &Context, path: &Path) -> Result<Archive<Box<dyn Read + Send>>, Error> {
    let file = context.files.open(path)?;
    let codecs = Codecs::new(context, Custom::default());
    let content = codecs.decode(file, Origin::Incoming).map_err(io::Error::other).at("read", path)?;
    Ok(Archive::new(content))
}

/// Unpacks the archive at `path` into `staging`. Whose backup it is, `accept` is asked before the first of its files.
pub(super) fn unpack(
    context: &Context,
    path: &Path,
    id: &BackupId,
    staging: &Staging,
    accept: &mut dyn FnMut(&Identity, &BackupInfo) -> Result<(), Error>,
) -> Result<Unpacked, Error> {
    let mut unpacking = Unpacking {
        context,
        path,
        staging,
        identity: None,
        info: None,
        is_accepted: false,
        wal: BTreeMap::new(),
        lines: BTreeMap::new(),
        tablespace_links: Vec::new(),
        bytes: 0,
    };
    let mut archive = open(context, path)?;
    for entry in archive.entries().at("read", path)? {
        unpacking.member(&mut entry.at("read", path)?, id, accept)?;
    }
    let Unpacking { info, is_accepted, wal, lines, tablespace_links, .. } = unpacking;
    match info {
        Some(info) if is_accepted => Ok(Unpacked { info, wal, lines, tablespace_links }),
        _ => Err(Error::refused(format!("'{}' holds no backup", path.display()))),
    }
}

struct Unpacking<'a> {
    context: &'a Context,
    path: &'a Path,
    staging: &'a Staging,
    identity: Option<Identity>,
    info: Option<BackupInfo>,
    is_accepted: bool,
    wal: BTreeMap<WalName, u64>,
    lines: BTreeMap<WalName, XlogDbEntry>,
    tablespace_links: Vec<PathBuf>,
    bytes: u64,
}

impl Unpacking<'_> {
    fn member(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        id: &BackupId,
        accept: &mut dyn FnMut(&Identity, &BackupInfo) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.context.cancel.check()?;
        let name = entry.path().at("read", self.path)?.into_owned();
        let member = Member::parse(&name, entry.header().entry_type()).map_err(Error::Refused)?;
        match member {
            Member::Identity => {
                let text = self.text(entry)?;
                let identity = serde_json::from_slice(&text);
                self.identity = Some(identity.map_err(|error| self.malformed(&name, &error.to_string()))?);
            }
            Member::Record => {
                let info = BackupInfo::parse(id.clone(), &self.text(entry)?);
                self.info = Some(info.map_err(|error| self.malformed(&name, &error.to_string()))?);
            }
            Member::Barman => {
                let text = self.text(entry)?;
                tracing::info!("'{}' was made by {}", self.path.display(), String::from_utf8_lossy(&text));
            }
            Member::WalList => self.list(&name, entry)?,
            Member::WalDirectory => {}
            _ => {
                self.ensure_accepted(accept)?;
                self.content(entry, member)?;
            }
        }
        Ok(())
    }

    /// A part of the backup or of its WAL.
    fn content(&mut self, entry: &mut Entry<'_, impl Read>, member: Member) -> Result<(), Error> {
        let mode = entry.header().mode().at("read", self.path)? & 0o777;
        match member {
            Member::Directory(below) => {
                let dir = self.staging.base_dir().join(below);
                self.context.files.create_dir_all(&dir)?;
                // We have to get in, to fill it now and to remove it one day.
                self.context.files.set_mode(&dir, mode | 0o700)?;
            }
            // The copy of the record for older programs, which is made anew.
            Member::File(below) if below == Path::new("backup.info") => {}
            Member::File(below) => {
                self.file(entry, &self.staging.base_dir().join(below), mode)?;
            }
            Member::Wal(name) => {
                let bytes = self.file(entry, &self.staging.wal.join(name.to_string()), mode)?;
                self.wal.insert(name, bytes);
            }
            Member::TablespaceLink(below) => self.tablespace_links.push(below),
            Member::Identity | Member::Record | Member::Barman | Member::WalList | Member::WalDirectory => {}
        }
        Ok(())
    }

    fn ensure_accepted(
        &mut self,
        accept: &mut dyn FnMut(&Identity, &BackupInfo) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.is_accepted {
            return Ok(());
        }
        let (Some(identity), Some(info)) = (&self.identity, &self.info) else {
            return Err(Error::refused(format!(
                "'{}' does not tell whose backup it holds before the files of it: it is no export of Barman",
                self.path.display()
            )));
        };
        accept(identity, info)?;
        self.is_accepted = true;
        Ok(())
    }

    fn list(&mut self, name: &Path, entry: &mut Entry<'_, impl Read>) -> Result<(), Error> {
        let text = self.text(entry)?;
        for line in String::from_utf8_lossy(&text).lines() {
            let line: XlogDbEntry =
                line.parse().map_err(|error| self.malformed(name, &format!("{error}")))?;
            let wal = line.wal_name().ok_or_else(|| self.malformed(name, "a line names no WAL file"))?;
            self.lines.insert(wal, line);
        }
        Ok(())
    }

    fn text(&self, entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>, Error> {
        let mut text = Vec::new();
        let bytes = entry.take(TEXT_BYTES).read_to_end(&mut text).at("read", self.path)?;
        if bytes as u64 == TEXT_BYTES {
            return Err(Error::refused(format!("'{}' is no export of Barman", self.path.display())));
        }
        Ok(text)
    }

    /// Writes a file that is not there yet; gives its size.
    fn file(&mut self, entry: &mut Entry<'_, impl Read>, target: &Path, mode: u32) -> Result<u64, Error> {
        let files = &self.context.files;
        let file = files.create_new(target, mode | 0o600)?;
        let (mut chunk, mut bytes) = (vec![0; chunk_bytes(entry.size())], 0);
        loop {
            self.context.cancel.check()?;
            let count = entry.read(&mut chunk).at("read", self.path)?;
            if count == 0 {
                break;
            }
            files.writer(&file, target).write_all(&chunk[..count]).at("write", target)?;
            bytes += count as u64;
            self.bytes += count as u64;
            let progress = Progress { phase: "importing", bytes: self.bytes, total_bytes: None };
            self.context.events.progress(progress);
        }
        if bytes != entry.size() {
            return Err(Error::refused(format!("'{}' is cut off", self.path.display())));
        }
        let modified = Duration::from_secs(entry.header().mtime().unwrap_or(0));
        files.set_mode(target, mode | 0o600)?;
        files.set_modified(&file, SystemTime::UNIX_EPOCH + modified, target)?;
        Ok(bytes)
    }

    fn malformed(&self, member: &Path, reason: &str) -> Error {
        Error::refused(format!("'{}' in '{}': {reason}", member.display(), self.path.display()))
    }
}

fn chunk_bytes(size: u64) -> usize {
    usize::try_from(size).map_or(BUFFER_BYTES, |size| size.clamp(1, BUFFER_BYTES))
}
