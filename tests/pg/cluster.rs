//! A throw-away PostgreSQL cluster: initdb, a private port and socket directory, gone when dropped.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The directories with server programs that can be found, newest major last.
///
/// Those in `BARMAN_TEST_PG_BINDIRS` (colon-separated) and those of Debian's packages.
pub fn bindirs() -> Vec<PathBuf> {
    let named = std::env::var("BARMAN_TEST_PG_BINDIRS").unwrap_or_default();
    let named = named.split(':').filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let all = named.chain(debian.map(|version| version.path().join("bin")));
    let mut found: Vec<_> = all.filter(|dir| dir.join("postgres").exists()).collect();
    found.sort_by_key(|dir| major(dir));
    found
}

/// The server programs that Debian's stable release has, or the newest there are.
pub fn bindir() -> Option<PathBuf> {
    let mut all = bindirs();
    let preferred = all.iter().position(|dir| major(dir) == 15);
    preferred.map(|at| all.swap_remove(at)).or_else(|| all.pop())
}

fn major(bindir: &Path) -> u32 {
    let output = Command::new(bindir.join("postgres")).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split([' ', '.', '\n'])
        .find_map(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("version: {text}"))
}

pub struct Cluster {
    pub dir: TempDir,
    pub port: u16,
    pub major: u32,
    bindir: PathBuf,
}

impl Cluster {
    /// A running cluster with a superuser `postgres` who needs no password, and these further settings.
    pub fn start(bindir: &Path, settings: &str) -> Self {
        Self::start_with(bindir, settings, &[])
    }

    /// The same, with further arguments for initdb.
    pub fn start_with(bindir: &Path, settings: &str, initdb: &[&str]) -> Self {
        let cluster = Self::place(bindir);
        let data = cluster.data();
        let usual = ["-D", data.to_str().unwrap(), "-U", "postgres", "-A", "trust", "--no-sync"];
        cluster.run("initdb", &[&usual, initdb].concat());
        cluster.configure(&format!("fsync = off\nlisten_addresses = '127.0.0.1,::1'\n{settings}"));
        cluster.pg_ctl("start");
        cluster
    }

    /// A running standby of `primary`.
    pub fn standby_of(primary: &Self) -> Self {
        let cluster = Self::place(&primary.bindir);
        let source = format!("host=127.0.0.1 port={} user=postgres", primary.port);
        let data = cluster.data();
        cluster.run(
            "pg_basebackup",
            &["-D", data.to_str().unwrap(), "-d", &source, "-R", "-c", "fast", "--no-sync"],
        );
        cluster.configure("");
        cluster.pg_ctl("start");
        cluster
    }

    fn place(bindir: &Path) -> Self {
        let dir = TempDir::with_prefix("barman-pg").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Self { dir, port, major: major(bindir), bindir: bindir.into() };
        cluster.hand_over(cluster.dir.path());
        cluster
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    pub fn socket_dir(&self) -> &str {
        self.dir.path().to_str().unwrap()
    }

    fn configure(&self, settings: &str) {
        let path = self.data().join("postgresql.conf");
        let socket_dir = self.socket_dir();
        let own = format!("port = {}\nunix_socket_directories = '{socket_dir}'\n{settings}\n", self.port);
        fs::write(&path, fs::read_to_string(&path).unwrap() + &own).unwrap();
    }

    /// `start`, `stop`, `restart` or `reload`, waiting until it is done.
    pub fn pg_ctl(&self, action: &str) {
        let log = self.dir.path().join("log");
        let data = self.data();
        let paths = [data.to_str().unwrap(), log.to_str().unwrap()];
        self.run("pg_ctl", &["-D", paths[0], "-l", paths[1], "-m", "immediate", "-w", action]);
    }

    /// Puts a file beside the data, readable for the server only.
    pub fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        self.hand_over(&path);
        path
    }

    /// Makes a directory beside the data that the server may use.
    pub fn make_dir(&self, name: &str) {
        let path = self.dir.path().join(name);
        fs::create_dir(&path).unwrap();
        self.hand_over(&path);
    }

    /// Replaces pg_hba.conf, letting `postgres` in over the socket and 127.0.0.1 all the same.
    pub fn set_hba(&self, lines: &str) {
        let always =
            "local all postgres trust\nhost all postgres 127.0.0.1/32 trust\nlocal replication all trust\n";
        fs::write(self.data().join("pg_hba.conf"), format!("{always}{lines}\n")).unwrap();
        self.pg_ctl("reload");
    }

    /// The result of SQL as the superuser, fields separated by `|`.
    pub fn sql(&self, sql: &str) -> String {
        let output = self.psql().args(["-c", sql]).output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// psql as the superuser, ready for its last arguments.
    pub fn psql(&self) -> Command {
        let mut command = Command::new("psql");
        let target = format!("host={} port={} user=postgres dbname=postgres", self.socket_dir(), self.port);
        command.args(["-X", "-At", "-v", "ON_ERROR_STOP=1", "-d", &target]);
        command
    }

    fn run(&self, program: &str, args: &[&str]) {
        let mut command = Command::new(self.bindir.join(program));
        command.args(args).current_dir("/").env("LC_ALL", "C").env_remove("PGDATA");
        if let Some((uid, gid)) = server_account() {
            command.uid(uid).gid(gid);
        }
        let Output { status, stdout, stderr } = command.output().unwrap();
        let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(status.success(), "{program} {args:?}: {said}\n{log}");
    }

    fn hand_over(&self, path: &Path) {
        if let Some((uid, gid)) = server_account() {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.data().join("postmaster.pid").exists() {
            self.pg_ctl("stop");
        }
    }
}

/// Servers refuse to run as root: then they run as `postgres`.
fn server_account() -> Option<(u32, u32)> {
    if !nix::unistd::Uid::effective().is_root() {
        return None;
    }
    let account =
        nix::unistd::User::from_name("postgres").unwrap().expect("a user 'postgres' to run servers as");
    Some((account.uid.as_raw(), account.gid.as_raw()))
}

/// Waits until `condition` holds, for ten seconds at most.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
