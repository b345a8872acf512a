//! A WAL file handed out, to a PostgreSQL that recovers or to whoever asks.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Error, Server};
use crate::sys::Files;
use crate::sys::fs;
use crate::types::{WalName, WalSegment};
use crate::wal::{Archive, Form, Found, Outlet};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// The file.
    pub name: WalName,
    /// Whether a segment that PostgreSQL has not completed will do.
    pub partial: bool,
    /// What it is sent as.
    pub form: Form,
}

/// How an answer that could be found was given.
#[derive(Debug)]
pub enum Answer {
    /// All of it is where it was to go.
    Sent,
    /// There is no such file: all places were looked at.
    NotThere,
    /// It cannot go where it was to.
    NoPlace {
        /// The file that was to be made.
        path: PathBuf,
        /// Why it was not.
        source: fs::Error,
    },
}

/// Sends a file to `out`.
pub fn send(server: &Server<'_>, request: Request, out: &mut dyn Write) -> Result<Answer, Error> {
    let archive = server.archive();
    let Some(found) = outlet(server, &archive)?.find(request.name, request.partial)? else {
        return Ok(Answer::NotThere);
    };
    tracing::info!("Sending WAL '{}' for server '{}' to standard output", request.name, server.name());
    found.send(request.form, out, Path::new("standard output"))?;
    Ok(Answer::Sent)
}

/// Puts a file into `directory`, under its own name; it appears there when it is complete.
pub fn save(server: &Server<'_>, request: Request, directory: &Path) -> Result<Answer, Error> {
    let archive = server.archive();
    let Some(found) = outlet(server, &archive)?.find(request.name, request.partial)? else {
        return Ok(Answer::NotThere);
    };
    let path = directory.join(request.name.to_string());
    let temporary = fs::temporary_beside(&path);
    let files = &server.context.files;
    let file = match files.create(&temporary) {
        Ok(file) => file,
        Err(source) => return Ok(Answer::NoPlace { path, source }),
    };
    server.info(format!(
        "Sending WAL '{}' for server '{}' into '{}' file",
        found.path().file_name().unwrap_or_default().to_string_lossy(),
        server.name(),
        path.display()
    ));
    let saved = write(files, found, request.form, (&file, &temporary), &path);
    if saved.is_err() {
        let _ = files.remove_file_if_exists(&temporary);
    }
    saved.map(|()| Answer::Sent)
}

fn write(
    files: &Files,
    found: Found<'_>,
    form: Form,
    (file, temporary): (&fs::File, &Path),
    path: &Path,
) -> Result<(), Error> {
    found.send(form, &mut files.writer(file, temporary), temporary)?;
    files.sync(file, temporary)?;
    files.rename(temporary, path)?;
    Ok(files.sync_dir(fs::parent(path))?)
}

/// The complete segments from `first` on that are there without a gap, at most `limit`.
pub fn peek(server: &Server<'_>, first: WalSegment, limit: usize) -> Result<Vec<WalSegment>, Error> {
    let archive = server.archive();
    Ok(outlet(server, &archive)?.run_from(first, limit)?)
}

/// The places where WAL of a server can be.
pub(super) fn outlet<'a>(server: &Server<'_>, archive: &'a Archive) -> Result<Outlet<'a>, Error> {
    let config = server.config;
    if let Some((option, address)) = config.object_stores().find(|(option, _)| *option == "wals_directory") {
        return Err(Error::refused(format!(
            "Cannot retrieve WAL file for server '{}' because it is configured with a cloud object storage. WAL \
             retrieval is only supported for local storages. ({option} = {address})",
            server.name()
        )));
    }
    Ok(Outlet::new(archive, config.incoming_wals_directory(), config.streaming_wals_directory()))
}
