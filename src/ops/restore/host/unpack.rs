//! Unpacking an archive on this host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::EachMember;
use crate::codec::{Member, MemberKind};
use crate::ops::Error;
use crate::sys::Context;
use crate::sys::fs::{PathContext, parent};

const CHUNK_BYTES: usize = 256 << 10;

/// Writes the files and directories that `members` gives below the directory `dir`, in place of those that have their
/// names. They are not synced.
pub fn unpack(context: &Context, dir: &Path, members: &EachMember<'_, Error>) -> Result<(), Error> {
    let (chunk, made) = (vec![0; CHUNK_BYTES], dir.to_owned());
    let mut unpacking = Unpacking { context, dir, chunk, made, modes: BTreeMap::new() };
    members(&mut |member| unpacking.take(member))?;
    // Only now: into some directories nothing could be written any more.
    unpacking.modes.iter().rev().try_for_each(|(path, mode)| Ok(context.files.set_mode(path, *mode)?))
}

struct Unpacking<'a> {
    context: &'a Context,
    dir: &'a Path,
    chunk: Vec<u8>,
    /// The directory that was written to last: it is there.
    made: PathBuf,
    modes: BTreeMap<PathBuf, u32>,
}

impl Unpacking<'_> {
    fn take(&mut self, mut member: Member<'_>) -> Result<(), Error> {
        let path = self.dir.join(&member.name);
        match member.kind {
            MemberKind::Directory => {
                self.context.files.create_dir_all(&path)?;
                self.context.files.set_mode(&path, 0o700)?;
                self.modes.insert(path, member.mode);
                Ok(())
            }
            MemberKind::File => self.write(&path, &mut member),
            // Nothing else is made.
            MemberKind::Link | MemberKind::Special => Ok(()),
        }
    }

    fn write(&mut self, path: &Path, member: &mut Member<'_>) -> Result<(), Error> {
        let files = &self.context.files;
        if self.made != parent(path) {
            parent(path).clone_into(&mut self.made);
            files.create_dir_all(&self.made)?;
        }
        // What another attempt has left may be readable only.
        files.remove_file_if_exists(path)?;
        let file = files.create_new(path, 0o600)?;
        loop {
            let count = member.content.read(&mut self.chunk).at("unpack", path)?;
            if count == 0 {
                break;
            }
            files.write_all(&file, &self.chunk[..count], path)?;
        }
        files.set_mode(path, member.mode)?;
        // A time that the system does not know is not worth a restore that fails.
        let modified = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(member.modified_secs));
        Ok(files.set_modified(&file, modified.unwrap_or(SystemTime::UNIX_EPOCH), path)?)
    }
}
