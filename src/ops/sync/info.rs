//! `sync-info`: what a passive node is told.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use crate::catalog::BackupInfo;
use crate::ops::{Error, Server};
use crate::pg;
use crate::view::{SyncInfo, SyncedWal};
use crate::wal::{Archive, Extent, PageStart, XlogDbEntry};

/// How many lines are read at a time: some mebibytes. In between, others get the lock of xlog.db: who listens may be slow.
const PAGE: usize = 32 << 10;

/// How much of the list is taken from where the other left off; when it was away for longer, the names tell what is new.
const LONGEST_TAIL_BYTES: u64 = 8 << 20;

/// From where on the other node wants to be told of WAL.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The last file that it was told of.
    pub last_wal: Option<&'a str>,
    /// Where the line of that file started.
    pub last_position: Option<u64>,
}

/// What there is to tell, and the WAL to go with it.
///
/// # Errors
/// When the other asks for what comes after a file that this archive does not reach, or has not any more.
pub fn answer(
    server: &Server<'_>,
    request: Request<'_>,
    version: &str,
) -> Result<(SyncInfo, impl Iterator<Item = Result<SyncedWal, Error>> + use<>), Error> {
    let archive = server.archive();
    let (extent, tail) = {
        let mut open = archive.open()?;
        let extent = open.extent()?;
        if let (Some(extent), Some(last_wal)) = (&extent, request.last_wal) {
            ensure_within(last_wal, extent)?;
        }
        let tail = match (request.last_wal, request.last_position) {
            (Some(name), Some(position)) => open.lines_behind(name, position, LONGEST_TAIL_BYTES)?,
            _ => None,
        };
        (extent, tail)
    };
    let catalog = server.catalog()?;
    let loaded = catalog.load();
    for error in loaded.errors {
        server.warning(Error::from(error).description());
    }
    // Files of a backup may be missing once its deletion has begun; the half of it is not to be copied for the whole.
    let condemned = catalog.begun_deletions()?;
    let is_told = |backup: &&BackupInfo| backup.is_available() && !condemned.contains(&backup.id);
    let available: Vec<_> = loaded.backups.into_iter().filter(is_told).collect();
    let oldest_wal = available.iter().filter_map(|backup| backup.begin_wal).min().map(|wal| wal.to_string());
    let pages = match (tail, &extent) {
        // The position says which lines the other has seen, whatever their names are: a file that came late, too.
        (Some(tail), _) => Pages { archive, ready: tail.into(), next: None, to: String::new() },
        (None, None) => Pages { archive, ready: VecDeque::new(), next: None, to: String::new() },
        (None, Some(extent)) => {
            let after = request.last_wal.map(|name| Next::After(name.to_owned()));
            let next = after.unwrap_or(Next::From(oldest_wal.unwrap_or_default()));
            Pages { archive, ready: VecDeque::new(), next: Some(next), to: extent.greatest.clone() }
        }
    };
    let backups =
        available.iter().map(|backup| (backup.id.to_string(), Value::Object(backup.to_peer_json())));
    let info = SyncInfo {
        last_position: extent.as_ref().map_or(0, |extent| extent.last_position),
        last_name: extent.map(|extent| extent.last).unwrap_or_default(),
        backups: backups.collect(),
        version: version.to_owned(),
        config: settings(server),
    };
    Ok((info, pages))
}

/// Fails when the archive does not reach the file, in Barman's words; the other node then asks for everything.
fn ensure_within(last_wal: &str, extent: &Extent) -> Result<(), Error> {
    if last_wal < extent.first.as_str() {
        let first = &extent.first;
        return Err(Error::refused(format!(
            "last_wal '{last_wal}' is older than the first available wal '{first}'"
        )));
    }
    if last_wal > extent.greatest.as_str() {
        let last = &extent.last;
        return Err(Error::refused(format!(
            "last_wal '{last_wal}' is newer than the last available wal  '{last}'"
        )));
    }
    Ok(())
}

/// All settings, without passwords: the other node reads where files are and how they are compressed.
fn settings(server: &Server<'_>) -> Map<String, Value> {
    let setting = |(name, value, _): (&str, _, _)| {
        let value = match json!(value) {
            Value::String(text) => Value::String(pg::redact(&text).into_owned()),
            other => other,
        };
        (name.to_owned(), value)
    };
    server.config.settings().map(setting).collect()
}

/// The lines of the list, some at a time.
struct Pages {
    archive: Archive,
    ready: VecDeque<XlogDbEntry>,
    /// Where the next page begins; `None` when there is no more.
    next: Option<Next>,
    /// The last name that the answer tells of.
    to: String,
}

enum Next {
    From(String),
    After(String),
}

impl Pages {
    fn load(&mut self) -> Result<(), Error> {
        let Some(next) = self.next.take() else { return Ok(()) };
        let start = match &next {
            Next::From(name) => PageStart::From(name),
            Next::After(name) => PageStart::After(name),
        };
        self.ready = self.archive.open()?.page(start, &self.to, PAGE)?.into();
        if self.ready.len() == PAGE {
            self.next = self.ready.back().map(|line| Next::After(line.name.clone()));
        }
        Ok(())
    }
}

impl Iterator for Pages {
    type Item = Result<SyncedWal, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty()
            && let Err(error) = self.load()
        {
            return Some(Err(error));
        }
        self.ready.pop_front().map(|line| Ok(wal(line)))
    }
}

fn wal(line: XlogDbEntry) -> SyncedWal {
    let XlogDbEntry { name, size, time, compression, encryption } = line;
    SyncedWal { compression, encryption, name, size, time }
}
