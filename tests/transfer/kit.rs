//! What these tests stand on: directories of their own, and a real sshd on loopback.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use barman::sys::{Cancel, Context, Events, Progress, Severity};
use barman::transfer::{Endpoint, SshCommand};
use tempfile::TempDir;

/// An sshd that lets our own user in with a key, and ends with the test program, however that ends.
pub struct Sshd {
    dir: TempDir,
    port: u16,
    guard: Child,
}

impl Sshd {
    /// The one that all tests share who need nothing special.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Sshd> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(""))
    }

    /// One of the test's own, with `extra` lines of sshd_config.
    ///
    /// `TEST_REMOTE_PATH` in the environment is the search path of the other side: with another version of rsync
    /// in it, and perhaps one more in front of our own `PATH`, all tests run with these.
    pub fn start(extra: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        for name in ["host_key", "key"] {
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &path(name)]);
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let remote_path = std::env::var("TEST_REMOTE_PATH");
        let set_env = remote_path.map(|path| format!("SetEnv PATH={path}")).unwrap_or_default();
        let (host_key, keys) = (path("host_key"), path("key.pub"));
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {host_key}\nAuthorizedKeysFile {keys}\nPidFile none\n\
             UsePAM no\nStrictModes no\nPasswordAuthentication no\nMaxStartups 100\n{extra}\n{set_env}\n"
        );
        fs::write(path("sshd_config"), config).unwrap();
        fs::write(
            path("known_hosts"),
            format!("[127.0.0.1]:{port} {}", fs::read_to_string(path("host_key.pub")).unwrap()),
        )
        .unwrap();
        // Started as root it wants this directory; to anybody else it does not matter.
        let _ = fs::create_dir_all("/run/sshd");
        let until_closed = r#""$@" 2>/dev/null & read _; kill $!; rm -rf "$0""#;
        let guard = Command::new("sh")
            .args(["-c", until_closed, &path(""), "/usr/sbin/sshd", "-D", "-e", "-f", &path("sshd_config")])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        eventually("sshd answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { dir, port, guard }
    }

    /// The `ssh_command` that gets in.
    pub fn command(&self) -> String {
        let dir = self.dir.path().display();
        format!(
            "ssh -F none -p {} -i {dir}/key -o UserKnownHostsFile={dir}/known_hosts -o LogLevel=ERROR 127.0.0.1",
            self.port
        )
    }

    pub fn ssh(&self) -> SshCommand {
        SshCommand::parse(&self.command()).unwrap()
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Ssh(self.ssh())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        self.guard.wait().unwrap();
    }
}

pub fn run(program: &str, args: &[&str]) {
    assert!(Command::new(program).args(args).status().unwrap().success(), "{program} {args:?}");
}

/// Waits until `condition` holds, and fails the test when it does not.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it never came true that {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The processes whose command line mentions `path`, on this host and, it being the same one, on the other.
pub fn processes_mentioning(path: &Path) -> Vec<String> {
    let text = path.display().to_string();
    let ids = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let lines = ids.filter_map(|process| fs::read(process.join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&text))
        .collect()
}

/// Keeps what it is told.
#[derive(Default)]
pub struct Listener {
    pub said: Mutex<Vec<String>>,
    pub progress: Mutex<Vec<(String, u64, Option<u64>)>>,
}

impl Events for Listener {
    fn say(&self, severity: Severity, text: &str) {
        self.said.lock().unwrap().push(format!("{severity:?}: {text}"));
    }

    fn progress(&self, progress: Progress<'_>) {
        let Progress { phase, bytes, total_bytes } = progress;
        self.progress.lock().unwrap().push((phase.into(), bytes, total_bytes));
    }
}

pub fn context() -> Context {
    listened().0
}

pub fn listened() -> (Context, Arc<Listener>) {
    let listener = Arc::new(Listener::default());
    (Context::new(listener.clone(), Cancel::default()), listener)
}

/// A directory of the test's own.
pub struct Dir(TempDir);

impl Dir {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.path().join(name.as_ref())
    }

    /// A program that takes the place of `name` in the directory it gives: a shell script in which `$real` is
    /// the program itself.
    pub fn stand_in(&self, name: &str, script: &str) -> String {
        let dir = self.join(format!("stand-in-{name}"));
        fs::create_dir_all(&dir).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let real =
            std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file()).unwrap();
        write(&dir.join(name), format!("#!/bin/sh\nreal={}\n{script}\n", real.display()));
        set_mode(&dir.join(name), 0o755);
        dir.display().to_string()
    }
}

/// Writes a file, making its directories.
pub fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Sets the time of the last change, in seconds and nanoseconds since 1970.
pub fn set_modified(path: &Path, secs: u64, nanos: u32) {
    let at = SystemTime::UNIX_EPOCH + Duration::new(secs, nanos);
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(at)).unwrap();
}

pub fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

/// Bytes that do not compress and differ for each `seed`.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

/// What is at a path: a directory, or a file with its size, a hash of its content and the second of its last
/// change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Directory { mode: u32 },
    File { mode: u32, modified_secs: i64, size: u64, hash: u64 },
    Link(PathBuf),
    Other,
}

/// Everything in a tree, the root itself included.
pub fn tree(root: &Path) -> BTreeMap<PathBuf, Node> {
    let mut nodes = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let mode = metadata.mode() & 0o7777;
        let node = if metadata.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            Node::Directory { mode }
        } else if metadata.is_file() {
            let mut hasher = DefaultHasher::new();
            fs::read(&path).unwrap().hash(&mut hasher);
            Node::File { mode, modified_secs: metadata.mtime(), size: metadata.len(), hash: hasher.finish() }
        } else if metadata.is_symlink() {
            Node::Link(fs::read_link(&path).unwrap())
        } else {
            Node::Other
        };
        nodes.insert(path.strip_prefix(root).unwrap().to_owned(), node);
    }
    nodes
}

/// The paths in a tree.
pub fn names(root: &Path) -> Vec<String> {
    tree(root).into_keys().map(|path| path.display().to_string()).collect()
}
