use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tar::{Archive as Tar, Entry, EntryType};

use super::ShipmentError as Error;
use super::sums::{Digest, Hasher};
use crate::codec::{Origin, same_bytes};
use crate::sys::fs::{self, File, PathContext};
use crate::sys::{Context, process};
use crate::types::WalName;
use crate::wal::archive::{Archive, parse_file_name};
use crate::wal::error::Error as WalError;
use crate::wal::incoming::{Fault, set_aside};

const BUFFER_BYTES: usize = 128 << 10;

/// The longest list of checksums that is read.
const LONGEST_LIST_BYTES: u64 = 4 << 20;

/// How often a name is tried that others take and give away meanwhile.
const TRIES: usize = 10;

/// Where the shipments of a server arrive.
pub struct Reception<'a> {
    /// The world.
    pub context: &'a Context,
    /// What knows how its WAL is read.
    pub archive: &'a Archive,
    /// Where a file goes that is to be archived.
    pub incoming_dir: &'a Path,
    /// Where one goes of whose name there is another one.
    pub errors_dir: &'a Path,
}

/// What came of a shipment.
#[derive(Debug, Default)]
pub struct Received {
    /// Its files, ascending.
    pub arrivals: Vec<(WalName, Arrival)>,
    /// Lines of its lists that are none.
    pub bad_lines: Vec<String>,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// It is in `incoming`.
    Stored,
    /// It was there already.
    Identical,
    /// Another one of its name is there; it was put with the errors. Both are told by their SHA-256.
    Different {
        /// The checksum of the one in `incoming`.
        there: String,
        /// The checksum of the one that came.
        came: String,
    },
}

/// The files of a shipment under temporary names, which go when it is not taken.
struct Unpacked<'a> {
    reception: &'a Reception<'a>,
    files: BTreeMap<WalName, Temporary>,
    /// Of each list, the names on it with their checksums.
    sums: BTreeMap<(Digest, String), String>,
    bad_lines: Vec<String>,
}

struct Temporary {
    path: PathBuf,
    sha256: String,
}

impl Reception<'_> {
    /// Unpacks `input`, makes sure that every file is what it was, and puts them into `incoming`.
    pub fn receive(&self, mut input: impl Read) -> Result<Received, Error> {
        let mut unpacked = Unpacked {
            reception: self,
            files: BTreeMap::new(),
            sums: BTreeMap::new(),
            bad_lines: Vec::new(),
        };
        let result =
            unpacked.unpack(&mut input).and_then(|()| unpacked.verify()).and_then(|()| unpacked.publish());
        // Who sends is to hear what became of it, and not that nobody listens any more.
        let _ = io::copy(&mut input, &mut io::sink());
        result
    }

    fn server(&self) -> String {
        self.archive.paths().server.clone()
    }

    fn broken(&self, source: io::Error) -> Error {
        Error::Stream { server: self.server(), source }
    }

    fn bad_name(&self, name: &str, reason: &'static str) -> Error {
        Error::FileName { name: name.to_owned(), server: self.server(), reason }
    }
}

impl Unpacked<'_> {
    fn unpack(&mut self, input: &mut impl Read) -> Result<(), Error> {
        let reception = self.reception;
        let broken = |error| reception.broken(error);
        let mut tar = Tar::new(input);
        for entry in tar.entries().map_err(broken)? {
            self.take(&mut entry.map_err(broken)?)?;
        }
        Ok(())
    }

    fn take<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<(), Error> {
        let (reception, server) = (self.reception, self.reception.server());
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if !matches!(kind, EntryType::Regular | EntryType::Continuous) {
            return Err(Error::FileType { kind: char::from(kind.as_byte()), name, server });
        }
        let name = name.strip_prefix("./").unwrap_or(&name);
        if let Some(digest) = Digest::of_list(name) {
            return self.note_sums(digest, entry);
        }
        let wal =
            parse_file_name(name).ok_or_else(|| reception.bad_name(name, "it is no name of a WAL file"))?;
        if self.files.contains_key(&wal) {
            return Err(reception.bad_name(name, "it comes twice"));
        }
        let path = reception.incoming_dir.join(format!(".{}-{name}", process::id()));
        self.files.insert(wal, Temporary { path: path.clone(), sha256: String::new() });
        let sha256 = self.store(&path, entry)?;
        self.files.insert(wal, Temporary { path, sha256 });
        Ok(())
    }

    fn note_sums<R: Read>(&mut self, digest: Digest, entry: &mut Entry<'_, R>) -> Result<(), Error> {
        let mut text = Vec::new();
        let expected = entry.size();
        let read = entry.take(LONGEST_LIST_BYTES).read_to_end(&mut text);
        let whole = read.and_then(|count| complete(count as u64, expected));
        whole.map_err(|error| self.reception.broken(error))?;
        for line in String::from_utf8_lossy(&text).lines() {
            match digest.parse_line(line) {
                Some(sum) => drop(self.sums.insert((digest, sum.name), sum.hex)),
                None => self.bad_lines.push(line.to_owned()),
            }
        }
        Ok(())
    }

    /// Writes the content of an entry, durably, and gives its SHA-256.
    fn store<R: Read>(&self, path: &Path, entry: &mut Entry<'_, R>) -> Result<String, Error> {
        let (reception, files) = (self.reception, &self.reception.context.files);
        let modified = entry.header().mtime().unwrap_or_default();
        let expected = entry.size();
        // What a killed process of the same number has left.
        files.remove_file_if_exists(path).map_err(WalError::from)?;
        let file = files.create_new(path, 0o600).map_err(WalError::from)?;
        let (mut chunk, mut bytes, mut hasher) = (vec![0; BUFFER_BYTES], 0, Digest::Sha256.hasher());
        loop {
            reception.context.cancel.check().map_err(WalError::from)?;
            let count = entry.read(&mut chunk).map_err(|error| reception.broken(error))?;
            if count == 0 {
                break;
            }
            hasher.write_all(&chunk[..count]).map_err(|error| reception.broken(error))?;
            files.write_all(&file, &chunk[..count], path).map_err(WalError::from)?;
            bytes += count as u64;
        }
        complete(bytes, expected).map_err(|error| reception.broken(error))?;
        let modified = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(modified));
        files
            .set_modified(&file, modified.unwrap_or(SystemTime::UNIX_EPOCH), path)
            .and_then(|()| files.sync(&file, path))
            .map_err(WalError::from)?;
        Ok(hasher.finish())
    }

    /// Fails unless the lists have every file and nothing else, with the right checksums.
    fn verify(&self) -> Result<(), Error> {
        let server = || self.reception.server();
        if self.files.is_empty() && self.sums.is_empty() {
            return Err(Error::Empty { server: server() });
        }
        let mut verified = Vec::new();
        for ((digest, name), expected) in &self.sums {
            let wal = parse_file_name(name).filter(|wal| self.files.contains_key(wal));
            let Some((wal, file)) = wal.and_then(|wal| Some((wal, self.files.get(&wal)?))) else {
                return Err(Error::MissingFile { name: name.clone(), server: server() });
            };
            let found = match digest {
                Digest::Sha256 => file.sha256.clone(),
                Digest::Md5 => self.reception.sum_of(*digest, &file.path)?,
            };
            if found != *expected {
                let (name, expected) = (name.clone(), expected.clone());
                return Err(Error::BadSum { name, server: server(), found, expected });
            }
            verified.push(wal);
        }
        match self.files.keys().find(|wal| !verified.contains(wal)) {
            Some(wal) => Err(Error::MissingSum { name: wal.to_string(), server: server() }),
            None => Ok(()),
        }
    }

    /// Gives the files their names, ascending.
    fn publish(&mut self) -> Result<Received, Error> {
        let (reception, files) = (self.reception, &self.reception.context.files);
        let mut received = Received { bad_lines: std::mem::take(&mut self.bad_lines), ..Received::default() };
        for (name, file) in &self.files {
            received.arrivals.push((*name, reception.publish(*name, file)?));
        }
        files.sync_dir(reception.incoming_dir).map_err(WalError::from)?;
        Ok(received)
    }
}

impl Reception<'_> {
    /// Gives a file its name without ever taking it from another one.
    fn publish(&self, name: WalName, file: &Temporary) -> Result<Arrival, WalError> {
        let (files, target) = (&self.context.files, self.incoming_dir.join(name.to_string()));
        for _ in 0..TRIES {
            match files.hard_link(&file.path, &target) {
                Ok(()) => return Ok(Arrival::Stored),
                Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {}
                Err(_) if files.exists(&target)? => {}
                // There are file systems without links.
                Err(_) => return Ok(files.rename(&file.path, &target).map(|()| Arrival::Stored)?),
            }
            match self.compare(file, &target) {
                // It has just been archived.
                Err(WalError::Files(gone)) if gone.is_not_found() && !files.exists(&target)? => {}
                Ok(Arrival::Identical) => {
                    // The other one may have come by a command that does not make sure of it.
                    files.sync(&files.open(&target)?, &target)?;
                    return Ok(Arrival::Identical);
                }
                Ok(different) => {
                    let target = name.to_string();
                    set_aside(self.context, &file.path, target.as_ref(), self.errors_dir, Fault::Duplicate)?;
                    files.sync_dir(self.errors_dir)?;
                    return Ok(different);
                }
                Err(error) => return Err(error),
            }
        }
        Err(WalError::Appeared { server: self.server(), path: target })
    }

    /// Compares a file that came with the one that has its name. The same WAL may have been compressed anew.
    fn compare(&self, came: &Temporary, there: &Path) -> Result<Arrival, WalError> {
        let sum = self.sum_of(Digest::Sha256, there)?;
        if sum == came.sha256 {
            return Ok(Arrival::Identical);
        }
        let decoded = |path: &Path| self.archive.decoded(path, Origin::Incoming);
        let is_same = match (decoded(&came.path), decoded(there)) {
            (Ok(came), Ok(there)) => same_bytes(came, there).unwrap_or(false),
            _ => false,
        };
        Ok(match is_same {
            true => Arrival::Identical,
            false => Arrival::Different { there: sum, came: came.sha256.clone() },
        })
    }

    fn sum_of(&self, digest: Digest, path: &Path) -> Result<String, WalError> {
        let mut file: File = self.context.files.open(path)?;
        let mut hasher: Hasher = digest.hasher();
        io::copy(&mut file, &mut hasher).at("read", path)?;
        Ok(hasher.finish())
    }
}

impl Drop for Unpacked<'_> {
    fn drop(&mut self) {
        for file in self.files.values() {
            // One that was renamed is no longer there; one that has a second name now keeps that.
            let _: Result<(), fs::Error> = self.reception.context.files.remove_file_if_exists(&file.path);
        }
    }
}

fn complete(bytes: u64, expected: u64) -> io::Result<()> {
    if bytes == expected {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it was cut off"))
    }
}
