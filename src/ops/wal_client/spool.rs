use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::download::ensure_whole;
use super::{Channel, Error, Remote};
use crate::codec::SegmentHeader;
use crate::sys::boot::boot_id;
use crate::sys::fs::{self, File, PathContext, read_head};
use crate::sys::{Context, Lock, user};
use crate::types::WalName;
use crate::wal::temporary_of;

/// How often somebody looks whether the file has come that another process fetches.
const GLANCE: Duration = Duration::from_millis(3);

/// How long one waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The directory where files lie that were fetched ahead.
///
/// Clusters of one host may share it, and so a file is only taken that the cluster itself has written: its data
/// directory, in which PostgreSQL runs us, tells. Nobody but our own user may put files there.
///
/// The disk is not waited for, since most files are gone before it has them. Instead, what was there before the machine
/// started is never used: a power cut may have taken parts of it.
pub struct Spool<'a> {
    context: &'a Context,
    dir: PathBuf,
    /// Held while files are fetched ahead.
    lock: PathBuf,
    /// Has the name that PostgreSQL asks for and did not find.
    asked: PathBuf,
    /// Of the cluster that asks, if it is one.
    data_dir: PathBuf,
}

impl<'a> Spool<'a> {
    /// Opens the directory, made when it is not there.
    ///
    /// # Errors
    /// When others may write to it, too.
    pub fn open(context: &'a Context, dir: &Path, remote: &Remote) -> Result<Self, fs::Error> {
        let files = &context.files;
        if !files.exists(dir)? {
            files.create_dir_all(dir)?;
            files.set_mode(dir, 0o700)?;
        }
        files.ensure_writable(dir)?;
        if !user::has_to_itself(&files.metadata(dir)?) {
            let other = io::Error::other("it belongs to another user, or others may write to it");
            return Err(other).at("trust", dir);
        }
        let name = format!("{}@{}", remote.server, remote.host).replace('/', "_");
        let spool = Self {
            context,
            dir: dir.to_owned(),
            lock: dir.join(format!(".{name}.lock")),
            asked: dir.join(format!(".{name}.asked")),
            data_dir: PathBuf::from("."),
        };
        spool.forget_before_boot()?;
        Ok(spool)
    }

    /// Removes the files, unless they have come since the machine was started. Should another process do so at the same
    /// time and remove what has come since, that is fetched again.
    fn forget_before_boot(&self) -> Result<(), fs::Error> {
        let (files, marker) = (&self.context.files, self.dir.join(".boot"));
        let boot = boot_id().unwrap_or_default();
        if files.read(&marker).is_ok_and(|of| of == boot.as_bytes()) {
            return Ok(());
        }
        for name in self.names()? {
            files.remove_file_if_exists(&self.path_of(name))?;
        }
        files.replace_durably(&marker, boot.as_bytes())
    }

    /// The WAL files that are there.
    fn names(&self) -> Result<Vec<WalName>, fs::Error> {
        let mut names = Vec::new();
        self.context.files.visit(&self.dir, |entry, _| {
            names.extend(entry.to_str().and_then(|entry| entry.parse::<WalName>().ok()));
        })?;
        Ok(names)
    }

    /// The connection that all who fetch into the directory share, where there can be one.
    pub fn channel(&self, remote: &Remote) -> Option<Channel> {
        Channel::new(&self.dir, remote)
    }

    /// Where a file lies, or would.
    pub fn path_of(&self, name: WalName) -> PathBuf {
        self.dir.join(name.to_string())
    }

    /// Whether the file is there.
    pub fn has(&self, name: WalName) -> bool {
        self.context.files.exists(&self.path_of(name)).unwrap_or(false)
    }

    /// How many files are there that come after `name`.
    pub fn ahead_of(&self, name: WalName) -> usize {
        let names = self.names().unwrap_or_default();
        names.into_iter().filter(|other| *other > name).count()
    }

    /// Removes the files of this cluster that come before `name` on its timeline: PostgreSQL is past them. It asks for
    /// some of them twice, and the second time they come from the other side.
    pub fn forget_before(&self, name: WalName) -> Result<(), Error> {
        let is_passed = |other: &WalName| *other < name && other.timeline() == name.timeline();
        for other in self.names()?.into_iter().filter(is_passed) {
            let path = self.path_of(other);
            if let Ok(mut file) = self.context.files.open(&path)
                && self.is_of_this_cluster(&mut file, &path)?
            {
                self.context.files.remove_file_if_exists(&path)?;
            }
        }
        Ok(())
    }

    /// The right to fetch ahead; `None` while another process does.
    pub fn lock(&self) -> Option<Lock> {
        Lock::try_acquire(&self.lock).ok().flatten()
    }

    /// Waits while another process fetches ahead and has not brought `name` yet. Gives the right to fetch ahead when
    /// it is free now.
    pub fn wait_for(&self, name: WalName) -> Result<Option<Lock>, Error> {
        let lock = self.lock();
        if lock.is_some() {
            return Ok(lock);
        }
        // Where the name cannot be left, the wait is longer.
        let files = &self.context.files;
        let left = files.create(&self.asked);
        let _ = left.and_then(|file| files.write_all(&file, name.to_string().as_bytes(), &self.asked));
        let waited = self.wait_for_another(name);
        let _ = files.remove_file_if_exists(&self.asked);
        waited
    }

    fn wait_for_another(&self, name: WalName) -> Result<Option<Lock>, Error> {
        let started = Instant::now();
        loop {
            let lock = self.lock();
            if lock.is_some() || self.has(name) || started.elapsed() > PATIENCE {
                return Ok(lock);
            }
            self.context.clock.sleep(GLANCE, &self.context.cancel)?;
        }
    }

    /// The name that PostgreSQL asks for and did not find.
    pub fn asked(&self) -> Option<WalName> {
        let text = self.context.files.read(&self.asked).ok()?;
        String::from_utf8(text).ok()?.parse().ok()
    }

    /// Moves a file to `target` when it is there, whole and of this cluster; tells whether.
    pub fn deliver(&self, name: WalName, target: &Path) -> Result<bool, Error> {
        let (files, path) = (&self.context.files, self.path_of(name));
        let Ok(mut file) = files.open(&path) else { return Ok(false) };
        if ensure_whole(name, &mut file, &path).is_err() {
            files.remove_file_if_exists(&path)?;
            return Ok(false);
        }
        if !self.is_of_this_cluster(&mut file, &path)? {
            return Ok(false);
        }
        if files.rename(&path, target).is_err() {
            // Another file system.
            let temporary = temporary_of(target);
            let copy = files
                .create(&temporary)
                .map_err(|error| Error::Destination { path: target.to_owned(), source: error.source })?;
            io::copy(&mut file, &mut files.writer(&copy, &temporary)).at("write", &temporary)?;
            files.rename(&temporary, target)?;
            files.remove_file_if_exists(&path)?;
        }
        Ok(true)
    }

    /// Whether the cluster in whose data directory we are has written the segment; yes where that cannot be told.
    fn is_of_this_cluster(&self, segment: &mut File, path: &Path) -> Result<bool, Error> {
        let head = read_head(segment.by_ref(), SegmentHeader::BYTES).at("read", path)?;
        io::Seek::rewind(segment).at("rewind", path)?;
        let Some(header) = SegmentHeader::parse(&head) else { return Ok(true) };
        let control = self.context.files.read(&self.data_dir.join("global/pg_control")).unwrap_or_default();
        let system_id = control.first_chunk().map(|first| u64::from_ne_bytes(*first));
        Ok(system_id.is_none_or(|system_id| system_id == header.system_id))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use super::*;
    use crate::sys::Cancel;
    use crate::sys::events::Silent;

    const NAME: &str = "0000000100000000000000A1";

    fn remote() -> Remote {
        let [host, user, server] = ["backup", "barman", "main"].map(str::to_owned);
        Remote { host, user, server, port: None, config: None, channel: None }
    }

    fn segment(system_id: u64) -> Vec<u8> {
        let mut segment = vec![0; 1 << 20];
        segment[..8].copy_from_slice(b"\x10\xd1\x07\0\x01\0\0\0");
        segment[24..32].copy_from_slice(&system_id.to_ne_bytes());
        segment[32..40].copy_from_slice(b"\0\0\x10\0\0\x20\0\0");
        segment
    }

    /// What becomes of `content` in the spool when the cluster 42 asks for it: whether it gets it, and whether it is
    /// still there.
    fn delivered(content: &[u8]) -> (bool, bool) {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::new(Arc::new(Silent), Cancel::default());
        let mut spool = Spool::open(&context, &dir.path().join("spool"), &remote()).unwrap();
        spool.data_dir = dir.path().join("data");
        fs::create_dir_all(spool.data_dir.join("global")).unwrap();
        fs::write(spool.data_dir.join("global/pg_control"), 42_u64.to_ne_bytes()).unwrap();
        let (name, target) = (NAME.parse().unwrap(), dir.path().join("target"));
        fs::write(spool.path_of(name), content).unwrap();
        let delivered = spool.deliver(name, &target).unwrap();
        assert_eq!(delivered, fs::read(&target).is_ok_and(|found| found == content));
        (delivered, spool.has(name))
    }

    #[test]
    fn a_file_is_taken_when_it_is_whole_and_of_the_cluster_that_asks() {
        assert_eq!(delivered(&segment(42)), (true, false));
        assert_eq!(delivered(&segment(43)), (false, true));
        assert_eq!(delivered(&segment(42)[..5000]), (false, false));
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::new(Arc::new(Silent), Cancel::default());
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = Spool::open(&context, dir.path(), &remote()).err().unwrap();
        assert!(error.source.to_string().contains("others may write"), "{error}");
    }

    #[test]
    fn files_that_postgresql_has_passed_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::new(Arc::new(Silent), Cancel::default());
        let spool = Spool::open(&context, &dir.path().join("spool"), &remote()).unwrap();
        let names =
            ["0000000100000000000000A0", NAME, "0000000100000000000000A2", "00000002000000000000000A"]
                .map(|name| name.parse::<WalName>().unwrap());
        for name in names {
            fs::write(spool.path_of(name), segment(42)).unwrap();
        }
        spool.forget_before(names[1]).unwrap();
        assert_eq!(names.map(|name| spool.has(name)), [false, true, true, true]);
        assert_eq!(spool.ahead_of(names[1]), 2);
    }

    #[test]
    fn what_was_there_before_the_machine_started_is_never_used() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::new(Arc::new(Silent), Cancel::default());
        let name: WalName = NAME.parse().unwrap();
        let open = || Spool::open(&context, dir.path(), &remote()).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        for marker in [None, Some("another start")] {
            marker.iter().for_each(|text| fs::write(dir.path().join(".boot"), text).unwrap());
            fs::write(dir.path().join(NAME), segment(42)).unwrap();
            assert!(!open().has(name), "{marker:?}");
        }
        fs::write(dir.path().join(NAME), segment(42)).unwrap();
        assert!(open().has(name));
    }
}
