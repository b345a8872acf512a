//! Where programs are, and who runs them.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::{env, fmt};

use nix::unistd::{Uid, User, initgroups, setgid, setuid};
use tempfile::TempDir;

/// The PostgreSQL programs that serve all versions: psql, pgbench.
const DEBIAN_BIN: &str = "/usr/lib/postgresql/15/bin";

/// A PostgreSQL release that we test on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The oldest that can be installed; a server without client programs.
    V10,
    /// The last one with exclusive backups.
    V14,
    /// Debian's.
    V15,
    /// The newest.
    V18,
}

impl Version {
    /// The major version number.
    pub fn major(self) -> u32 {
        match self {
            Self::V10 => 10,
            Self::V14 => 14,
            Self::V15 => 15,
            Self::V18 => 18,
        }
    }

    /// A program of this version's server.
    pub fn server_program(self, name: &str) -> PathBuf {
        match self {
            Self::V15 => found(Path::new(DEBIAN_BIN).join(name)),
            Self::V10 | Self::V14 | Self::V18 => tool(&format!("postgresql-{}/bin/{name}", self.major())),
        }
    }

    /// Where this version's programs look for shared libraries, when that is not where the system has them.
    pub fn library_path(self) -> Option<PathBuf> {
        (self == Self::V10).then(|| tool("postgresql-10/lib"))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL {}", self.major())
    }
}

/// psql and its companions, which speak with servers of all versions.
pub fn client_program(name: &str) -> PathBuf {
    found(Path::new(DEBIAN_BIN).join(name))
}

/// The program under test: ours, or the one that `BARMAN_BIN` names.
pub fn barman() -> PathBuf {
    found(
        env::var_os("BARMAN_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_barman")), PathBuf::from),
    )
}

/// Barman 3.19.1, in Python.
pub fn reference_barman() -> PathBuf {
    tool("barman-3.19.1/bin/barman")
}

/// A program of that installation.
pub fn reference_program(name: &str) -> PathBuf {
    tool(&format!("barman-3.19.1/bin/{name}"))
}

/// The exporter for Prometheus.
pub fn exporter() -> PathBuf {
    tool("barman-exporter-1.0.10/bin/barman-exporter")
}

/// A program of Debian's `barman-cli`, release 3.4.0.
pub fn debian_program(name: &str) -> PathBuf {
    found(Path::new("/usr/bin").join(name))
}

/// Whether the program under test is the Python one; where we promise more than it, a story may have to stop.
pub fn testing_the_reference() -> bool {
    let start = fs::read(barman()).unwrap();
    start.starts_with(b"#!") && start.windows(6).any(|word| word == b"python")
}

/// A directory on a disk of little room, for one test at a time.
pub struct SmallDisk {
    dir: TempDir,
    _turn: File,
}

impl SmallDisk {
    /// The disk that `tests/run.sh` made, when our turn comes; `None`, said aloud, where it could not make one.
    pub fn wait_for() -> Option<Self> {
        let Some(disk) = env::var_os("BARMAN_TEST_SMALL_DISK").map(PathBuf::from) else {
            eprintln!("SKIPPED: no small disk here; tests/run.sh makes one where it may mount a tmpfs");
            return None;
        };
        become_unprivileged();
        let turn = File::create(disk.join("turn")).unwrap();
        turn.lock().unwrap();
        Some(Self { dir: tempfile::tempdir_in(disk).unwrap(), _turn: turn })
    }

    /// A place on the disk.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn tool(path: &str) -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools");
    found(env::var_os("BARMAN_TEST_TOOLS").map_or_else(default, PathBuf::from).join(path))
}

fn found(path: PathBuf) -> PathBuf {
    assert!(
        path.exists(),
        "{} is not there, or closed to user '{}'; `bash tests/run.sh prepare` installs what tests need",
        path.display(),
        user()
    );
    path
}

/// Makes a program of a script.
pub fn write_program(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The name of the user we run as.
pub fn user() -> String {
    User::from_uid(Uid::effective()).unwrap().unwrap().name
}

/// Gives up root for good, for the whole process: PostgreSQL refuses root, and permissions mean nothing to it.
pub fn become_unprivileged() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if Uid::effective().is_root() {
            let user =
                User::from_name("postgres").unwrap().expect("the Debian package makes user 'postgres'");
            initgroups(c"postgres", user.gid).unwrap();
            setgid(user.gid).unwrap();
            setuid(user.uid).unwrap();
        }
    });
}

/// A TCP port of loopback that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
