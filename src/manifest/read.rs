use std::ffi::OsString;
use std::fmt;
use std::io::{BufReader, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use sha2::{Digest, Sha256};

use super::checksum::Algorithm;
use super::{Error, Tree};
use crate::codec::{hex, unhex};
use crate::sys::fs::{self, File, PathContext};

/// Bytes of the end of a manifest in which its last line must begin.
const TAIL_BYTES: u64 = 4096;

/// What a manifest says of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the data directory.
    pub name: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// How its checksum was made.
    pub algorithm: Algorithm,
    /// The checksum, in lower case.
    pub checksum: String,
}

/// Gives `found` what the manifest of `tree` says of each file, one by one; gives the system identifier, which
/// PostgreSQL tells since release 17. Nothing is given before the checksum of the manifest itself was found right.
pub fn read(tree: &Tree, found: &mut dyn FnMut(Entry) -> Result<(), Error>) -> Result<Option<u64>, Error> {
    let path = tree.manifest();
    let file = tree.files().open(&path)?;
    verify_checksum(tree, &file, &path)?;
    let mut failure = None;
    let file = tree.files().open(&path)?;
    let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(64 << 10, file));
    let manifest = Manifest { found, failure: &mut failure };
    let parsed = json.deserialize_map(manifest).and_then(|system_id| json.end().map(|()| system_id));
    match (failure, parsed) {
        (Some(error), _) => Err(error),
        (None, parsed) => parsed.map_err(|error| malformed(&path, error.to_string())),
    }
}

/// Gives `found` the name and the size of each file that the manifest of `tree` lists.
pub fn list(tree: &Tree, found: &mut dyn FnMut(&Path, u64)) -> Result<(), Error> {
    read(tree, &mut |entry| {
        found(&entry.name, entry.bytes);
        Ok(())
    })
    .map(drop)
}

fn malformed(path: &Path, reason: impl Into<String>) -> Error {
    Error::Malformed { path: path.to_owned(), reason: reason.into() }
}

/// The last line tells the checksum of all before it.
fn verify_checksum(tree: &Tree, file: &File, path: &Path) -> Result<(), Error> {
    let len = file.metadata().at("examine", path)?.len();
    let from = len.saturating_sub(TAIL_BYTES);
    let mut tail = vec![0; usize::try_from(len - from).unwrap_or(0)];
    file.read_exact_at(&mut tail, from).at("read", path)?;
    let line = tail.strip_suffix(b"\n").ok_or_else(|| malformed(path, "its last line is cut off"))?;
    let line = line.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let said =
        std::str::from_utf8(line).ok().and_then(|line| line.trim().strip_prefix("\"Manifest-Checksum\""));
    let said = said.and_then(|rest| rest.split('"').nth(1));
    let said = said.ok_or_else(|| malformed(path, "its last line has no \"Manifest-Checksum\""))?;
    let (mut summed, mut sum, mut chunk) =
        (file.take(len - line.len() as u64 - 1), Sha256::new(), vec![0; 64 << 10]);
    loop {
        tree.cancel().check()?;
        match summed.read(&mut chunk).at("read", path)? {
            0 => break,
            count => sum.update(&chunk[..count]),
        }
    }
    if hex(&sum.finalize()) == said.to_ascii_lowercase() {
        Ok(())
    } else {
        Err(Error::ManifestChecksum(path.to_owned()))
    }
}

/// The object that a manifest is. Its list of files is never in memory.
struct Manifest<'a> {
    found: &'a mut dyn FnMut(Entry) -> Result<(), Error>,
    /// Why the reader wants no more.
    failure: &'a mut Option<Error>,
}

impl<'de> Visitor<'de> for Manifest<'_> {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a backup manifest")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut system_id, mut has_files) = (None, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "PostgreSQL-Backup-Manifest-Version" => match map.next_value()? {
                    1_u64 | 2 => {}
                    other => return Err(A::Error::custom(format!("version {other} is not known"))),
                },
                "System-Identifier" => system_id = Some(map.next_value()?),
                "Files" => {
                    map.next_value_seed(&mut self)?;
                    has_files = true;
                }
                "WAL-Ranges" => drop(map.next_value::<IgnoredAny>()?),
                "Manifest-Checksum" => drop(map.next_value::<String>()?),
                other => return Err(A::Error::custom(format!("'{other}' is not known"))),
            }
        }
        if has_files { Ok(system_id) } else { Err(A::Error::missing_field("Files")) }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Manifest<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(FileList(self.found, self.failure))
    }
}

struct FileList<'a>(&'a mut dyn FnMut(Entry) -> Result<(), Error>, &'a mut Option<Error>);

impl<'de> Visitor<'de> for FileList<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of files")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(line) = seq.next_element::<Line>()? {
            let entry = line.into_entry().map_err(A::Error::custom)?;
            if let Err(error) = (self.0)(entry) {
                *self.1 = Some(error);
                return Err(A::Error::custom("the reader has failed"));
            }
        }
        Ok(())
    }
}

/// A file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Line {
    path: Option<String>,
    #[serde(rename = "Encoded-Path")]
    encoded_path: Option<String>,
    size: u64,
    #[serde(rename = "Last-Modified")]
    _last_modified: Option<IgnoredAny>,
    #[serde(rename = "Checksum-Algorithm")]
    algorithm: Option<String>,
    checksum: Option<String>,
}

impl Line {
    fn into_entry(self) -> Result<Entry, String> {
        let name = match (self.path, self.encoded_path) {
            (Some(name), None) => PathBuf::from(name),
            (None, Some(digits)) => {
                let bytes = unhex(&digits).ok_or_else(|| format!("'{digits}' is no encoded path"))?;
                PathBuf::from(OsString::from_vec(bytes))
            }
            _ => return Err("a file has no path, or two".to_owned()),
        };
        // What a manifest says must not lead out of the backup.
        if !fs::leads_below(&name) {
            return Err(format!("'{}' is no path in a data directory", name.display()));
        }
        let algorithm = self.algorithm.as_deref().unwrap_or("NONE").parse();
        let algorithm: Algorithm = algorithm.map_err(|error| format!("{error}"))?;
        let checksum = self.checksum.unwrap_or_default().to_ascii_lowercase();
        if (algorithm == Algorithm::None) != checksum.is_empty() {
            return Err(format!("'{}' has a checksum without algorithm, or none with one", name.display()));
        }
        Ok(Entry { name, bytes: self.size, algorithm, checksum })
    }
}
