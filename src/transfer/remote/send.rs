use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::pace::Paced;
use super::tar::TarWriter;
use super::{Error, RemoteHost};
use crate::sys::process::NOT_CONNECTED;
use crate::sys::{Feeder, Finished, Progress, fs};

/// So much is sent by one `tar`, or one file more: what is lost with a connection is not more than that.
const BATCH_BYTES: u64 = 1 << 30;

/// A batch has no more files than that.
const BATCH_FILES: usize = 10_000;

/// Files up to this size are kept in memory while their size is found out; larger ones are read twice.
const KEPT_BYTES: u64 = 16 << 20;

/// What is read of them at a time.
const PIECE_BYTES: u64 = 1 << 20;

/// Which time a file there is given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Times {
    /// That of its arrival.
    OfArrival,
    /// The one in the archive.
    OfArchive,
}

/// A file to be written.
pub struct NewFile {
    /// Its name in the directory, which may name directories in that; up to 100 bytes, and
    /// 155 more of directories.
    pub name: String,
    /// Its permissions.
    pub mode: u32,
    /// What it says.
    pub content: Box<dyn Read + Send>,
    /// Where that comes from, for an error.
    pub origin: PathBuf,
}

impl NewFile {
    /// A file with a `content` that was made here.
    pub fn of(name: impl Into<String>, mode: u32, content: Vec<u8>) -> Self {
        let name = name.into();
        Self { origin: PathBuf::from(&name), name, mode, content: Box::new(io::Cursor::new(content)) }
    }
}

/// How much has arrived, or is on its way.
#[derive(Debug, Clone, Copy, Default)]
struct Sent {
    files: usize,
    bytes: u64,
}

/// Opens the file of a number; another attempt opens it again.
pub type OpenFile<'a, E> = dyn Fn(usize) -> Result<NewFile, E> + Sync + 'a;

/// Why a batch was not sent whole.
enum Broken<E> {
    /// The other side takes no more: its exit code tells why.
    Pipe,
    /// The file could not be opened.
    Open(E),
    /// The file could not be read.
    Read(Error),
}

impl RemoteHost {
    /// Writes files into the directory `dir`, in place of those that have their names, over few connections.
    ///
    /// A file appears under its name while it is being written, and is not synced.
    pub fn send<E: From<Error> + Send>(
        &self,
        dir: &Path,
        count: usize,
        open: &OpenFile<'_, E>,
    ) -> Result<(), E> {
        let mut sent = Sent::default();
        while sent.files < count {
            sent = self.retrying("tar", || self.send_batch(dir, sent, count, open))??;
        }
        Ok(())
    }

    /// Sends as many of the `count` files as make a batch, after those that are `sent`; gives what is sent then.
    fn send_batch<E: From<Error> + Send>(
        &self,
        dir: &Path,
        sent: Sent,
        count: usize,
        open: &OpenFile<'_, E>,
    ) -> Result<Result<Sent, E>, Error> {
        let mut outcome = Err(Broken::Pipe);
        let finished = self.unpack(dir, Times::OfArrival, &mut |out| {
            outcome = self.write_batch(out, sent, count, open);
            outcome.as_ref().map(drop).map_err(|_| io::ErrorKind::BrokenPipe.into())
        })?;
        match outcome {
            Err(Broken::Open(error)) => Ok(Err(error)),
            Err(Broken::Read(error)) => Ok(Err(error.into())),
            Ok(sent) => self.judge("write files into", dir, &finished).map(|()| Ok(sent)),
            Err(Broken::Pipe) => {
                // Success is out of the question, whatever the exit code says.
                let code = if finished.success() { NOT_CONNECTED } else { finished.code };
                self.judge("write files into", dir, &Finished { code, ..finished }).map(|()| Ok(sent))
            }
        }
    }

    /// Runs `tar` in the directory `dir` of the host on what `write` gives it.
    pub(super) fn unpack(&self, dir: &Path, times: Times, write: &mut Feeder<'_>) -> Result<Finished, Error> {
        // Owners do not count (-o).
        let options = match (times, self.compress) {
            (Times::OfArrival, true) => "-xpomzf",
            (Times::OfArrival, false) => "-xpomf",
            (Times::OfArchive, true) => "-xpozf",
            (Times::OfArchive, false) => "-xpof",
        };
        let words = ["env", "LC_ALL=C", "tar", options, "-", "-C"].map(OsStr::new);
        let command = self.ssh.remote(words.into_iter().chain([dir.as_os_str()]));
        let (clock, cancel) = (&*self.context.clock, &self.context.cancel);
        let finished = self.context.processes.feed_from(
            &command,
            &mut |pipe| {
                let mut paced = Paced::new(pipe, self.bandwidth_limit, clock, cancel);
                if !self.compress {
                    return write(&mut paced);
                }
                let mut encoder = GzEncoder::new(paced, Compression::fast());
                write(&mut encoder)?;
                encoder.finish().map(drop)
            },
            cancel,
        );
        Ok(finished?)
    }

    fn write_batch<E>(
        &self,
        out: &mut dyn Write,
        before: Sent,
        count: usize,
        open: &OpenFile<'_, E>,
    ) -> Result<Sent, Broken<E>> {
        let mut archive = TarWriter::new(out);
        let (mut kept, mut sent) = (Vec::new(), before);
        let (last, most_bytes) = (count.min(before.files + BATCH_FILES), before.bytes + BATCH_BYTES);
        while sent.files < last && sent.bytes < most_bytes {
            sent.bytes += self.write_file(&mut archive, &mut kept, || open(sent.files))?;
            sent.files += 1;
            let progress = Progress { phase: "sending files", bytes: sent.bytes, total_bytes: None };
            self.context.events.progress(progress);
        }
        archive.finish().map_err(|_| Broken::Pipe)?;
        Ok(sent)
    }

    /// Puts a file into the archive, whose header wants to know its size first; gives the size. `kept` is only room.
    fn write_file<E>(
        &self,
        archive: &mut TarWriter<&mut dyn Write>,
        kept: &mut Vec<u8>,
        open: impl Fn() -> Result<NewFile, E>,
    ) -> Result<u64, Broken<E>> {
        self.context.cancel.check().map_err(|cancelled| Broken::Read(cancelled.into()))?;
        let mut file = open().map_err(Broken::Open)?;
        kept.clear();
        let head = file.content.by_ref().take(KEPT_BYTES + 1).read_to_end(kept);
        let mut size = head.map_err(|error| unreadable(&file, error))? as u64;
        if size > KEPT_BYTES {
            kept.clear();
            size += io::copy(&mut file.content, &mut io::sink()).map_err(|error| unreadable(&file, error))?;
            file = open().map_err(Broken::Open)?;
        }
        let now = u64::try_from(self.context.clock.now().timestamp()).unwrap_or(0);
        archive.begin(&file.name, file.mode, size, now).map_err(|_| Broken::Pipe)?;
        archive.write_all(kept).map_err(|_| Broken::Pipe)?;
        let rest = size - kept.len() as u64;
        let copied = copy(&mut file, rest, archive, kept)?;
        if copied == rest { Ok(size) } else { Err(unreadable(&file, io::ErrorKind::UnexpectedEof.into())) }
    }
}

/// Copies up to `rest` bytes of a file that was too large to be kept; `kept` is only room.
fn copy<E>(
    file: &mut NewFile,
    rest: u64,
    archive: &mut TarWriter<&mut dyn Write>,
    kept: &mut Vec<u8>,
) -> Result<u64, Broken<E>> {
    let mut copied = 0;
    while copied < rest {
        kept.clear();
        let piece = file.content.by_ref().take((rest - copied).min(PIECE_BYTES)).read_to_end(kept);
        match piece.map_err(|error| unreadable(file, error))? {
            0 => break,
            count => copied += count as u64,
        }
        archive.write_all(kept).map_err(|_| Broken::Pipe)?;
    }
    Ok(copied)
}

fn unreadable<E>(file: &NewFile, source: io::Error) -> Broken<E> {
    Broken::Read(fs::Error { action: "read", path: file.origin.clone(), source }.into())
}
