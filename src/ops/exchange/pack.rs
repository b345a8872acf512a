//! Writing the archive.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use super::BUFFER_BYTES;
use super::export::Packing;
use crate::catalog::{BackupInfo, Identity};
use crate::codec::{Encoder, Level, hex};
use crate::ops::Error;
use crate::sys::fs::{File, Metadata, PathContext, Writer};
use crate::sys::{Context, Progress};
use crate::wal::{Archive, XlogDbEntry};

/// All that an exported backup is made of.
pub(super) struct Contents<'a> {
    pub identity: &'a Identity,
    pub info: &'a BackupInfo,
    /// Which program exports, and where.
    pub barman: Value,
    pub base_dir: PathBuf,
    /// A file in there that is none of the backup's.
    pub left_out: Option<PathBuf>,
    /// The lines of the WAL that the backup needs, ascending.
    pub wal: Vec<XlogDbEntry>,
    pub archive: &'a Archive,
}

/// Writes the archive to the open file `path`; gives the checksum of what it holds then, in hexadecimal digits.
pub(super) fn pack(
    context: &Context,
    file: &File,
    path: &Path,
    contents: &Contents<'_>,
    packing: Option<Packing>,
) -> Result<String, Error> {
    let out = BufWriter::with_capacity(BUFFER_BYTES, context.files.writer(file, path));
    let out = Summed { out, sum: Sha256::new() };
    let level = packing.and_then(|packing| packing.level).map_or_else(Level::default, Level::Number);
    let sink = match packing {
        None => Sink::Plain(out),
        Some(packing) => {
            let encoder = Encoder::in_one_member(out, packing.format, level).at("write", path)?;
            Sink::Encoded(Box::new(encoder))
        }
    };
    let mut packer = Packer {
        context,
        tar: tar::Builder::new(sink),
        target: path,
        left_out: contents.left_out.as_deref(),
        bytes: 0,
    };
    packer.all(contents)?;
    let sink = packer.tar.into_inner().at("write", path)?;
    let out = match sink {
        Sink::Plain(out) => out,
        Sink::Encoded(encoder) => encoder.finish().at("write", path)?,
    };
    Ok(out.finish().at("write", path)?)
}

struct Packer<'a, W: Write> {
    context: &'a Context,
    tar: tar::Builder<W>,
    target: &'a Path,
    left_out: Option<&'a Path>,
    bytes: u64,
}

impl<W: Write> Packer<'_, W> {
    fn all(&mut self, contents: &Contents<'_>) -> Result<(), Error> {
        self.text("identity.json", contents.identity.to_json().as_slice())?;
        self.text("backup.info", contents.info.to_text().as_bytes())?;
        self.text("barman.json", format!("{:#}\n", contents.barman).as_bytes())?;
        self.directory(&contents.base_dir, Path::new("backup"))?;
        for entry in &contents.wal {
            if let Some(name) = entry.wal_name() {
                let metadata = self.context.files.metadata(&contents.archive.path_of(name))?;
                let place = Path::new("wals").join(name.relative_path());
                self.file(&contents.archive.path_of(name), &place, &metadata)?;
            }
        }
        let lines: String = contents.wal.iter().map(|entry| format!("{entry}\n")).collect();
        self.text("xlog.db", lines.as_bytes())
    }

    /// A file that we make.
    fn text(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        Ok(self.tar.append_data(&mut header, name, content).at("write", self.target)?)
    }

    /// A directory, then all in it, in the order of their names.
    fn directory(&mut self, dir: &Path, name: &Path) -> Result<(), Error> {
        self.context.cancel.check()?;
        let mut header = header(&self.context.files.metadata(dir)?, EntryType::Directory);
        self.tar.append_data(&mut header, name.join(""), io::empty()).at("write", self.target)?;
        let mut entries = Vec::new();
        // A directory may hold millions of files: of each only the name is remembered.
        self.context.files.visit(dir, |entry, kind| entries.push((entry, kind)))?;
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (entry, kind) in entries {
            let (path, name) = (dir.join(&entry), name.join(&entry));
            if Some(path.as_path()) == self.left_out {
                continue;
            }
            if kind.is_dir() {
                self.directory(&path, &name)?;
            } else if kind.is_symlink() {
                self.link(&path, &name)?;
            } else if let Some(metadata) =
                self.context.files.symlink_metadata(&path)?.filter(Metadata::is_file)
            {
                self.file(&path, &name, &metadata)?;
            } else {
                let path = path.display();
                return Err(Error::refused(format!(
                    "'{path}' is not a file, a directory or a symbolic link"
                )));
            }
        }
        Ok(())
    }

    fn link(&mut self, path: &Path, name: &Path) -> Result<(), Error> {
        let Some(target) = self.context.files.read_link(path)? else { return Ok(()) };
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        Ok(self.tar.append_link(&mut header, name, target).at("write", self.target)?)
    }

    fn file(&mut self, path: &Path, name: &Path, metadata: &Metadata) -> Result<(), Error> {
        self.context.cancel.check()?;
        let file = self.context.files.open(path)?;
        let mut content = Counted { file: file.take(metadata.len()), bytes: 0, context: self.context };
        let mut header = header(metadata, EntryType::Regular);
        header.set_size(metadata.len());
        let buffered = BufReader::with_capacity(BUFFER_BYTES, &mut content);
        self.tar.append_data(&mut header, name, buffered).at("write", self.target)?;
        if content.bytes != metadata.len() {
            let path = path.display();
            return Err(Error::refused(format!("'{path}' became shorter while it was exported")));
        }
        self.bytes += metadata.len();
        self.context.events.progress(Progress { phase: "exporting", bytes: self.bytes, total_bytes: None });
        Ok(())
    }
}

fn header(metadata: &Metadata, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(metadata.permissions().mode() & 0o7777);
    header.set_uid(metadata.uid().into());
    header.set_gid(metadata.gid().into());
    header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
    header.set_size(0);
    header
}

/// The content of a file on its way into the archive.
struct Counted<'a> {
    file: io::Take<File>,
    bytes: u64,
    context: &'a Context,
}

impl Read for Counted<'_> {
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        self.context.cancel.check().map_err(io::Error::other)?;
        let count = self.file.read(chunk)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

enum Sink<'a> {
    Plain(Summed<'a>),
    Encoded(Box<Encoder<Summed<'a>>>),
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Encoded(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The file as it is written, and its checksum.
struct Summed<'a> {
    out: BufWriter<Writer<'a>>,
    sum: Sha256,
}

impl Summed<'_> {
    fn finish(mut self) -> io::Result<String> {
        self.out.flush()?;
        Ok(hex(&self.sum.finalize()))
    }
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        self.sum.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The checksum of a whole file, in hexadecimal digits.
pub(super) fn checksum_of(context: &Context, path: &Path) -> Result<String, Error> {
    let (mut file, mut sum, mut chunk) = (context.files.open(path)?, Sha256::new(), vec![0; BUFFER_BYTES]);
    loop {
        context.cancel.check()?;
        match file.read(&mut chunk).at("read", path)? {
            0 => return Ok(hex(&sum.finalize())),
            count => sum.update(&chunk[..count]),
        }
    }
}
