//! Asking the primary.

use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use super::ensure_passive;
use super::last_synced::LastSynced;
use super::primary_info::PrimaryInfo;
use crate::ops::{Error, Server};
use crate::sys::fs::{self, File, PathContext};
use crate::transfer::ssh;

/// The exit code of a `sync-info` that does not know the file we name.
const OUT_OF_SYNC: i32 = 1;

/// Asks the primary what there is behind `since`, keeps the answer as `primary.info`, and reads it.
pub fn refresh(server: &Server<'_>, since: Option<LastSynced>) -> Result<PrimaryInfo, Error> {
    let path = server.layout().primary_info();
    // One name, whoever asks: what a killed process has left is written over. The caller holds the lock of cron.
    let temporary = PathBuf::from(format!("{}.tmp", path.display()));
    let files = &server.context.files;
    let told = fetch(server, since, &temporary).and_then(|()| PrimaryInfo::read(server, &temporary));
    if told.is_err() {
        let _ = files.remove_file_if_exists(&temporary);
    }
    let told = told?;
    files.rename(&temporary, &path)?;
    files.sync_dir(fs::parent(&path))?;
    Ok(told)
}

fn fetch(server: &Server<'_>, since: Option<LastSynced>, path: &Path) -> Result<(), Error> {
    let files = &server.context.files;
    files.remove_file_if_exists(path)?;
    // A primary in Python tells its passwords, too.
    let file = files.create_new(path, 0o600)?;
    let last_wal = since.map(|since| since.name.to_string());
    let since = last_wal.as_deref().zip(since.map(|since| Some(since.position)));
    ask(server, since, || emptied(server, &file, path))?;
    Ok(files.sync(&file, path)?)
}

/// `sync-info --primary`: writes what the primary answers.
pub fn relay(
    server: &Server<'_>,
    last_wal: Option<&str>,
    last_position: Option<u64>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    ensure_passive(server)?;
    let files = &server.context.files;
    // Whether it is an answer at all is known at its end.
    let (file, path) = files.scratch()?;
    ask(server, last_wal.map(|name| (name, last_position)), || emptied(server, &file, &path))?;
    let mut answer = &file;
    answer.rewind().at("read", &path)?;
    io::copy(&mut answer, out).and_then(|_| out.flush()).map_err(Error::Output)
}

/// The open file `file`, of which nothing is left, to be written from its beginning.
fn emptied<'a>(server: &'a Server<'_>, file: &'a File, path: &'a Path) -> Result<fs::Writer<'a>, fs::Error> {
    let (files, mut position) = (&server.context.files, file);
    files.set_len(file, 0, path)?;
    position.rewind().at("write", path)?;
    Ok(files.writer(file, path))
}

/// Runs `sync-info` there, its answer going to what `out` opens. When the primary does not know where we are, as after a
/// rebuild of its list, it is asked for everything.
fn ask<W: Write>(
    server: &Server<'_>,
    since: Option<(&str, Option<u64>)>,
    out: impl Fn() -> Result<W, fs::Error>,
) -> Result<(), Error> {
    let Some(since) = since else { return ask_once(server, None, out()?).and_then(Refusal::into_result) };
    match ask_once(server, Some(since), out()?)? {
        Some(refusal) if refusal.code == OUT_OF_SYNC => {
            tracing::warn!("server '{}': the primary node says: {}", server.name(), refusal.stderr);
            server.warning(format!(
                "sync-info is out of sync. Self-recovery procedure started: requesting full synchronisation from primary \
                 server {}",
                server.name()
            ));
            ask_once(server, None, out()?).and_then(Refusal::into_result)
        }
        answered => Refusal::into_result(answered),
    }
}

/// How `sync-info` failed on the primary.
struct Refusal {
    code: i32,
    stderr: String,
    error: Error,
}

impl Refusal {
    fn into_result(refusal: Option<Self>) -> Result<(), Error> {
        refusal.map_or(Ok(()), |refusal| Err(refusal.error))
    }
}

fn ask_once(
    server: &Server<'_>,
    since: Option<(&str, Option<u64>)>,
    mut out: impl Write,
) -> Result<Option<Refusal>, Error> {
    let command = server.primary_ssh()?.remote(words(server, since));
    tracing::debug!("running {}", command.display());
    let finished = server
        .context
        .processes
        .stream(&command, &mut out, &server.context.cancel)
        .map_err(ssh::Error::from)?;
    if finished.success() {
        return Ok(None);
    }
    let (name, stderr) = (server.name(), finished.stderr_text());
    let error = Error::refused(format!(
        "sync-info execution on remote primary server {name} failed: {stderr}\nHINT: '{}' ended with code {}. Run it by \
         hand as this user.",
        command.display(),
        finished.code
    ));
    Ok(Some(Refusal { code: finished.code, stderr, error }))
}

/// The command there.
fn words(server: &Server<'_>, since: Option<(&str, Option<u64>)>) -> Vec<String> {
    let mut words = vec!["barman".to_owned()];
    if server.config.forward_config_path() {
        words.extend(["-c".to_owned(), server.global.config_file.display().to_string()]);
    }
    words.extend(["sync-info", server.name()].map(str::to_owned));
    if let Some((name, position)) = since {
        words.push(name.to_owned());
        // Barman takes no position 0, that of the only line there was; by the name it tells of what has a greater one.
        words.extend(position.filter(|position| *position > 0).map(|position| position.to_string()));
    }
    words
}
