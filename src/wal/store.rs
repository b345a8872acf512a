use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::archive::Archive;
use super::error::Error;
use crate::codec::{self, Compression, Encoder, Level};
use crate::sys::fs::{self, File, PathContext, Writer};
use crate::sys::{Cancel, Files};

const BUFFER_BYTES: usize = 256 << 10;

/// Makes a durable copy of an open file at `target`, where nothing is, with its mode and time.
pub(super) fn make_copy(
    files: &Files,
    cancel: &Cancel,
    (mut source, source_path): (&File, &Path),
    target: &Path,
) -> Result<(), Error> {
    make(files, source, source_path, target, |out| {
        pump(cancel, |chunk| Ok(source.read(chunk).at("read", source_path)?), out, target)
    })
}

/// What becomes of a file on its way into the archive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoding<'a> {
    /// How it is compressed.
    pub compression: Option<Compression>,
    /// How hard.
    pub level: Level,
    /// Whom it is encrypted for, after that.
    pub recipient: Option<&'a str>,
}

impl Encoding<'_> {
    /// Whether the file stays as it is.
    pub fn is_none(&self) -> bool {
        self.compression.is_none() && self.recipient.is_none()
    }
}

/// The same, encoded for `archive`.
pub(super) fn make_encoded(
    archive: &Archive,
    (source, source_path): (&File, &Path),
    target: &Path,
    encoding: Encoding<'_>,
) -> Result<(), Error> {
    let fill = |out: &mut dyn Write| compress(archive, (source, source_path), (out, target), encoding);
    make(&archive.files, source, source_path, target, |out| {
        let Some(recipient) = encoding.recipient else { return fill(out) };
        let encrypted = archive.codecs.encrypt(recipient, fill, out);
        archive.cancel.check()?;
        encrypted.map_err(|source| match source {
            codec::Error::Io(source) => fs::Error { action: "write", path: target.to_owned(), source }.into(),
            source => {
                let (server, path) = (archive.server_name(), source_path.to_owned());
                Error::Encrypt { server, path, source }
            }
        })?
    })
}

/// Writes what an open file holds to `out`, compressed if so asked.
fn compress(
    archive: &Archive,
    (mut source, source_path): (&File, &Path),
    (mut out, target): (&mut dyn Write, &Path),
    Encoding { compression, level, .. }: Encoding<'_>,
) -> Result<(), Error> {
    let failed = |source: codec::Error| {
        let (server, path) = (archive.server_name(), source_path.to_owned());
        Error::Compress { server, path, source }
    };
    let read = |chunk: &mut [u8]| Ok(source.read(chunk).at("read", source_path)?);
    let Some(compression) = compression else {
        return pump(&archive.cancel, read, &mut out, target);
    };
    let Some(format) = compression.format() else {
        let input = source.try_clone().at("read", source_path)?;
        let mut filtered = archive.codecs.filter(input).map_err(failed)?;
        let read = |chunk: &mut [u8]| {
            let count = filtered.read(chunk);
            // A filter that was stopped has not failed.
            archive.cancel.check()?;
            count.map_err(|error| failed(error.into()))
        };
        return pump(&archive.cancel, read, &mut out, target);
    };
    let mut encoder = Encoder::new(out, format, level).map_err(|error| failed(error.into()))?;
    pump(&archive.cancel, read, &mut encoder, target)?;
    encoder.finish().at("write", target)?;
    Ok(())
}

fn make(
    files: &Files,
    source: &File,
    source_path: &Path,
    target: &Path,
    fill: impl FnOnce(&mut Writer<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let file = files.create_new(target, 0o600)?;
    fill(&mut files.writer(&file, target))?;
    let metadata = source.metadata().at("examine", source_path)?;
    files.set_mode(target, metadata.permissions().mode() & 0o777)?;
    files.set_modified(&file, metadata.modified().at("examine", source_path)?, target)?;
    Ok(files.sync(&file, target)?)
}

fn pump(
    cancel: &Cancel,
    mut read: impl FnMut(&mut [u8]) -> Result<usize, Error>,
    out: &mut impl Write,
    target: &Path,
) -> Result<(), Error> {
    let mut chunk = vec![0; BUFFER_BYTES];
    loop {
        cancel.check()?;
        let count = read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        out.write_all(&chunk[..count]).at("write", target)?;
    }
}
