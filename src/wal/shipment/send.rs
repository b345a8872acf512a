use std::io::{self, Read, Write};
use std::time::SystemTime;

use tar::{Builder, EntryType, Header};

use super::sums::{Digest, Hasher};
use crate::sys::fs::File;

/// A WAL file that is to be sent.
pub struct Shipper<'a> {
    /// Its name there.
    pub name: &'a str,
    /// What it holds, open at its beginning.
    pub content: &'a File,
    /// How many bytes that is.
    pub bytes: u64,
    /// When it was last changed.
    pub modified: SystemTime,
    /// How it is made sure that it arrives as it is.
    pub digest: Digest,
}

impl Shipper<'_> {
    /// Writes the file, and the list with its checksum behind it.
    ///
    /// # Errors
    /// Also when the file turns out to be shorter than it was; the receiver knows an archive that was cut off.
    pub fn send(&self, out: impl Write) -> io::Result<()> {
        let mut archive = Builder::new(out);
        let modified = self.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut content = Hashed { input: self.content, missing: self.bytes, hasher: self.digest.hasher() };
        archive.append(&header(self.name, self.bytes, modified.as_secs())?, &mut content)?;
        let line = format!("{} *{}\n", content.hasher.finish(), self.name);
        archive.append(&header(self.digest.list_name(), line.len() as u64, 0)?, line.as_bytes())?;
        archive.into_inner()?.flush()
    }
}

fn header(name: &str, bytes: u64, modified_secs: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(bytes);
    header.set_mtime(modified_secs);
    header.set_cksum();
    Ok(header)
}

/// Exactly as many bytes as were announced.
struct Hashed<'a> {
    input: &'a File,
    missing: u64,
    hasher: Hasher,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = buffer.len().min(usize::try_from(self.missing).unwrap_or(usize::MAX));
        let count = self.input.read(&mut buffer[..limit])?;
        if count == 0 && limit > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than it was"));
        }
        self.missing -= count as u64;
        self.hasher.write_all(&buffer[..count])?;
        Ok(count)
    }
}
