use std::cell::Cell;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType};

/// Headers and contents fill blocks.
const BLOCK_BYTES: u64 = 512;

/// How GNU tar marks a file of which only the parts that are not zero are stored, in a form that we do not read. The
/// older form, which it uses by default, we do.
const SPARSE_MARK: &[u8] = b"GNU.sparse.";

/// What a tar archive holds under one name.
pub struct Member<'a> {
    /// Its name, which leads nowhere but below the directory that the archive is unpacked in.
    pub name: PathBuf,
    /// What it is.
    pub kind: MemberKind,
    /// Its permissions.
    pub mode: u32,
    /// When it was changed, in seconds of Unix time.
    pub modified_secs: u64,
    /// The size of a file.
    pub bytes: u64,
    /// The content of a file. When it ends before its size, that is an error.
    pub content: &'a mut dyn Read,
}

/// What a member can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// A file with a content of its own.
    File,
    /// A directory.
    Directory,
    /// A link to something that has another name.
    Link,
    /// A device and the like.
    Special,
}

/// Gives `visit` each member of the tar archive that `input` is, in their order; what it leaves of a content is passed
/// over. `input` is read to its end, so that whoever makes it can tell of damage.
///
/// # Errors
/// What `visit` returns; what `damaged` makes of the reason when the archive cannot be read, when it is cut off, or
/// when a name would lead out of the directory.
pub fn for_each_member<E>(
    input: impl Read,
    damaged: impl Fn(io::Error) -> E,
    mut visit: impl FnMut(Member<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let position = Cell::new(0);
    let mut archive = Archive::new(Counted { input, position: &position });
    let mut end = 0;
    for entry in archive.entries().map_err(&damaged)? {
        let mut entry = entry.map_err(&damaged)?;
        end = entry.raw_file_position().saturating_add(stored_bytes(&entry).map_err(&damaged)?);
        let Some((name, kind)) = identify(&mut entry).map_err(&damaged)? else { continue };
        let bytes = if kind == MemberKind::File { entry.size() } else { 0 };
        let mode = entry.header().mode().map_err(&damaged)? & 0o777;
        let modified_secs = entry.header().mtime().map_err(&damaged)?;
        let mut content = Whole { missing_bytes: bytes, entry: &mut entry };
        visit(Member { name, kind, mode, modified_secs, bytes, content: &mut content })?;
    }
    // An archive ends with blocks of zeros; without one, nobody knows what would have come.
    if position.get() < end.saturating_add(BLOCK_BYTES) {
        return Err(damaged(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off")));
    }
    io::copy(&mut archive.into_inner(), &mut io::sink()).map(drop).map_err(damaged)
}

/// What the content takes in the archive; more than that when it is sparse.
fn stored_bytes(entry: &Entry<'_, impl Read>) -> io::Result<u64> {
    let bytes = match entry.header().entry_type() {
        EntryType::GNUSparse => entry.header().entry_size()?,
        _ => entry.size(),
    };
    Ok(bytes.checked_next_multiple_of(BLOCK_BYTES).unwrap_or(u64::MAX))
}

/// Name and kind of a member; `None` for the directory itself that all is in, and for remarks on the archive.
fn identify(entry: &mut Entry<'_, impl Read>) -> io::Result<Option<(PathBuf, MemberKind)>> {
    let path = entry.path()?.into_owned();
    let is_called_directory = path.as_os_str().as_bytes().ends_with(b"/");
    let kind = match entry.header().entry_type() {
        EntryType::XGlobalHeader => return Ok(None),
        EntryType::Directory => MemberKind::Directory,
        // So directories were stored before there was a type for them.
        EntryType::Regular if is_called_directory => MemberKind::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => MemberKind::File,
        EntryType::Symlink | EntryType::Link => MemberKind::Link,
        _ => MemberKind::Special,
    };
    let name = safe_name(&path)?;
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            if extension?.key_bytes().starts_with(SPARSE_MARK) {
                return Err(invalid(format!(
                    "'{}' is stored without its zeros in a form that is not read here; unpack the archive with GNU tar",
                    path.display()
                )));
            }
        }
    }
    Ok(Some((name, kind)).filter(|(name, _)| !name.as_os_str().is_empty()))
}

fn safe_name(path: &Path) -> io::Result<PathBuf> {
    let mut name = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(part) => name.push(part),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(invalid(format!("the name '{}' leads out of the archive", path.display())));
            }
        }
    }
    Ok(name)
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// The archive, and how much of it was read.
struct Counted<'a, R> {
    input: R,
    position: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(chunk)?;
        self.position.set(self.position.get() + count as u64);
        Ok(count)
    }
}

/// A content that ends where its size says.
struct Whole<'a, 'b, R: Read> {
    entry: &'a mut Entry<'b, R>,
    missing_bytes: u64,
}

impl<R: Read> Read for Whole<'_, '_, R> {
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        let count = self.entry.read(chunk)?;
        if count == 0 && self.missing_bytes > 0 && !chunk.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off"));
        }
        self.missing_bytes = self.missing_bytes.saturating_sub(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use proptest::prelude::*;
    use tar::{Builder, Header};

    use super::*;

    type Found = (String, MemberKind, u32, Vec<u8>);

    fn members(archive: &[u8]) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for_each_member(
            archive,
            |error| error,
            |member| {
                let mut content = Vec::new();
                member.content.read_to_end(&mut content)?;
                assert_eq!(content.len() as u64, member.bytes);
                found.push((member.name.display().to_string(), member.kind, member.mode, content));
                Ok(())
            },
        )?;
        Ok(found)
    }

    /// An archive of GNU tar with all that it knows to store.
    fn by_tar(options: &[&str]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let long = format!("{}/{}", "d".repeat(120), "n".repeat(140));
        fs::create_dir_all(at("empty")).unwrap();
        fs::create_dir_all(at(&"d".repeat(120))).unwrap();
        fs::write(at(&long), "long").unwrap();
        fs::write(at("file"), "content").unwrap();
        let sparse = fs::File::create(at("sparse")).unwrap();
        sparse.set_len(3 << 20).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"island", 1 << 20).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", at("link")).unwrap();
        let tar =
            Command::new("tar").args(options).args(["-cf", "-", "."]).current_dir(&dir).output().unwrap();
        assert!(tar.status.success());
        tar.stdout
    }

    #[test]
    fn whatever_form_tar_stores_it_in_the_members_are_the_same() {
        for options in [&["--format=gnu", "-S"][..], &["--format=gnu"], &["--format=pax"]] {
            let mut found = members(&by_tar(options)).unwrap();
            found.sort_by(|a, b| a.0.cmp(&b.0));
            let names: Vec<_> = found.iter().map(|(name, kind, ..)| (name.as_str(), *kind)).collect();
            let (dir, long) = ("d".repeat(120), format!("{}/{}", "d".repeat(120), "n".repeat(140)));
            let (file, directory) = (MemberKind::File, MemberKind::Directory);
            let expected = [
                (&dir[..], directory),
                (&long[..], file),
                ("empty", directory),
                ("file", file),
                ("link", MemberKind::Link),
                ("sparse", file),
            ];
            assert_eq!(names, expected, "{options:?}");
            let sparse = &found[5].3;
            assert_eq!(sparse.len(), 3 << 20, "{options:?}");
            assert!(sparse[1 << 20..].starts_with(b"island"));
            assert_eq!(sparse.iter().filter(|byte| **byte != 0).count(), 6);
        }
        let refused = members(&by_tar(&["--format=pax", "-S"])).unwrap_err().to_string();
        assert!(refused.contains("sparse' is stored without its zeros"), "{refused}");
    }

    #[test]
    fn an_archive_that_is_cut_off_anywhere_is_an_error() {
        let mut builder = Builder::new(Vec::new());
        for (name, content) in [("a", "one"), ("b", ""), ("c", "three")] {
            let mut header = Header::new_ustar();
            header.set_mode(0o640);
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        let archive = builder.into_inner().unwrap();
        assert_eq!(members(&archive).unwrap().len(), 3);
        let end = archive.len() - 1024;
        // One block of zeros is an end.
        assert_eq!(members(&archive[..end + 512]).unwrap().len(), 3);
        for len in (0..=end).step_by(256) {
            assert!(members(&archive[..len]).is_err(), "cut to {len} of {} bytes", archive.len());
        }
    }

    #[test]
    fn no_name_leads_out_of_the_directory() {
        let archive = |name: &[u8]| {
            let mut header = Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name);
            header.set_mode(0o644);
            header.set_size(0);
            header.set_cksum();
            [header.as_bytes(), &[0; 1024][..]].concat()
        };
        for name in [&b"/etc/passwd"[..], b"../up", b"a/../../up", b"a/.."] {
            assert!(members(&archive(name)).is_err(), "{}", name.escape_ascii());
        }
        assert_eq!(members(&archive(b"./a/./b")).unwrap()[0].0, "a/b");
        assert_eq!(members(&archive(b"./")).unwrap(), []);
        assert_eq!(members(&archive(b"old/")).unwrap()[0].1, MemberKind::Directory);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_without_panic(
            at in 0_usize..2048,
            noise in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut builder = Builder::new(Vec::new());
            let mut header = Header::new_gnu();
            header.set_size(700);
            builder.append_data(&mut header, "name", &[7; 700][..]).unwrap();
            let mut archive = builder.into_inner().unwrap();
            let end = (at + noise.len()).min(archive.len());
            archive[at.min(end)..end].copy_from_slice(&noise[..end - at.min(end)]);
            let _ = for_each_member(&archive[..], |error| error, |member| {
                io::copy(member.content, &mut io::sink()).map(drop)
            });
        }
    }
}
