use std::io::{self, Read, Write};
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::send::Times;
use super::{Error, RemoteHost};
use crate::codec::{Member, MemberKind};
use crate::sys::Finished;
use crate::sys::process::NOT_CONNECTED;
use crate::transfer::ssh;

/// What takes the members of an archive, one by one.
pub type TakeMember<'a, E> = dyn FnMut(Member<'_>) -> Result<(), E> + 'a;

/// Gives the members of an archive, all of them anew each time it is called. An error of a content is told by what gave
/// it, whatever is made of it on the way.
pub type EachMember<'a, E> = dyn Fn(&mut TakeMember<'_, E>) -> Result<(), E> + Sync + 'a;

/// How the sending of an archive ended.
enum End<E> {
    Whole,
    /// The other side takes no more: its exit code tells why.
    Broken,
    /// There are no more members to be had.
    Failed(E),
}

impl RemoteHost {
    /// Writes the files and directories that `members` gives below the directory `dir`, in place of those that have
    /// their names. The `tar` that unpacks them there gets an archive of ours, with plain files under safe names.
    ///
    /// A file appears under its name while it is being written, and is not synced. When the connection is lost, another
    /// attempt begins with the first member.
    pub fn unpack_members<E: From<Error> + Send>(
        &self,
        dir: &Path,
        members: &EachMember<'_, E>,
    ) -> Result<(), E> {
        self.retrying("tar", || {
            let mut end = End::Broken;
            let finished = self.unpack(dir, Times::OfArchive, &mut |out| {
                end = self.pack(out, members);
                if matches!(end, End::Whole) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
            })?;
            let action = "write files into";
            match end {
                End::Whole => self.judge(action, dir, &finished).map(Ok),
                End::Failed(error) => Ok(Err(error)),
                End::Broken => {
                    // Success is out of the question, whatever the exit code says.
                    let code = if finished.success() { NOT_CONNECTED } else { finished.code };
                    self.judge(action, dir, &Finished { code, ..finished }).map(Ok)
                }
            }
        })?
    }

    fn pack<E: From<Error>>(&self, out: &mut dyn Write, members: &EachMember<'_, E>) -> End<E> {
        let (mut archive, mut is_broken) = (Builder::new(out), false);
        let packed = members(&mut |member| {
            add(&mut archive, member).map_err(|failure| {
                is_broken = failure == Failure::Pipe;
                let (command, stderr) = (self.ssh.to_string(), String::new());
                Error::from(ssh::Error::NotConnected { command, stderr }).into()
            })
        });
        match packed {
            Err(_) if is_broken => End::Broken,
            Err(error) => End::Failed(error),
            Ok(()) => archive.into_inner().map_or(End::Broken, |_| End::Whole),
        }
    }
}

/// Why a member is not in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// The archive takes no more.
    Pipe,
    /// The content cannot be read.
    Content,
}

fn add(archive: &mut Builder<&mut dyn Write>, member: Member<'_>) -> Result<(), Failure> {
    let mut header = Header::new_gnu();
    let kind = match member.kind {
        MemberKind::Directory => EntryType::Directory,
        MemberKind::File => EntryType::Regular,
        // Nothing else is sent.
        MemberKind::Link | MemberKind::Special => return Ok(()),
    };
    header.set_entry_type(kind);
    header.set_mode(member.mode);
    header.set_mtime(member.modified_secs);
    header.set_size(member.bytes);
    let mut content = Noting { content: member.content, has_failed: false };
    archive
        .append_data(&mut header, member.name, &mut content)
        .map_err(|_| if content.has_failed { Failure::Content } else { Failure::Pipe })
}

/// Remembers whether it was reading that failed.
struct Noting<'a> {
    content: &'a mut dyn Read,
    has_failed: bool,
}

impl Read for Noting<'_> {
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        self.content
            .read(chunk)
            .inspect_err(|error| self.has_failed = error.kind() != io::ErrorKind::Interrupted)
    }
}
