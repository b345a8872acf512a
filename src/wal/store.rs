use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::error::Error;
use crate::codec::{Compression, Encoder, Level};
use crate::sys::fs::{File, PathContext};
use crate::sys::{Cancel, Files};

const BUFFER_BYTES: usize = 256 << 10;

/// How a file is stored: as it is, or compressed.
pub(super) type Encoding = Option<(Compression, Level)>;

/// Makes a durable copy of an open file at `target`, where nothing is, with its mode and time.
pub(super) fn make_copy(
    files: &Files,
    cancel: &Cancel,
    (source, source_path): (&File, &Path),
    target: &Path,
    encoding: Encoding,
) -> Result<(), Error> {
    let file = files.create_new(target, 0o600)?;
    let mut out = files.writer(&file, target);
    match encoding {
        None => pump(cancel, (source, source_path), &mut out, target)?,
        Some((compression, level)) => {
            let encoder = Encoder::new(out, compression, level).map_err(io::Error::other);
            let mut encoder = encoder.at("compress", source_path)?;
            pump(cancel, (source, source_path), &mut encoder, target)?;
            encoder.finish().at("write", target)?;
        }
    }
    let metadata = source.metadata().at("examine", source_path)?;
    files.set_mode(target, metadata.permissions().mode() & 0o777)?;
    files.set_modified(&file, metadata.modified().at("examine", source_path)?, target)?;
    Ok(files.sync(&file, target)?)
}

fn pump(
    cancel: &Cancel,
    (mut source, source_path): (&File, &Path),
    out: &mut impl Write,
    target: &Path,
) -> Result<(), Error> {
    let mut chunk = vec![0; BUFFER_BYTES];
    loop {
        cancel.check()?;
        let count = source.read(&mut chunk).at("read", source_path)?;
        if count == 0 {
            return Ok(());
        }
        out.write_all(&chunk[..count]).at("write", target)?;
    }
}
