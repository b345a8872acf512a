use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Change, EachMember, Host, NewFile, OpenFile, Place, Room, Survey, unreadable};
use crate::ops::restore::parallel;
use crate::ops::{Error, disk_use};
use crate::sys::fs::PathContext;
use crate::sys::{Context, env, fs, other_process, user};
use crate::transfer::Endpoint;
use crate::transfer::remote::real_place;

const CHUNK_BYTES: usize = 128 << 10;

/// This host.
pub(super) struct LocalHost<'a> {
    pub context: &'a Context,
    /// How many files are written at the same time.
    pub jobs: usize,
}

impl Host for LocalHost<'_> {
    fn ssh_command(&self) -> Option<&str> {
        None
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::Local
    }

    fn absolute(&self, path: &Path) -> Result<PathBuf, Error> {
        // Joining an absolute path gives that path.
        Ok(env::current_dir().at("find", path)?.join(path))
    }

    fn survey(&self, places: &[&Path]) -> Result<Survey, Error> {
        let places = places.iter().map(|place| self.look_at(place)).collect::<Result<_, _>>()?;
        Ok(Survey { user: user::current(), missing_programs: Vec::new(), places })
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.context.files.read_if_exists(path)?)
    }

    fn used_bytes(&self, dir: &Path) -> Result<u64, Error> {
        Ok(disk_use::measure(self.context, dir)?.bytes)
    }

    fn is_running(&self, process: u32) -> Result<bool, Error> {
        Ok(other_process::exists(process))
    }

    fn change(&self, changes: &[Change]) -> Result<(), Error> {
        changes.iter().try_for_each(|change| self.make(change))
    }

    fn replace(&self, path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
        let files = &self.context.files;
        files.replace_durably(path, content)?;
        Ok(files.set_mode(path, mode)?)
    }

    fn write(&self, dir: &Path, count: usize, open: &OpenFile<'_, Error>) -> Result<(), Error> {
        parallel::each(count, self.jobs, |number| {
            self.context.cancel.check()?;
            self.put(dir, open(number)?)
        })
    }

    fn unpack(&self, dir: &Path, _: u32, members: &EachMember<'_, Error>) -> Result<(), Error> {
        super::unpack(self.context, dir, members)
    }
}

impl LocalHost<'_> {
    fn look_at(&self, path: &Path) -> Result<Place, Error> {
        let files = &self.context.files;
        let existing = path.ancestors().find(|above| files.exists(above).is_ok_and(|exists| exists));
        let existing = existing.unwrap_or(Path::new("/"));
        let is_directory = files.is_dir(existing);
        let closed = is_directory.then(|| files.ensure_writable(existing)).and_then(Result::err);
        let is_here = is_directory && existing == path && closed.is_none();
        let entries = if is_here { files.list(path)? } else { Vec::new() };
        let is_hidden = |entry: &fs::Entry| entry.name.as_encoded_bytes().starts_with(b".");
        Ok(Place {
            path: path.into(),
            existing: existing.into(),
            real: real_place(path, existing, &files.real_path(existing)),
            is_directory,
            closed: closed.map(|error| error.source.to_string()),
            is_occupied: entries.iter().any(|entry| !is_hidden(entry)),
            holds_postgresql: entries.iter().any(|entry| entry.name.as_encoded_bytes().starts_with(b"PG_")),
            hidden: entries.into_iter().filter(is_hidden).map(|entry| entry.name).collect(),
            room: is_directory.then(|| self.room_at(existing)).transpose()?,
        })
    }

    fn room_at(&self, dir: &Path) -> Result<Room, fs::Error> {
        let files = &self.context.files;
        let file_system = files.metadata(dir)?.dev().to_string();
        Ok(Room { file_system, free_bytes: files.available_space(dir)? })
    }

    fn make(&self, change: &Change) -> Result<(), Error> {
        let files = &self.context.files;
        match change {
            Change::Directory(dir) if files.is_dir(dir) => {}
            Change::Directory(dir) => {
                files.create_dir_all(dir)?;
                files.set_mode(dir, 0o700)?;
            }
            Change::Private(dir) => files.set_mode(dir, 0o700)?,
            Change::Link { target, link } => {
                match files.symlink_metadata(link)? {
                    Some(found) if found.is_dir() => files.remove_tree(link)?,
                    Some(_) => files.remove_file(link)?,
                    None => {}
                }
                files.symlink(target, link)?;
            }
            Change::Rename { from, to } => {
                if files.exists(from)? {
                    files.rename(from, to)?;
                }
            }
            Change::Remove(path) => {
                if files.exists(path)? {
                    files.remove_durably(path)?;
                }
            }
            Change::Empty(dir) => {
                let entries = if files.is_dir(dir) { files.list(dir)? } else { Vec::new() };
                for entry in entries {
                    match entry.metadata.is_dir() {
                        true => files.remove_tree(&entry.path)?,
                        false => files.remove_file(&entry.path)?,
                    }
                }
            }
            Change::Sync(path) => files.sync_filesystem(path)?,
        }
        Ok(())
    }

    fn put(&self, dir: &Path, mut file: NewFile) -> Result<(), Error> {
        let (files, target) = (&self.context.files, dir.join(&file.name));
        // What the backup has there may be readable only.
        files.remove_file_if_exists(&target)?;
        let out = files.create_new(&target, file.mode)?;
        files.set_mode(&target, file.mode)?;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = file.content.read(&mut chunk).map_err(|error| unreadable(error, &file.origin))?;
            if count == 0 {
                break;
            }
            (&out).write_all(&chunk[..count]).at("write", &target)?;
        }
        tracing::debug!("wrote '{}'", target.display());
        Ok(())
    }
}
