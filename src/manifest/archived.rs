//! Manifests of files that are in tar archives.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use chrono::DateTime;

use super::checksum::{Algorithm, Checksum};
use super::generate::{self, Listed, WalRange};
use super::read::{self, Entry};
use super::spread::spread;
use super::tree::{is_left_out, is_never_listed};
use super::verify::{Place, Problem, Verdict, digest, tablespace_of, verify};
use super::{Error, Tree};
use crate::codec::{Member, MemberKind, for_each_member};
use crate::sys::{Cancel, Events, Progress, fs};
use crate::types::with_causes;

const CHUNK_BYTES: usize = 256 << 10;

/// An archive of a backup.
pub struct Archived<'a> {
    /// Its file.
    pub path: PathBuf,
    /// Where its files are in the data directory: nowhere deeper, or `pg_tblspc/<oid>`.
    pub place: PathBuf,
    /// The tar stream in it.
    pub open: Box<dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync + 'a>,
}

impl Archived<'_> {
    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().display().to_string()
    }

    /// Gives `visit` each file, by its name in the data directory, and whatever else is neither file nor directory.
    fn for_each(&self, mut visit: impl FnMut(PathBuf, Member<'_>) -> Result<(), Error>) -> Result<(), Error> {
        let damaged = |source| fs::Error { action: "read", path: self.path.clone(), source }.into();
        let input = (self.open)().map_err(damaged)?;
        for_each_member(input, damaged, |member| {
            let name = self.place.join(&member.name);
            // Before archives had a map of them, links stood for the tablespaces.
            let is_tablespace =
                member.kind == MemberKind::Link && tablespace_of(&name).as_ref() == Some(&name);
            if member.kind == MemberKind::Directory || is_tablespace {
                return Ok(());
            }
            visit(name, member)
        })
    }
}

/// Writes the manifest of the files in `archives` beside them, durably, by way of `temporary` on the same file system.
/// Gives the number of files in it. A crash leaves no manifest, or the whole one.
pub fn generate_archived(
    tree: &Tree,
    archives: &[Archived<'_>],
    wal: Option<WalRange>,
    temporary: &Path,
    events: &dyn Events,
) -> Result<u64, Error> {
    generate::write_durably(tree, wal, temporary, events, |put| {
        archives.iter().try_for_each(|archive| {
            let mut chunk = vec![0; CHUNK_BYTES];
            archive.for_each(|name, member| {
                if member.kind != MemberKind::File {
                    return Err(Error::NoFile(archive.path.join(name)));
                }
                if is_never_listed(&name) {
                    return Ok(());
                }
                let (bytes, modified) = (member.bytes, i64::try_from(member.modified_secs).unwrap_or(0));
                let checksum = checksum_of(member.content, Algorithm::Sha256, &mut chunk, tree.cancel());
                tree.cancel().check()?;
                let checksum = checksum.map_err(|source| fs::Error {
                    action: "read",
                    path: archive.path.clone(),
                    source,
                })?;
                let modified = DateTime::from_timestamp(modified, 0).unwrap_or_default();
                put(Listed { name, bytes, modified, checksum })
            })
        })
    })
}

fn checksum_of(
    content: &mut dyn Read,
    algorithm: Algorithm,
    chunk: &mut [u8],
    cancel: &Cancel,
) -> io::Result<String> {
    let mut sum = Checksum::new(algorithm);
    loop {
        cancel.check().map_err(io::Error::other)?;
        match content.read(chunk) {
            Ok(0) => return Ok(sum.finish()),
            Ok(count) => sum.update(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Compares the files in `archives` with the manifest beside them, `tree` being the directory of both: whether each is
/// there, and no other, with the size and the content that it had.
///
/// A manifest that lists the archives themselves, as Barman makes it, is taken at its word.
///
/// # Errors
/// When nothing can be said: the manifest is missing, damaged or none.
pub fn verify_archived(
    tree: &Tree,
    archives: &[Archived<'_>],
    events: &dyn Events,
) -> Result<Verdict, Error> {
    let (known, system_id) = Known::read(tree)?;
    let is_of_archives = |archive: &Archived<'_>| known.find(Path::new(&archive.name())).is_some();
    if archives.iter().any(is_of_archives) {
        return verify(tree, events);
    }
    let mut verdict = Verdict {
        files: known.files.len() as u64,
        system_id,
        tablespaces: known.tablespaces.clone(),
        ..Verdict::default()
    };
    let bytes = AtomicU64::new(0);
    let reading = Reading { known: &known, cancel: tree.cancel(), events, bytes: &bytes };
    let mut unread = BTreeSet::new();
    spread(
        |work| archives.iter().try_for_each(|archive| work.put(archive)),
        |archive| reading.read(archive).map(|found| (archive, found)),
        |(archive, found)| {
            found.problems.into_iter().for_each(|problem| verdict.add(Some(problem)));
            verdict.more_problems += found.more_problems;
            if let Some(error) = found.failure {
                verdict.add(Some(Problem::Unreadable(PathBuf::from(archive.name()), error)));
                unread.insert(archive.place.clone());
            }
            Ok(())
        },
    )?;
    known.tell_missing(tree, &unread, &mut verdict)?;
    verdict.problems.sort();
    Ok(verdict)
}

/// What the manifest says, without names: two that share their digest are not to be found.
struct Known {
    files: Vec<KnownFile>,
    tablespaces: BTreeSet<PathBuf>,
}

struct KnownFile {
    name: [u8; 16],
    bytes: u64,
    algorithm: Algorithm,
    /// Of the checksum as it is written.
    checksum: [u8; 16],
    is_found: AtomicBool,
}

impl Known {
    fn read(tree: &Tree) -> Result<(Self, Option<u64>), Error> {
        let (mut files, mut tablespaces) = (Vec::new(), BTreeSet::new());
        let system_id = read::read(tree, &mut |entry: Entry| {
            tablespaces.extend(tablespace_of(&entry.name));
            files.push(KnownFile {
                name: digest(entry.name.as_os_str().as_bytes()),
                bytes: entry.bytes,
                algorithm: entry.algorithm,
                checksum: digest(entry.checksum.as_bytes()),
                is_found: AtomicBool::new(false),
            });
            Ok(())
        })?;
        files.sort_unstable_by_key(|file| file.name);
        if files.windows(2).any(|pair| pair[0].name == pair[1].name) {
            let reason = "it lists a file twice".to_owned();
            return Err(Error::Malformed { path: tree.manifest(), reason });
        }
        Ok((Self { files, tablespaces }, system_id))
    }

    fn find(&self, name: &Path) -> Option<&KnownFile> {
        let name = digest(name.as_os_str().as_bytes());
        self.files.binary_search_by_key(&name, |file| file.name).ok().map(|at| &self.files[at])
    }

    /// Tells of the files that no archive has, apart from those whose archive could not be read to its end. Only now
    /// their names are needed, which the manifest has.
    fn tell_missing(
        &self,
        tree: &Tree,
        unread: &BTreeSet<PathBuf>,
        verdict: &mut Verdict,
    ) -> Result<(), Error> {
        if self.files.iter().all(|file| file.is_found.load(Ordering::Relaxed)) {
            return Ok(());
        }
        read::read(tree, &mut |entry| {
            let is_found = self.find(&entry.name).is_some_and(|file| file.is_found.load(Ordering::Relaxed));
            let part = tablespace_of(&entry.name).unwrap_or_default();
            if !is_found && !is_left_out(&entry.name) && !unread.contains(&part) {
                verdict.add(Some(Problem::Missing(entry.name)));
            }
            Ok(())
        })
        .map(drop)
    }
}

/// What there is to say of an archive.
#[derive(Default)]
struct Found {
    problems: Vec<Problem>,
    more_problems: u64,
    /// Why it was not read to its end.
    failure: Option<String>,
}

struct Reading<'a> {
    known: &'a Known,
    cancel: &'a Cancel,
    events: &'a dyn Events,
    bytes: &'a AtomicU64,
}

impl Reading<'_> {
    fn read(&self, archive: &Archived<'_>) -> Result<Found, Error> {
        let (mut verdict, mut chunk) = (Verdict::default(), vec![0; CHUNK_BYTES]);
        let read = archive.for_each(|name, mut member| {
            self.cancel.check()?;
            let bytes = member.bytes;
            verdict.add(self.judge(archive, name, &mut member, &mut chunk)?);
            let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
            self.events.progress(Progress { phase: "reading files", bytes, total_bytes: None });
            Ok(())
        });
        self.cancel.check()?;
        let failure = match read {
            Ok(()) => None,
            Err(Error::File(error)) => Some(with_causes(&error.source)),
            Err(error) => return Err(error),
        };
        Ok(Found { problems: verdict.problems, more_problems: verdict.more_problems, failure })
    }

    fn judge(
        &self,
        archive: &Archived<'_>,
        name: PathBuf,
        member: &mut Member<'_>,
        chunk: &mut [u8],
    ) -> Result<Option<Problem>, Error> {
        let place = || Place::Archive(archive.name());
        if is_left_out(&name) {
            return Ok(None);
        }
        if member.kind != MemberKind::File {
            return Ok(Some(Problem::NoFile(name)));
        }
        let Some(known) = self.known.find(&name) else {
            return Ok(Some(Problem::Extra(name, place())));
        };
        known.is_found.store(true, Ordering::Relaxed);
        if member.bytes != known.bytes {
            return Ok(Some(Problem::Size { name, now: member.bytes, then: known.bytes, place: place() }));
        }
        if known.algorithm == Algorithm::None {
            return Ok(None);
        }
        let checksum = checksum_of(member.content, known.algorithm, chunk, self.cancel);
        let checksum =
            checksum.map_err(|source| fs::Error { action: "read", path: archive.path.clone(), source })?;
        let is_same = digest(checksum.as_bytes()) == known.checksum;
        Ok((!is_same).then(|| Problem::Checksum(name, place())))
    }
}

#[cfg(test)]
mod tests {
    use tar::{Builder, EntryType, Header};

    use super::*;
    use crate::sys::Files;
    use crate::sys::events::Silent;

    type Content<'a> = &'a [(&'a str, &'a str)];

    const DATA: Content<'_> = &[
        ("./PG_VERSION", "16\n"),
        ("base/1/112", "pages"),
        ("base/1/113", ""),
        ("pg_wal/archive_status/x", "nobody's"),
        ("postgresql.auto.conf", ""),
    ];
    const FAST: Content<'_> = &[("PG_16/1", "more pages")];

    fn tar(content: Content<'_>) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (name, text) in content {
            let mut header = Header::new_ustar();
            header.set_mtime(1_700_000_000);
            header.set_mode(0o600);
            header.set_size(text.len() as u64);
            builder.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    /// Archives, and what they were when their manifest was made.
    struct Backup(tempfile::TempDir);

    impl Backup {
        fn new() -> Self {
            let backup = Self(tempfile::tempdir().unwrap());
            let temporary = backup.0.path().join("temporary");
            let archives = backup.archives(tar(DATA), tar(FAST));
            let files = generate_archived(&backup.tree(), &archives, None, &temporary, &Silent).unwrap();
            assert_eq!(files, 5);
            backup
        }

        fn tree(&self) -> Tree {
            Tree::new(&Files::default(), &Cancel::default(), self.0.path().to_owned(), Vec::new())
        }

        fn archives(&self, data: Vec<u8>, fast: Vec<u8>) -> Vec<Archived<'static>> {
            let archived = |name: &str, place: &str, content: Vec<u8>| Archived {
                path: self.0.path().join(name),
                place: place.into(),
                open: Box::new(move || Ok(Box::new(io::Cursor::new(content.clone())))),
            };
            vec![archived("base.tar", "", data), archived("16387.tar", "pg_tblspc/16387", fast)]
        }

        fn problems(&self, data: Vec<u8>, fast: Vec<u8>) -> Vec<String> {
            let verdict = verify_archived(&self.tree(), &self.archives(data, fast), &Silent).unwrap();
            verdict.problems.iter().map(ToString::to_string).collect()
        }
    }

    #[test]
    fn archives_that_nobody_touched_hold_what_the_manifest_lists() {
        let backup = Backup::new();
        assert_eq!(backup.problems(tar(DATA), tar(FAST)), [""; 0]);
        let manifest = std::fs::read_to_string(backup.0.path().join("backup_manifest")).unwrap();
        assert!(manifest.contains("\"pg_tblspc/16387/PG_16/1\", \"Size\": 10"), "{manifest}");
        assert!(manifest.contains("2023-11-14 22:13:20 GMT") && !manifest.contains("pg_wal"), "{manifest}");
    }

    #[test]
    fn every_kind_of_change_in_an_archive_is_found() {
        let backup = Backup::new();
        let data = tar(&[("PG_VERSION", "17\n"), ("base/1/112", "many pages"), ("base/2/1", "new")]);
        let expected = [
            "\"base/1/113\" is present in the manifest but not on disk",
            "\"base/2/1\" is present in archive \"base.tar\" but not in the manifest",
            "\"base/1/112\" has size 10 in archive \"base.tar\" but size 5 in the manifest",
            "checksum mismatch for file \"PG_VERSION\" in archive \"base.tar\"",
        ];
        assert_eq!(backup.problems(data, tar(FAST)), expected);
    }

    #[test]
    fn of_an_archive_that_is_damaged_only_the_damage_is_told() {
        let backup = Backup::new();
        let cut = |archive: Vec<u8>, bytes| archive[..bytes].to_vec();
        let told = backup.problems(cut(tar(DATA), 1024), tar(FAST));
        assert_eq!(told, ["could not read file \"base.tar\": the archive is cut off"]);
        let told = backup.problems(tar(DATA), cut(tar(FAST), 515));
        assert_eq!(told, ["could not read file \"16387.tar\": the archive is cut off"]);
    }

    #[test]
    fn what_is_no_file_is_told() {
        let backup = Backup::new();
        let mut builder = Builder::new(tar(&DATA[..2])[..2048].to_vec());
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        for name in ["base/1/113", "pg_tblspc/16387"] {
            builder.append_link(&mut header, name, "/elsewhere").unwrap();
        }
        let told = backup.problems(builder.into_inner().unwrap(), tar(FAST));
        assert!(told.contains(&"\"base/1/113\" is not a file or directory".to_owned()), "{told:?}");
        assert!(!told.iter().any(|told| told.contains("pg_tblspc")), "{told:?}");
    }
}
