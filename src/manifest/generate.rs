use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::checksum::{Algorithm, Checksum};
use super::spread::spread;
use super::tree::Found;
use super::{Error, Tree};
use crate::codec::hex;
use crate::sys::fs::{File, PathContext};
use crate::sys::{Cancel, Events, Progress};
use crate::types::{Lsn, Timeline};

/// Bytes that a worker reads at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// The WAL without which a backup cannot be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalRange {
    /// The timeline of both ends.
    pub timeline: Timeline,
    /// Where the backup began.
    pub start: Lsn,
    /// Where it ended.
    pub end: Lsn,
}

/// A file, as a manifest tells of it.
pub(super) struct Listed {
    pub name: PathBuf,
    pub bytes: u64,
    pub modified: DateTime<Utc>,
    /// By SHA-256.
    pub checksum: String,
}

/// Writes the manifest of `tree` as it is now, durably, by way of `temporary` on the same file system. Gives the number
/// of files in it. A crash leaves no manifest, or the whole one.
pub fn generate(
    tree: &Tree,
    wal: Option<WalRange>,
    temporary: &Path,
    events: &dyn Events,
) -> Result<u64, Error> {
    write_durably(tree, wal, temporary, events, |put| {
        spread(
            |work| {
                tree.list(&mut |found| match found {
                    Found::File(name) => work.put(name),
                    Found::Other(name) => Err(Error::NoFile(tree.root().join(name))),
                })
            },
            |name| examine(tree, name),
            put,
        )
    })
}

/// Writes the manifest of the files that `list` gives.
pub(super) fn write_durably(
    tree: &Tree,
    wal: Option<WalRange>,
    temporary: &Path,
    events: &dyn Events,
    list: impl FnOnce(&mut dyn FnMut(Listed) -> Result<(), Error>) -> Result<(), Error>,
) -> Result<u64, Error> {
    let files = tree.files();
    let file = files.create(temporary)?;
    let made = write(tree, wal, (&file, temporary), events, list).and_then(|count| {
        files.sync(&file, temporary)?;
        files.rename(temporary, &tree.manifest())?;
        files.sync_dir(tree.root())?;
        Ok(count)
    });
    if made.is_err() {
        let _ = files.remove_file_if_exists(temporary);
    }
    made
}

fn write(
    tree: &Tree,
    wal: Option<WalRange>,
    (file, path): (&File, &Path),
    events: &dyn Events,
    list: impl FnOnce(&mut dyn FnMut(Listed) -> Result<(), Error>) -> Result<(), Error>,
) -> Result<u64, Error> {
    let out = BufWriter::with_capacity(BUFFER_BYTES, tree.files().writer(file, path));
    let mut out = Summed { out, sum: Sha256::new() };
    out.put("{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [").at("write", path)?;
    let (mut count, mut bytes) = (0_u64, 0_u64);
    list(&mut |listed| {
        let separator = if count == 0 { "\n" } else { ",\n" };
        out.put(&format!("{separator}{}", line(&listed))).at("write", path)?;
        count += 1;
        bytes += listed.bytes;
        events.progress(Progress { phase: "reading files", bytes, total_bytes: None });
        Ok(())
    })?;
    out.put("\n],\n").at("write", path)?;
    if let Some(WalRange { timeline, start, end }) = wal {
        let number = timeline.number();
        let range = format!(
            "\"WAL-Ranges\": [\n{{ \"Timeline\": {number}, \"Start-LSN\": \"{start}\", \"End-LSN\": \"{end}\" }}\n],\n"
        );
        out.put(&range).at("write", path)?;
    }
    out.finish().at("write", path)?;
    Ok(count)
}

fn examine(tree: &Tree, name: PathBuf) -> Result<Listed, Error> {
    let path = tree.path_of(&name);
    let file = tree.files().open(&path)?;
    let metadata = file.metadata().at("examine", &path)?;
    let modified = metadata.modified().at("examine", &path)?.into();
    let (bytes, checksum) = read(&file, &path, Algorithm::Sha256, tree.cancel())?;
    Ok(Listed { name, bytes, modified, checksum })
}

/// Reads a file to its end: how many bytes there were, and their checksum.
pub(super) fn read(
    mut file: &File,
    path: &Path,
    algorithm: Algorithm,
    cancel: &Cancel,
) -> Result<(u64, String), Error> {
    let len = file.metadata().at("examine", path)?.len();
    let buffer = usize::try_from(len + 1).map_or(BUFFER_BYTES, |len| len.min(BUFFER_BYTES));
    let (mut sum, mut bytes, mut chunk) = (Checksum::new(algorithm), 0, vec![0; buffer]);
    loop {
        cancel.check()?;
        let count = file.read(&mut chunk).at("read", path)?;
        if count == 0 {
            return Ok((bytes, sum.finish()));
        }
        sum.update(&chunk[..count]);
        bytes += count as u64;
    }
}

/// The keys stand in PostgreSQL's order; a name that is not UTF-8 is written in hexadecimal digits.
fn line(listed: &Listed) -> String {
    let name = match listed.name.to_str() {
        Some(name) => format!("\"Path\": {}", json!(name)),
        None => format!("\"Encoded-Path\": \"{}\"", hex(listed.name.as_os_str().as_bytes())),
    };
    format!(
        "{{ {name}, \"Size\": {}, \"Last-Modified\": \"{} GMT\", \"Checksum-Algorithm\": \"SHA256\", \"Checksum\": \
         \"{}\" }}",
        listed.bytes,
        listed.modified.format("%Y-%m-%d %H:%M:%S"),
        listed.checksum
    )
}

/// The manifest as it is written, with the checksum of all before its last line.
struct Summed<W> {
    out: W,
    sum: Sha256,
}

impl<W: Write> Summed<W> {
    fn put(&mut self, text: &str) -> io::Result<()> {
        self.sum.update(text.as_bytes());
        self.out.write_all(text.as_bytes())
    }

    fn finish(mut self) -> io::Result<()> {
        writeln!(self.out, "\"Manifest-Checksum\": \"{}\"}}", hex(&self.sum.finalize()))?;
        self.out.flush()
    }
}
