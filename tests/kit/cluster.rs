//! A real PostgreSQL.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use super::program::{Outcome, PASSWORD, Program, Running};
use super::tools::{self, Version};
use super::{PATIENCE, eventually};

/// A data directory, and the server that runs on it while it does.
///
/// User `postgres` comes in through the unix socket without a password, user `barman` over TCP with [`PASSWORD`].
pub struct Cluster {
    version: Version,
    data: PathBuf,
    /// For sockets, logs and the homes of programs.
    run: PathBuf,
    port: u16,
    /// Further arguments of the server.
    pub options: Vec<String>,
    /// Variables of the server's environment.
    pub env: Vec<(&'static str, String)>,
    server: Option<Running>,
}

impl Cluster {
    /// Makes a new cluster in `dir`, with page checksums; it does not run yet. `options` go to initdb.
    pub fn create(version: Version, dir: &Path, options: &[&str]) -> Self {
        let cluster = Self::on(version, &dir.join("data"), dir);
        let password = dir.join("password");
        fs::write(&password, PASSWORD).unwrap();
        let (data, password) = (cluster.data.to_str().unwrap(), password.to_str().unwrap());
        cluster
            .server_program("initdb")
            .args(["-D", data, "-U", "postgres", "--pwfile", password, "-k", "-E", "UTF8", "--locale=C"])
            .args(["--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"])
            .args(options)
            .run()
            .ok();
        cluster.configure(
            "wal_level = replica\nmax_wal_senders = 3\nmax_connections = 30\nshared_buffers = 32MB\n\
             fsync = off\nhot_standby = on\ncheckpoint_timeout = 1h\nlog_line_prefix = '%m [%p] '\n",
        );
        cluster
    }

    /// The cluster in an existing data directory; `run` is a directory for its socket and log.
    pub fn on(version: Version, data: &Path, run: &Path) -> Self {
        fs::create_dir_all(run).unwrap();
        Self {
            version,
            data: data.into(),
            run: run.into(),
            port: 0,
            options: Vec::new(),
            env: Vec::new(),
            server: None,
        }
    }

    /// A standby of a running cluster in `dir`, its tablespace `fast` beside its data; it does not run yet.
    pub fn standby_of(primary: &Self, dir: &Path) -> Self {
        let standby = Self::on(primary.version, &dir.join("data"), dir);
        let location =
            primary.sql("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'");
        let rule = format!("{location}={}", dir.join("fast").display());
        let program = primary.server_program("pg_basebackup");
        let (run, port) = (primary.run.to_str().unwrap(), primary.port.to_string());
        program
            .args(["-h", run, "-p", &port, "-U", "postgres", "-R", "-c", "fast", "--no-sync"])
            .args(["-D", standby.data.to_str().unwrap(), "-T", &rule])
            .run()
            .ok();
        standby
    }

    /// Its release.
    pub fn version(&self) -> Version {
        self.version
    }

    /// PGDATA.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What reaches it as user `barman` over TCP; the password is in the passfile.
    pub fn conninfo(&self) -> String {
        format!("host=127.0.0.1 port={} user=barman dbname=postgres", self.port)
    }

    /// What reaches it through the unix socket as superuser.
    pub fn local_conninfo(&self) -> String {
        format!("host={} port={} user=postgres", self.run.display(), self.port)
    }

    /// Adds lines to postgresql.conf; the last one of a name counts.
    pub fn configure(&self, lines: &str) {
        let path = self.data.join("postgresql.conf");
        let mut file = File::options().append(true).open(path).unwrap();
        writeln!(file, "{lines}").unwrap();
    }

    /// Starts it and waits until it answers; a failure shows the server's log.
    #[track_caller]
    pub fn start(&mut self) {
        if let Err(log) = self.try_start() {
            panic!("{} does not start on {}:\n{log}", self.version, self.data.display());
        }
    }

    /// Starts it and waits until it answers. Gives the end of the server's log when it does not.
    pub fn try_start(&mut self) -> Result<(), String> {
        // What the copied configuration says about places is of another server.
        self.port = tools::free_port();
        let (data, socket, port) = (self.data.to_str().unwrap(), self.run.to_str().unwrap(), self.port);
        let program = self.server_program("postgres");
        let program = self.env.iter().fold(program, |program, (name, value)| program.env(name, value));
        let mut server = program
            .args(["-D", data, "-p", &port.to_string(), "-k", socket, "-h", "127.0.0.1"])
            .args(&self.options)
            .start_logging_to(&self.log());
        let deadline = std::time::Instant::now() + PATIENCE;
        while self.poll("SELECT 1").is_empty() {
            if server.has_ended() || std::time::Instant::now() > deadline {
                return Err(self.end_of_log());
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        self.server = Some(server);
        Ok(())
    }

    /// Shuts it down cleanly.
    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.signal(Signal::SIGINT);
            server.finish();
        }
    }

    /// What a power cut does, as far as PostgreSQL can tell.
    pub fn crash(&mut self) {
        if let Some(server) = self.server.take() {
            server.signal(Signal::SIGQUIT);
            server.finish();
        }
    }

    /// Runs SQL as superuser and gives what psql prints: a line for each row, `|` between columns.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        self.psql(sql).ok().stdout.trim_end().to_owned()
    }

    /// Runs SQL as superuser.
    pub fn psql(&self, sql: &str) -> Outcome {
        self.prepare_psql(sql)
            .shown_as(&format!("psql: {}", sql.split_whitespace().collect::<Vec<_>>().join(" ")))
            .run()
    }

    /// What a question says that is asked again and again; empty while nobody answers.
    fn poll(&self, sql: &str) -> String {
        self.prepare_psql(sql).shown_as("").run().stdout.trim_end().to_owned()
    }

    fn prepare_psql(&self, sql: &str) -> Program {
        self.client("psql").args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres"]).input(sql)
    }

    /// Makes the tables of pgbench.
    pub fn prepare_pgbench(&self) {
        self.client("pgbench").args(["-i", "-q", "-s", "2", "postgres"]).run().ok();
    }

    /// Keeps two clients busy until the result is dropped.
    pub fn pgbench(&self) -> Running {
        let before = self.sql("SELECT count(*) FROM pgbench_history");
        let load = self.client("pgbench").args(["-n", "-c", "2", "-T", "3600", "postgres"]).start();
        eventually("pgbench writes", || self.poll("SELECT count(*) FROM pgbench_history") != before);
        load
    }

    /// Waits until recovery has ended and the server takes writes.
    #[track_caller]
    pub fn wait_until_promoted(&self) {
        eventually("recovery ends", || self.poll("SELECT pg_is_in_recovery()") == "f");
    }

    /// The timeline that the server writes on.
    pub fn timeline(&self) -> u32 {
        let name = self.sql("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)");
        u32::from_str_radix(&name, 16).unwrap()
    }

    /// The content of every table of database `postgres`, as one line for each: name, rows, digest.
    pub fn contents(&self) -> String {
        let tables = self.sql(
            "SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
             WHERE relkind = 'r' AND nspname = 'public' ORDER BY 1",
        );
        let digest = |table: &str| {
            format!(
                "SELECT '{table}', count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {table} t"
            )
        };
        self.sql(&tables.lines().map(digest).collect::<Vec<_>>().join(" UNION ALL "))
    }

    /// Waits until a standby has replayed what its primary has written.
    #[track_caller]
    pub fn wait_until_caught_up_with(&self, primary: &Self) {
        let written = primary.sql("SELECT pg_current_wal_lsn()");
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        eventually("the standby catches up", || self.poll(&replayed) == "t");
    }

    /// Whether it is in exclusive backup mode.
    pub fn is_in_backup(&self) -> bool {
        self.sql("SELECT pg_is_in_backup()") == "t"
    }

    /// Sessions of programs that connected over TCP: while a backup runs there is at least one.
    pub fn foreign_sessions(&self) -> usize {
        self.poll("SELECT count(*) FROM pg_stat_activity WHERE client_addr IS NOT NULL").parse().unwrap()
    }

    /// Stops the server and has every page's checksum verified; where no tool does that, by reading every table.
    #[track_caller]
    pub fn stop_and_verify_pages(&mut self) {
        if self.version == Version::V10 {
            self.read_every_relation();
            self.stop();
        } else {
            self.stop();
            let data = self.data.to_str().unwrap();
            self.server_program("pg_checksums").args(["--check", "-D", data]).run().ok();
        }
    }

    /// A restart empties the buffers, so that each page comes from disk and has its checksum verified.
    fn read_every_relation(&mut self) {
        self.stop();
        self.start();
        self.sql("CREATE EXTENSION IF NOT EXISTS pg_prewarm");
        self.sql("SELECT sum(pg_prewarm(oid, 'buffer')) FROM pg_class WHERE relkind IN ('r', 'i', 't', 'm')");
    }

    /// The file that it logs to.
    pub fn log(&self) -> PathBuf {
        self.run.join("postgresql.log")
    }

    fn end_of_log(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn server_program(&self, name: &str) -> Program {
        let program = Program::new(&self.version.server_program(name), &self.run);
        match self.version.library_path() {
            Some(path) => program.env("LD_LIBRARY_PATH", path),
            None => program,
        }
    }

    fn client(&self, name: &str) -> Program {
        Program::new(&tools::client_program(name), &self.run)
            .env("PGHOST", &self.run)
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "postgres")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Killing the postmaster alone would leave its children and shared memory behind.
        self.crash();
    }
}

/// Takes all permissions of a file away, or gives its owner's back.
pub fn set_readable(path: &Path, readable: bool) {
    fs::set_permissions(path, fs::Permissions::from_mode(if readable { 0o600 } else { 0 })).unwrap();
}
