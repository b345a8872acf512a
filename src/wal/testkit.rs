//! A server's directories with files in them, for tests.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::{Archive, ArchivePaths, Error, IncomingSettings, IntakeReport, archive_incoming};
use crate::codec::{Codecs, Compression, Custom, Encoder, Format, Level};
use crate::sys::events::Silent;
use crate::sys::fs::Probe;
use crate::sys::{Cancel, Context, Files};
use crate::types::{SegmentSize, WalName};

/// Makes steps on files fail: all from one on, as after a crash, or a single one.
pub struct Faults {
    pub first: usize,
    pub last: usize,
    seen: AtomicUsize,
}

impl Faults {
    pub fn new(first: usize, last: usize) -> Arc<Self> {
        Arc::new(Self { first, last, seen: AtomicUsize::new(0) })
    }

    /// How many steps were tried.
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

impl Probe for Faults {
    fn before(&self, _: &'static str, _: &Path) -> io::Result<()> {
        let step = self.seen.fetch_add(1, Ordering::SeqCst);
        if (self.first..=self.last).contains(&step) { Err(io::Error::other("crashed")) } else { Ok(()) }
    }
}

pub struct Yard {
    pub dir: TempDir,
    pub context: Context,
    pub settings: IncomingSettings,
    pub custom: Custom,
}

impl Yard {
    pub fn new(compression: Option<Compression>) -> Self {
        // In memory where possible: hundreds of simulated crashes sync thousands of files.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let settings = IncomingSettings {
            incoming_dir: dir.path().join("incoming"),
            errors_dir: dir.path().join("errors"),
            compression,
            level: Level::Low,
            recipient: None,
            batch_size: None,
            segment_size: None,
        };
        fs::create_dir(&settings.incoming_dir).unwrap();
        Self {
            context: Context::new(Arc::new(Silent), Cancel::default()),
            settings,
            dir,
            custom: Custom::default(),
        }
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub fn archive(&self) -> Archive {
        let paths = ArchivePaths {
            server: "main".into(),
            wals_dir: self.path("wals"),
            xlogdb: self.path("wals/main-xlog.db"),
            lock_dir: self.path("."),
        };
        Archive::new(&self.context, paths, Codecs::new(&self.context, self.custom.clone()))
    }

    /// Puts a file into `incoming` that came there two minutes ago.
    pub fn arrive(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.settings.incoming_dir.join(name);
        fs::write(&path, content).unwrap();
        let modified = SystemTime::now() - Duration::from_mins(2);
        fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
    }

    /// Does to the archive what the Python Barman does that is killed after the file and before its line.
    pub fn python_archives_and_is_killed(&self, name: &str) {
        fs::write(self.path(".main-xlogdb.lock"), "4711\n").unwrap();
        let path = self.archive().path_of(name.parse().unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "Python was killed here").unwrap();
    }

    /// Does what a program does that archives a file while it is still arriving.
    pub fn python_archives_the_beginning(&self, name: &str, beginning: &[u8], format: Option<Format>) {
        self.python_archives_and_is_killed(name);
        let content = match format {
            Some(format) => {
                let mut encoder = Encoder::new(Vec::new(), format, Level::Low).unwrap();
                encoder.write_all(beginning).unwrap();
                encoder.finish().unwrap()
            }
            None => beginning.to_owned(),
        };
        fs::write(self.archive().path_of(name.parse().unwrap()), content).unwrap();
    }

    pub fn run(&self) -> Result<IntakeReport, Error> {
        archive_incoming(&self.context, &self.archive(), &self.settings, None, &mut |_| {})
    }

    /// As `run`, with the world failing as `faults` says.
    pub fn run_with(&mut self, faults: Arc<Faults>) -> Result<IntakeReport, Error> {
        let sound = std::mem::replace(&mut self.context.files, Files::probed(faults));
        let result = self.run();
        self.context.files = sound;
        result
    }

    /// The lines of xlog.db.
    pub fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("wals/main-xlog.db")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The names in xlog.db, in order.
    pub fn listed(&self) -> Vec<String> {
        self.lines().iter().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    }

    /// The names of visible files in a directory, sorted.
    pub fn names(&self, relative: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(relative)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    }

    /// The content of an archived file, decompressed; `None` when it is not there.
    pub fn archived(&self, name: &str) -> Option<Vec<u8>> {
        let name: WalName = name.parse().unwrap();
        let (archive, mut content) = (self.archive(), Vec::new());
        archive.contains(name).unwrap().then(|| {
            archive.read(name).unwrap().read_to_end(&mut content).unwrap();
            content
        })
    }
}

/// A segment of a mebibyte with the first page that PostgreSQL 15 gives it, and `fill` in the rest.
pub fn segment(fill: u8) -> Vec<u8> {
    let mut content = vec![fill; 1 << 20];
    content[..40].copy_from_slice(
        b"\x10\xd1\x07\0\x01\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\
          \x4d\x0b\x6b\x5a\x1c\x3d\x02\x6b\0\0\x10\0\0\x20\0\0",
    );
    content
}

pub fn mebibyte() -> SegmentSize {
    SegmentSize::new(1 << 20).unwrap()
}
