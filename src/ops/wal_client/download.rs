use std::io::{self, BufRead, Seek, Write};
use std::path::{Path, PathBuf};

use super::{Error, Remote, WireForm};
use crate::codec::{Codecs, Custom, Origin, SegmentHeader};
use crate::sys::boot::boot_id;
use crate::sys::fs::{self, File, PathContext, hand_on, read_head};
use crate::sys::{Context, Finished};
use crate::types::WalName;
use crate::wal::temporary_of;

/// How files are fetched.
#[derive(Clone)]
pub struct Download<'a> {
    /// The world.
    pub context: &'a Context,
    /// From where.
    pub remote: &'a Remote,
    /// What they are on their way.
    pub form: WireForm,
    /// Whether a segment that PostgreSQL has not completed will do.
    pub partial: bool,
}

/// Where a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Where PostgreSQL wants it, which syncs what it keeps.
    Destination,
    /// Into the spool, which nothing outlives; for another cluster, somebody may be making a file of the same name.
    Spool,
}

/// What came of a question for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// All of it is where it was to go.
    Delivered,
    /// The other side does not have it, and says so.
    NotThere,
}

impl Download<'_> {
    /// Fetches a file to `target`, where it appears when it is whole.
    pub fn fetch(&self, name: WalName, target: &Path, place: Place) -> Result<Fetched, Error> {
        let files = &self.context.files;
        if files.metadata(target).is_ok_and(|metadata| !metadata.is_file()) {
            return self.fetch_into_special(name, target);
        }
        let temporary = match place {
            Place::Destination => temporary_of(target),
            Place::Spool => fs::temporary_beside(target),
        };
        let make = || {
            let made =
                files.remove_file_if_exists(&temporary).and_then(|_| files.create_new(&temporary, 0o600));
            let file = made.map_err(|error| destination(target, error))?;
            Ok((file, temporary.clone()))
        };
        let fetched = self.fetch_to(name, make).and_then(|fetched| {
            let Some((file, _)) = fetched else { return Ok(Fetched::NotThere) };
            // Where nobody tells when the machine was started, what is in the spool is used after that as well.
            if place == Place::Spool && boot_id().is_none() {
                files.sync(&file, &temporary)?;
            }
            files.rename(&temporary, target)?;
            Ok(Fetched::Delivered)
        });
        if !matches!(fetched, Ok(Fetched::Delivered)) {
            let _ = files.remove_file_if_exists(&temporary);
        }
        fetched
    }

    /// Something like `/dev/stdout` cannot be replaced; it gets a file that is whole all the same.
    fn fetch_into_special(&self, name: WalName, target: &Path) -> Result<Fetched, Error> {
        let files = &self.context.files;
        if files.is_dir(target) {
            return Err(Error::Directory { argument: "WAL_DEST", path: target.to_owned() });
        }
        let out = files.open_writable(target).map_err(|error| destination(target, error))?;
        let Some((mut file, place)) = self.fetch_to(name, || Ok(files.scratch()?))? else {
            return Ok(Fetched::NotThere);
        };
        file.rewind().at("rewind", &place)?;
        io::copy(&mut file, &mut files.writer(&out, target)).at("write", target)?;
        Ok(Fetched::Delivered)
    }

    /// Fetches into an empty file that `make` opens, with its name. `None` when the other side does not have what is
    /// asked for.
    fn fetch_to(
        &self,
        name: WalName,
        make: impl Fn() -> Result<(File, PathBuf), Error>,
    ) -> Result<Option<(File, PathBuf)>, Error> {
        let files = &self.context.files;
        let (finished, (mut file, mut path)) = self.remote.ask_by(self.context, |remote| {
            let (file, path) = make()?;
            let question = remote.get_wal(&name.to_string(), self.form, self.partial);
            let mut out = Out { file: files.writer(&file, &path), failure: None };
            let finished = remote.stream(self.context, &question, &mut out);
            if let Some(source) = out.failure {
                return Err(fs::Error { action: "write", path, source }.into());
            }
            Ok((finished?, (file, path)))
        })?;
        if !finished.success() {
            return match tells_absence(&finished) {
                true => Ok(None),
                false => Err(Error::Remote {
                    command: "get-wal",
                    code: finished.code,
                    stderr: finished.stderr_text(),
                }),
            };
        }
        file.rewind().at("rewind", &path)?;
        if let Some(content) = self.content(name, &mut file, &path)? {
            // Another file: one that is cut to nothing and filled again is written to disk at once by ext4.
            (file, path) = make()?;
            let mut out = files.writer(&file, &path);
            let damaged = |error: io::Error| Error::Damaged { name: name.to_string(), source: error.into() };
            hand_on(content, damaged, |piece| Ok(out.write_all(piece).at("write", &path)?))?;
            file.rewind().at("rewind", &path)?;
        }
        ensure_whole(name, &mut file, &path)?;
        Ok(Some((file, path)))
    }

    /// What a file holds that came compressed.
    fn content(
        &self,
        name: WalName,
        file: &mut File,
        path: &Path,
    ) -> Result<Option<Box<dyn BufRead + Send>>, Error> {
        let codecs = Codecs::new(self.context, Custom::default());
        let head = read_head(&mut *file, codecs.detector().wanted_bytes()).at("read", path)?;
        file.rewind().at("rewind", path)?;
        if codecs.detector().detect(&head).is_none() {
            return Ok(None);
        }
        let packed = file.try_clone().at("read", path)?;
        let content = codecs.decode(packed, Origin::Incoming);
        content.map(Some).map_err(|source| Error::Damaged { name: name.to_string(), source })
    }
}

/// A file that takes what a command prints, and keeps why it does not: whoever runs the command could not tell that from
/// trouble with the command.
struct Out<W> {
    file: W,
    failure: Option<io::Error>,
}

impl<W: Write> Write for Out<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| {
            self.failure = Some(error);
            io::ErrorKind::Other.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn destination(target: &Path, error: fs::Error) -> Error {
    Error::Destination { path: target.to_owned(), source: error.source }
}

/// Whether the other side says that it does not have the file.
///
/// 1 is the code of every error of the Python Barman. What it has said tells them apart; where a wrapper hides what it
/// says, the code is all there is.
fn tells_absence(finished: &Finished) -> bool {
    let stderr = finished.stderr_text();
    // What ssh says when it cannot share a connection is not the other side's.
    let is_silent = stderr.lines().all(|line| line.starts_with("mux_client_"));
    finished.code == 1 && (is_silent || stderr.contains("' not found in server '"))
}

/// Fails when a segment is not as long as its first page says.
pub(super) fn ensure_whole(name: WalName, file: &mut File, path: &Path) -> Result<(), Error> {
    let head = read_head(&mut *file, SegmentHeader::BYTES).at("read", path)?;
    file.rewind().at("rewind", path)?;
    let bytes = file.metadata().at("examine", path)?.len();
    if name.segment().is_some() && head.len() < SegmentHeader::BYTES {
        return Err(Error::TooShort { name: name.to_string(), bytes });
    }
    match SegmentHeader::parse(&head).filter(|_| name.segment().is_some()) {
        Some(header) if u64::from(header.segment_size.bytes()) != bytes => {
            Err(Error::WrongLength { name: name.to_string(), bytes, expected: header.segment_size.bytes() })
        }
        _ => Ok(()),
    }
}
