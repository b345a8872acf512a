//! A database host and a backup host, wired together.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Cluster, Outcome, Site, Sshd, Version, processes_mentioning, tools};

/// PostgreSQL that archives into a barman which has seen its first WAL and is ready for a backup.
pub struct World {
    /// The database.
    pub pg: Cluster,
    /// The way from the backup host to it.
    pub sshd: Sshd,
    /// The backup host.
    pub site: Site,
    // The last one, so that it is removed when nothing runs in it any more.
    dir: TempDir,
}

/// A restored data directory.
pub struct Restored {
    /// What barman said.
    pub outcome: Outcome,
    /// The cluster; it does not run yet.
    pub pg: Cluster,
    /// Where its tablespace went.
    pub tablespace: PathBuf,
}

/// What is special about a world; the default is nothing.
#[derive(Default)]
pub struct Plan<'a> {
    /// Further arguments of initdb.
    pub initdb: &'a [&'a str],
    /// Lines of postgresql.conf.
    pub settings: &'a str,
    /// Names that need quoting, for PGDATA and the tablespace.
    pub odd_names: bool,
}

impl World {
    /// A world on `version`. The database has a table `ledger`, and a table `parts` in tablespace `fast`.
    pub fn new(version: Version) -> Self {
        Self::planned(version, &Plan::default())
    }

    /// As `new`, with what `plan` asks for.
    pub fn planned(version: Version, plan: &Plan<'_>) -> Self {
        tools::become_unprivileged();
        let dir = tempfile::Builder::new().prefix("barman-e2e-").tempdir_in("/tmp").unwrap();
        let sshd = Sshd::start_in(&dir.path().join("ssh"));
        let site = Site::new(&dir.path().join("site"));
        let names = if plan.odd_names { ("o'hara's $PG", "fast & \"loose\"") } else { ("pg", "tablespace") };
        let pg = Cluster::create(version, &dir.path().join(names.0), plan.initdb);
        pg.configure(plan.settings);
        let mut world = Self { pg, sshd, site, dir };
        world.archive_into_site();
        world.pg.start();
        world.populate(&world.path(names.1));
        world.point_site_at_database();
        world.ship_wal();
        world
    }

    /// A place in this world's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Has the database ship its WAL to the site; it must not run.
    pub fn archive_into_site(&self) {
        let incoming = self.site.incoming();
        self.pg.configure(&format!(
            "archive_mode = on\narchive_command = 'rsync -a %p {}/%f'",
            incoming.display()
        ));
    }

    /// Tells the site where the database is.
    pub fn point_site_at_database(&mut self) {
        self.site.set("conninfo", &self.pg.conninfo());
        self.site.set("ssh_command", &self.sshd.command());
    }

    fn populate(&self, tablespace: &Path) {
        std::fs::create_dir(tablespace).unwrap();
        let location = tablespace.display().to_string().replace('\'', "''");
        self.pg.sql(&format!("CREATE ROLE barman SUPERUSER LOGIN PASSWORD '{}'", super::program::PASSWORD));
        self.pg.sql(&format!("CREATE TABLESPACE fast LOCATION '{location}'"));
        self.pg.sql("CREATE TABLE parts (id int PRIMARY KEY, name text) TABLESPACE fast");
        self.pg.sql("INSERT INTO parts SELECT n, 'part ' || n FROM generate_series(1, 10000) n");
        self.pg.sql("CREATE TABLE ledger (id serial PRIMARY KEY, entry text)");
    }

    /// Writes a line in the ledger, in a transaction of its own.
    pub fn note(&self, entry: &str) {
        self.pg.sql(&format!("INSERT INTO ledger (entry) VALUES ('{entry}')"));
    }

    /// Closes the current segment and has it archived, and everything before it.
    #[track_caller]
    pub fn ship_wal(&self) {
        self.site.barman("switch-wal --force --archive main").ok();
    }

    /// Takes a backup, waits for its WAL, and gives its identifier.
    #[track_caller]
    pub fn backup(&self) -> String {
        self.site.barman("backup main --immediate-checkpoint --wait").ok();
        let id = self.site.backups().remove(0);
        assert_eq!(self.site.field(&id, "status"), "DONE");
        id
    }

    /// Restores backup `id` into a new directory called `name`; `options` may name a target.
    #[track_caller]
    pub fn restore(&self, id: &str, name: &str, options: &str) -> Restored {
        self.restore_by(name, |site, place| site.barman(&format!("restore main {id} {place} {options}")))
    }

    /// As `restore`; `command` gets the words for destination and tablespace.
    #[track_caller]
    pub fn restore_by(&self, name: &str, command: impl FnOnce(&Site, &str) -> Outcome) -> Restored {
        let (data, tablespace) = (self.path(name), self.path(&format!("{name}-fast")));
        let rule = format!("fast:{}", tablespace.display());
        let place = format!("{} --tablespace {}", word(&data), shell_words::quote(&rule));
        let outcome = command(&self.site, &place).ok();
        let pg = Cluster::on(self.pg.version(), &data, &self.path(&format!("{name}-run")));
        Restored { outcome, pg, tablespace }
    }

    /// As `restore`, on the other host.
    #[track_caller]
    pub fn restore_remotely(&self, id: &str, name: &str, options: &str) -> Restored {
        let options = format!("{} {options}", self.remote());
        self.restore(id, name, &options)
    }

    /// The option that has a restore made on the other host.
    pub fn remote(&self) -> String {
        format!("--remote-ssh-command {}", shell_words::quote(&self.sshd.command()))
    }

    /// The programs of the backup host that run now: barman, its ssh and its rsyncs, on both ends.
    pub fn programs(&self) -> Vec<String> {
        let of_barman =
            |line: &String| ["rsync", "barman ", "ssh -F"].iter().any(|program| line.contains(program));
        let servers = |line: &String| {
            line.contains("postgres -D") || line.contains("postgres:") || line.contains("sshd")
        };
        let place = self.dir.path().to_str().unwrap();
        processes_mentioning(place).into_iter().filter(|line| of_barman(line) && !servers(line)).collect()
    }

    /// Those of them that are called `name`.
    pub fn programs_called(&self, name: &str) -> Vec<String> {
        self.programs().into_iter().filter(|line| line.contains(name)).collect()
    }
}

impl Restored {
    /// Starts PostgreSQL on the result and waits until it takes writes.
    #[track_caller]
    pub fn start(mut self) -> Cluster {
        // With `archive_command = false`, as barman leaves it, a shutdown takes three seconds of vain attempts.
        self.pg.options.extend(["-c", "archive_mode=off"].map(Into::into));
        self.pg.start();
        self.pg.wait_until_promoted();
        self.pg
    }
}

/// A path as a word of a command.
pub fn word(path: &Path) -> String {
    shell_words::quote(path.to_str().unwrap()).into_owned()
}
