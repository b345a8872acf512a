use std::io::{self, Seek, Write};
use std::path::PathBuf;

use super::{Error, Remote};
use crate::codec::{Encoder, Format, Level};
use crate::sys::fs::{self, File, PathContext};
use crate::sys::{Context, Finished};
use crate::wal::{Digest, Shipper};

/// A WAL file that PostgreSQL wants archived.
#[derive(Debug)]
pub struct Shipment {
    /// The file, as `%p` gives it.
    pub path: PathBuf,
    /// How it is made sure that it arrives as it is.
    pub digest: Digest,
    /// How it is compressed before it goes.
    pub compression: Option<(Format, Level)>,
}

/// Sends a file; it is safe on the other side's disk when this succeeds. Gives what the other side said.
pub fn ship(context: &Context, remote: &Remote, shipment: &Shipment) -> Result<Finished, Error> {
    let (files, path) = (&context.files, &shipment.path);
    if files.is_dir(path) {
        return Err(Error::Directory { argument: "WAL_PATH", path: path.clone() });
    }
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::NoName(path.clone()))?;
    let original = files.open(path)?;
    let metadata = original.metadata().at("examine", path)?;
    let modified = metadata.modified().at("examine", path)?;
    let (content, bytes) = match shipment.compression {
        None => (original, metadata.len()),
        Some(compression) => compressed(context, original, shipment, compression)?,
    };
    let shipper = Shipper { name, content: &content, bytes, modified, digest: shipment.digest };
    let mut sent = Ok(());
    let mut feeder = |pipe: &mut dyn Write| {
        sent = shipper.send(io::BufWriter::with_capacity(BUFFER_BYTES, pipe));
        Ok(())
    };
    let command = remote.ssh(&remote.put_wal(false));
    let finished = context.processes.feed_from(&command, &mut feeder, &context.cancel)?;
    let finished = remote.reached(finished)?;
    // The other side cannot know why the archive was cut off.
    if let Err(source) = &mut sent
        && source.kind() != io::ErrorKind::BrokenPipe
    {
        let source = std::mem::replace(source, io::ErrorKind::Other.into());
        return Err(fs::Error { action: "send", path: path.clone(), source }.into());
    }
    if !finished.success() {
        let stderr = finished.stderr_text();
        return Err(Error::Remote { command: "put-wal", code: finished.code, stderr });
    }
    match sent {
        Ok(()) => Ok(finished),
        Err(source) => Err(Error::NotRead { path: path.clone(), source }),
    }
}

const BUFFER_BYTES: usize = 128 << 10;

/// The content compressed, in a file without a name: a tar archive tells the length first.
fn compressed(
    context: &Context,
    mut original: File,
    shipment: &Shipment,
    (format, level): (Format, Level),
) -> Result<(File, u64), Error> {
    let (mut scratch, place) = context.files.scratch()?;
    let mut encoder =
        Encoder::new(context.files.writer(&scratch, &place), format, level).at("write", &place)?;
    let mut chunk = io::BufReader::with_capacity(BUFFER_BYTES, &mut original);
    io::copy(&mut chunk, &mut encoder).at("compress", &shipment.path)?;
    encoder.finish().at("write", &place)?;
    let bytes = scratch.stream_position().at("examine", &place)?;
    scratch.rewind().at("rewind", &place)?;
    Ok((scratch, bytes))
}
