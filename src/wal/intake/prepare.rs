//! Making a file ready for the archive, or finding that it has it.

use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::Intake;
use crate::codec::{Origin, SegmentHeader, is_encrypted, same_bytes};
use crate::sys::fs::{self, File, Metadata, PathContext, read_head};
use crate::sys::user;
use crate::types::{WalName, with_causes};
use crate::wal::content::Content;
use crate::wal::error::Error;
use crate::wal::names::temporary_of;
use crate::wal::open_archive::Publication;
use crate::wal::store::{Encoding, make_copy, make_encoded};
use crate::wal::xlogdb::{XlogDbEntry, modified_seconds};

/// A file of a wave.
pub(super) struct Source {
    pub name: WalName,
    pub path: PathBuf,
}

/// What a source is to the archive, once its content is read.
pub(super) enum Prepared {
    /// New: a file lies ready.
    New(Publication),
    /// The archive has only the beginning of it: a file lies ready that takes its place.
    Completion(Publication),
    /// The archive has it.
    Identical,
    /// The archive has another one of that name.
    Different,
    /// The archive has one of that name, and one of both is encrypted and cannot be looked into.
    Closed {
        /// Why not.
        reason: String,
    },
}

/// What a source and an archived file hold.
enum Decoded {
    /// Both, decrypted and decompressed.
    Open(Content, Content),
    /// One of them is encrypted and cannot be decrypted here.
    Closed(String),
}

impl Prepared {
    pub fn publication(&self) -> Option<&Publication> {
        match self {
            Self::New(publication) | Self::Completion(publication) => Some(publication),
            Self::Identical | Self::Different | Self::Closed { .. } => None,
        }
    }
}

impl Intake<'_> {
    /// Reads a source; `None` when it is written anew or changes meanwhile, and so is still arriving.
    pub(super) fn prepare_one(&self, source: &Source) -> Result<Option<Prepared>, Error> {
        let Some((file, before)) = self.open_arrived(source)? else { return Ok(None) };
        let path = self.archive.path_of(source.name);
        let prepared = match self.context.files.symlink_metadata(&path)? {
            Some(archived) => match self.compare(source, &before, &path, &archived)? {
                Prepared::Different if self.completes(source, &path)? => {
                    let ready = self.make_ready(source, &file, &before, &path)?;
                    Prepared::Completion(Publication { replaces: true, ..ready })
                }
                other => other,
            },
            None => Prepared::New(self.make_ready(source, &file, &before, &path)?),
        };
        let after = file.metadata().at("examine", &source.path)?;
        if (before.len(), before.modified().ok()) != (after.len(), after.modified().ok()) {
            self.discard(&prepared);
            return Ok(None);
        }
        Ok(Some(prepared))
    }

    pub(super) fn open_source(&self, source: &Source) -> Result<File, Error> {
        self.context.files.open(&source.path).map_err(|error| match error.source.kind() {
            io::ErrorKind::PermissionDenied => {
                let (server, path) = (self.archive.server_name(), source.path.clone());
                Error::Unreadable { server, path, user: user::current() }
            }
            _ => error.into(),
        })
    }

    /// Tells whether an archived file is the same as the source, apart from compression. If so, makes sure that the
    /// archived one stays when the source is gone: who archived it may have been stopped before that.
    fn compare(
        &self,
        source: &Source,
        metadata: &Metadata,
        path: &Path,
        archived: &Metadata,
    ) -> Result<Prepared, Error> {
        let files = &self.context.files;
        let is_same_file = (archived.dev(), archived.ino()) == (metadata.dev(), metadata.ino());
        let has_same_bytes = is_same_file
            || (archived.len() == metadata.len()
                && same_bytes(self.open_source(source)?, files.open(path)?).at("compare", path)?);
        if !has_same_bytes {
            match self.decode_both(&source.path, path)? {
                Decoded::Open(source, content) => {
                    if !same_bytes(source, content).at("compare", path)? {
                        return Ok(Prepared::Different);
                    }
                }
                Decoded::Closed(reason) => return Ok(Prepared::Closed { reason }),
            }
        }
        files.sync(&files.open(path)?, path)?;
        files.sync_dir(fs::parent(path))?;
        Ok(Prepared::Identical)
    }

    /// Tells whether the archived file is a segment that was broken off, and the source is the whole of it: a sender
    /// gave up, its file was taken for what there is, and PostgreSQL sent it again.
    fn completes(&self, source: &Source, archived: &Path) -> Result<bool, Error> {
        let Decoded::Open(_, mut content) = self.decode_both(&source.path, archived)? else {
            return Ok(false);
        };
        let head = read_head(&mut content, SegmentHeader::BYTES).at("read", archived)?;
        let rest = io::copy(&mut content, &mut io::sink()).at("read", archived)?;
        let (len, size) =
            (head.len() as u64 + rest, SegmentHeader::parse(&head).map(|header| header.segment_size));
        let Some(size) = size.map(|size| u64::from(size.bytes())).filter(|size| len < *size) else {
            return Ok(false);
        };
        let Decoded::Open(mut whole, content) = self.decode_both(&source.path, archived)? else {
            return Ok(false);
        };
        let is_beginning = same_bytes(content, whole.by_ref().take(len)).at("compare", archived)?;
        Ok(is_beginning && io::copy(&mut whole, &mut io::sink()).at("read", &source.path)? == size - len)
    }

    fn decode_both(&self, source: &Path, archived: &Path) -> Result<Decoded, Error> {
        let decoded = self.archive.decoded(source, Origin::Incoming);
        match decoded.and_then(|source| Ok((source, self.archive.decoded(archived, Origin::Archived)?))) {
            Ok((source, content)) => Ok(Decoded::Open(source, content)),
            Err(error @ Error::Decode { .. }) if error.is_closed() => {
                Ok(Decoded::Closed(with_causes(&error)))
            }
            Err(error) => Err(error),
        }
    }

    /// Makes the file that will become `path`: complete, synced, under a temporary name.
    fn make_ready(
        &self,
        source: &Source,
        file: &File,
        metadata: &Metadata,
        path: &Path,
    ) -> Result<Publication, Error> {
        let (files, detector) = (&self.context.files, self.archive.codecs.detector());
        let mut head = vec![0; detector.wanted_bytes()];
        let head_len = file.read_at(&mut head, 0).at("read", &source.path)?;
        let head = &head[..head_len];
        let (found, is_encrypted) = (detector.detect(head), is_encrypted(head));
        // Neither is done twice; nor is compressed what is encrypted, in which there is nothing to be gained.
        let encoding = Encoding {
            compression: self.settings.compression.filter(|_| found.is_none() && !is_encrypted),
            level: self.settings.level,
            recipient: self.settings.recipient.as_deref().filter(|_| !is_encrypted),
        };
        let temporary = temporary_of(path);
        files.remove_file_if_exists(&temporary)?;
        // What Python Barman leaves when it is killed while it compresses this very file.
        for leftover in ["compressed", "compressed.gpg", "gpg"] {
            files.remove_file_if_exists(&path.with_added_extension(leftover))?;
        }
        let make = || self.make_temporary(source, file, &temporary, encoding);
        match make() {
            // The directory went away with the last file that another program has just deleted from it.
            Err(Error::Files(gone)) if gone.is_not_found() => make()?,
            other => other?,
        }
        let entry = XlogDbEntry {
            name: source.name.to_string(),
            size: files.metadata(&temporary)?.len(),
            time: modified_seconds(metadata),
            compression: encoding.compression.or(found).map(|compression| compression.to_string()),
            encryption: (is_encrypted || encoding.recipient.is_some()).then(|| "gpg".to_owned()),
        };
        Ok(Publication { name: source.name, temporary, entry, replaces: false })
    }

    fn make_temporary(
        &self,
        source: &Source,
        file: &File,
        temporary: &Path,
        encoding: Encoding<'_>,
    ) -> Result<(), Error> {
        let files = &self.context.files;
        files.create_dir_all(fs::parent(temporary))?;
        // A second name costs nothing. Where there cannot be one (another file system, another owner) a copy does;
        // a symbolic link is what it points to.
        if encoding.is_none() && files.symlink_metadata(&source.path)?.is_some_and(|it| it.is_file()) {
            files.sync(file, &source.path)?;
            if files.hard_link(&source.path, temporary).is_ok() {
                return Ok(());
            }
        }
        let source = (file, source.path.as_path());
        let made = match encoding.is_none() {
            true => make_copy(files, &self.context.cancel, source, temporary),
            false => make_encoded(self.archive, source, temporary, encoding),
        };
        if made.is_err() {
            let _ = files.remove_file_if_exists(temporary);
        }
        made
    }
}
