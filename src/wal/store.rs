use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::archive::Archive;
use super::error::Error;
use crate::codec::{self, Compression, Encoder, Level};
use crate::sys::fs::{File, PathContext, Writer};
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

/// The same, compressed for `archive`.
pub(super) fn make_compressed(
    archive: &Archive,
    (mut source, source_path): (&File, &Path),
    target: &Path,
    (compression, level): (Compression, Level),
) -> Result<(), Error> {
    let failed = |source: codec::Error| {
        let (server, path) = (archive.server_name(), source_path.to_owned());
        Error::Compress { server, path, source }
    };
    make(&archive.files, source, source_path, target, |out| {
        let Some(format) = compression.format() else {
            let input = source.try_clone().at("read", source_path)?;
            let mut filtered = archive.codecs.filter(input).map_err(failed)?;
            let read = |chunk: &mut [u8]| {
                let count = filtered.read(chunk);
                // A filter that was stopped has not failed.
                archive.cancel.check()?;
                count.map_err(|error| failed(error.into()))
            };
            return pump(&archive.cancel, read, out, target);
        };
        let mut encoder = Encoder::new(out, format, level).map_err(|error| failed(error.into()))?;
        let read = |chunk: &mut [u8]| Ok(source.read(chunk).at("read", source_path)?);
        pump(&archive.cancel, read, &mut encoder, target)?;
        encoder.finish().at("write", target)?;
        Ok(())
    })
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
