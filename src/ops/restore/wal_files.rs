//! Putting the WAL of a restore where PostgreSQL will look for it, decoded.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::ops::{Error, Server};
use crate::types::{ByteSize, SegmentSize, WalName};
use crate::wal::{self, Archive};

/// Copies `names` from the archive into `directory` with `jobs` workers.
///
/// A segment that has not `segment_size` is an error: PostgreSQL would not read it, and some formats do not tell when
/// a file was cut off. The files are not synced one by one: the restore asks for all of them at its end.
pub fn provide(
    server: &Server<'_>,
    archive: &Archive,
    names: &[WalName],
    segment_size: SegmentSize,
    directory: &Path,
    jobs: usize,
) -> Result<(), Error> {
    let (next, done, failure) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(None));
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, names.len().max(1)) {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let copied = server.context.cancel.check().map_err(Error::from);
                    let provide = |()| provide_one(server, archive, *name, segment_size, directory);
                    if let Err(error) = copied.and_then(provide) {
                        // The others stop too: nothing is left for them to take.
                        next.store(names.len(), Ordering::Relaxed);
                        failure
                            .lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner)
                            .get_or_insert(error);
                        return;
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    tracing::info!("Provided {} of {} WAL files", done.into_inner(), names.len());
    failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).map_or(Ok(()), Err)
}

fn provide_one(
    server: &Server<'_>,
    archive: &Archive,
    name: WalName,
    segment_size: SegmentSize,
    directory: &Path,
) -> Result<(), Error> {
    let target: PathBuf = directory.join(name.to_string());
    let files = &server.context.files;
    let file = files.create(&target)?;
    files.set_mode(&target, 0o600)?;
    let bytes = archive.read(name)?.copy_to(&mut &file, &target)?;
    let expected = segment_size.bytes();
    if matches!(name, WalName::Segment(_)) && bytes != u64::from(expected) {
        let (server, path) = (server.name().to_owned(), archive.path_of(name));
        return Err(wal::Error::WrongLength { server, path, bytes, expected }.into());
    }
    tracing::debug!("Provided {name} ({})", ByteSize::from(bytes));
    Ok(())
}
