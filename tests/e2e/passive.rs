//! Geographical redundancy: one node takes the backups, another one copies them, and either may be the Python Barman.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::kit::{DatabaseHost, Outcome, Site, Version, World, eventually, tools};

/// Whose program a node runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Ours,
    Python,
}

/// A primary node with a database, and a passive node that reaches it by ssh.
pub struct Nodes {
    pub world: World,
    /// What sshd runs for the passive node.
    pub host: DatabaseHost,
    pub primary: Program,
    pub passive: Site,
    pub runs: Program,
}

impl Nodes {
    pub fn new(primary: Program, runs: Program) -> Self {
        Self::around(World::new(Version::V15), primary, runs)
    }

    /// A primary node that is the site of `world`, and a passive one.
    pub fn around(mut world: World, primary: Program, runs: Program) -> Self {
        let host = DatabaseHost::new(&world.path("host"), &mut world.sshd, &world.site);
        let mut passive = Site::new(&world.path("passive"));
        if primary == Program::Python {
            host.serve_with(&tools::reference_barman());
            world.site.set("compression", "gzip");
            passive.set("compression", "gzip");
        }
        passive.set("primary_ssh_command", &world.sshd.command());
        passive.unset("conninfo");
        passive.unset("ssh_command");
        Self { world, host, primary, passive, runs }
    }

    /// Types a command on the primary node.
    pub fn on_primary(&self, words: &str) -> Outcome {
        match self.primary {
            Program::Ours => self.world.site.barman(words),
            Program::Python => self.world.site.reference(words),
        }
    }

    /// Types a command on the passive node.
    pub fn on_passive(&self, words: &str) -> Outcome {
        match self.runs {
            Program::Ours => self.passive.barman(words),
            Program::Python => self.passive.reference(words),
        }
    }

    /// Takes a backup on the primary node; gives its identifier.
    #[track_caller]
    pub fn backup(&self) -> String {
        self.on_primary("backup main --immediate-checkpoint --wait").ok();
        self.world.site.backups().remove(0)
    }

    /// Runs the cron of the passive node until it has what the primary has.
    #[track_caller]
    pub fn catch_up(&self) {
        eventually("the passive node has all backups and WAL", || {
            self.on_passive("cron").ok();
            self.is_idle() && self.has_all()
        });
    }

    /// Whether nothing of the passive node works in the background.
    pub fn is_idle(&self) -> bool {
        self.on_passive("list-processes main").ok().said("No active subprocesses")
    }

    fn has_all(&self) -> bool {
        let backups = self.passive.backups();
        let names = |site: &Site| site.indexed_wal().into_iter().collect::<BTreeSet<_>>();
        let is_done = |id: &String| self.passive.field(id, "status") == "DONE";
        let needed = self.world.site.backups().last().map(|id| self.world.site.field(id, "begin_wal"));
        let theirs = names(&self.world.site).into_iter().filter(|name| Some(name) >= needed.as_ref());
        backups == self.world.site.backups()
            && backups.iter().all(is_done)
            && theirs.collect::<BTreeSet<_>>() == names(&self.passive)
    }

    /// Every file of the backup is what it is on the primary node, and so is every WAL file that is listed.
    #[track_caller]
    pub fn assert_same_files(&self, id: &str) {
        let (theirs, ours) = (self.world.site.backup_dir(id), self.passive.backup_dir(id));
        let difference =
            Command::new("diff").args(["-r", "-x", "backup.info"]).args([theirs, ours]).output().unwrap();
        assert!(difference.status.success(), "{}", String::from_utf8_lossy(&difference.stdout));
        for name in self.passive.indexed_wal() {
            let content = |site: &Site| fs::read(site.archived(&name)).unwrap();
            assert!(content(&self.world.site) == content(&self.passive), "{name}");
        }
    }

    /// What the passive node restores of `id` is what PostgreSQL had.
    #[track_caller]
    pub fn assert_restorable(&self, id: &str, contents: &str) {
        let restored = self.world.restore_by(&format!("restored-{id}"), |_, place| {
            self.on_passive(&format!("restore main {id} {place}"))
        });
        let mut pg = restored.start();
        assert_eq!(pg.contents(), contents);
        pg.stop_and_verify_pages();
    }
}

/// Two backups with a tablespace, and WAL that goes on, arrive and can be restored.
fn story(primary: Program, runs: Program) -> Nodes {
    let nodes = Nodes::new(primary, runs);
    nodes.world.note("before the first backup");
    let first = nodes.backup();
    nodes.world.note("between the backups");
    nodes.world.ship_wal();
    nodes.catch_up();
    let second = nodes.backup();
    nodes.world.note("after the second backup");
    nodes.world.ship_wal();
    nodes.catch_up();
    for id in [&first, &second] {
        nodes.assert_same_files(id);
        assert_eq!(nodes.passive.field(id, "mode"), "passive");
    }
    let file = |id: &str| fs::metadata(nodes.passive.backup_dir(id).join("data/PG_VERSION")).unwrap().ino();
    assert_eq!(file(&first), file(&second), "unchanged files take room once");
    nodes.assert_restorable(&second, &nodes.world.pg.contents());
    nodes
}

#[test]
fn backups_and_wal_reach_a_passive_node() {
    let mut nodes = story(Program::Ours, Program::Ours);
    let [second, first] = nodes.passive.backups().try_into().unwrap();
    let passive = &nodes.passive;
    // What older programs look for is of this node, not of the other one.
    let copy = passive.backup_dir(&second).join("backup.info");
    assert_eq!(fs::read(copy).unwrap(), fs::read(passive.record(&second)).unwrap());
    // Once all is here nothing is asked for twice.
    passive.barman("cron").ok().says("No WAL synchronisation required for server main");
    passive.barman(&format!("sync-backup main {first}")).ok().says("is already synced with main server");
    passive.barman("sync-wals main").ok();
    passive.barman("backup main").ok().says("Skipping passive server 'main'");
    passive.barman("switch-wal main").ok().says("Skipping passive server 'main'");
    passive.barman("list-servers").ok().says("main - Main PostgreSQL Database (Passive)");
    passive.barman("check main").ok().says("ssh: OK (Barman primary node)");
    // A WAL file is handed out here as there.
    let wal = nodes.world.site.field(&second, "end_wal");
    let content = |site: &Site| {
        site.barman(&format!("get-wal main {wal} -o .")).ok();
        fs::read(site.dir().join(&wal)).unwrap()
    };
    assert!(content(passive) == content(&nodes.world.site));
    // What is lost here comes again when everything is asked for.
    fs::remove_file(passive.archived(&wal)).unwrap();
    fs::remove_file(passive.server_dir().join("wals/sync-wals.info")).unwrap();
    let listed = passive.indexed_wal();
    passive.barman("cron").ok().says("Started copy of WAL files for server main");
    eventually("the file is here again", || passive.archived(&wal).exists());
    assert_eq!(passive.indexed_wal(), listed);
    // And the list can be made anew from the files, as anywhere.
    let outcome = passive.barman("rebuild-xlogdb main").ok();
    assert!(!outcome.said("WARNING"), "{outcome}");
    assert_eq!(passive.indexed_wal(), listed);
    // The policy here is of its own, and what it has deleted is not copied again.
    nodes.passive.set("retention_policy", "REDUNDANCY 1");
    let removed = format!("Enforcing retention policy: removing backup {first}");
    nodes.passive.barman("cron").ok().says(&removed);
    let outcome = nodes.passive.barman("cron").ok();
    assert!(!outcome.said("Starting copy"), "{outcome}");
    let obsolete = format!("Remote backup main/{first} is obsolete for local retention policies.");
    nodes.passive.barman(&format!("sync-backup main {first}")).ok().says(&obsolete);
    assert_eq!(nodes.passive.backups(), [second]);
    assert_eq!(nodes.world.site.backups().len(), 2);
}

#[test]
fn our_passive_node_copies_from_barman() {
    let nodes = story(Program::Python, Program::Ours);
    let compressed = nodes.passive.indexed_wal().pop().unwrap();
    let content = fs::read(nodes.passive.archived(&compressed)).unwrap();
    assert!(content.starts_with(b"\x1f\x8b"), "WAL is as the primary has compressed it");
}

#[test]
fn a_passive_barman_copies_from_us() {
    story(Program::Ours, Program::Python);
}

/// A copy that has begun, and will take a while.
fn start_slowly(nodes: &mut Nodes, words: &str, has_begun: impl Fn(&Site) -> bool) {
    nodes.passive.set("bandwidth_limit", "200");
    let running = nodes.passive.start_barman(words);
    eventually("files arrive", || has_begun(&nodes.passive));
    running.signal(Signal::SIGKILL);
    running.finish();
    nodes.passive.unset("bandwidth_limit");
    let place = nodes.passive.dir().to_str().unwrap().to_owned();
    let copying =
        || crate::kit::processes_mentioning(&place).into_iter().filter(|it| it.contains("rsync")).count();
    eventually("rsync ends with the program", || copying() == 0);
}

fn has_files(dir: &Path) -> bool {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .into_iter()
        .any(|entry| entry.path().is_dir() && has_files(&entry.path()) || entry.path().is_file())
}

#[test]
fn what_was_killed_half_way_goes_on() {
    let mut nodes = Nodes::new(Program::Ours, Program::Ours);
    nodes.world.pg.prepare_pgbench();
    let id = nodes.backup();
    // The primary is asked, and what cron would start is stopped from starting: its locks are taken.
    nodes.ask_primary_only(&id);
    start_slowly(&mut nodes, &format!("sync-backup main {id}"), |site| {
        has_files(&site.backup_dir(&id).join("data"))
    });
    assert_eq!(nodes.passive.field(&id, "status"), "SYNCING");
    nodes.passive.barman("list-backups main").ok().says("SYNCING");
    // WAL comes while the first backup is still on its way.
    start_slowly(&mut nodes, "sync-wals main", |site| has_files(&site.server_dir().join("wals/.sync-wals")));
    for name in nodes.passive.indexed_wal() {
        assert!(nodes.passive.archived(&name).exists(), "{name}");
    }
    nodes.passive.barman("sync-wals main").ok();
    assert!(!nodes.passive.server_dir().join("wals/.sync-wals").exists());
    nodes.catch_up();
    nodes.assert_same_files(&id);
    nodes.assert_restorable(&id, &nodes.world.pg.contents());
}

impl Nodes {
    /// Learns what the primary has, and copies nothing yet.
    pub fn ask_primary_only(&self, id: &str) {
        let told = self.on_passive("sync-info --primary main").ok();
        let dir = self.passive.server_dir();
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("primary.info"), told.stdout).unwrap();
        assert_eq!(self.passive.backups(), [""; 0], "{id}");
    }
}

#[test]
fn a_primary_that_talks_nonsense_or_is_gone_is_named() {
    let mut nodes = Nodes::new(Program::Ours, Program::Ours);
    let id = nodes.backup();
    let passive = &nodes.passive;
    let script = nodes.world.path("nonsense");
    let answer = |text: &str| {
        tools::write_program(&script, &format!("#!/bin/sh\ncat <<'END'\n{text}\nEND\n"));
        nodes.host.serve_with(&script);
        passive.barman("cron")
    };
    let words = ["Failed to retrieve the primary node status", "server 'main'", "barman sync-info main"];
    answer("Welcome to backup!").fails(1, &words);
    answer("{}").fails(1, &["config"]);
    let evil = |backup: &str| {
        format!(
            r#"{{"backups": {{"{backup}": {{"status": "DONE"}}}}, "wals": [],
            "config": {{"wals_directory": "/w", "basebackups_directory": "/b"}}}}"#
        )
    };
    answer(&evil("../../../etc")).fails(1, &["'../../../etc' is not a valid backup identifier"]);
    assert!(!passive.server_dir().join("primary.info").exists(), "nonsense is not kept");
    assert!(!passive.server_dir().join("primary.info.tmp").exists());

    // A backup that goes away there while it is not whole here goes away here, too.
    nodes.host.serve_with(&tools::barman());
    nodes.ask_primary_only(&id);
    nodes.passive.set("compression", "gzip");
    let differs = "Compression method on server main (None) does not match local compression method (gzip)";
    nodes
        .passive
        .barman("sync-wals main")
        .fails(1, &["WAL synchronisation for server main failed with", differs]);
    nodes.passive.unset("compression");
    nodes.passive.barman("sync-wals main").ok().says("No base backup for server main");
    fs::rename(nodes.world.site.backup_dir(&id), nodes.world.path("elsewhere")).unwrap();
    let lost = ["failure syncing server main backup", &id];
    nodes.passive.barman(&format!("sync-backup main {id}")).fails(1, &lost);
    assert_eq!(nodes.passive.field(&id, "status"), "FAILED");
    fs::rename(nodes.world.path("elsewhere"), nodes.world.site.backup_dir(&id)).unwrap();
    nodes.on_primary(&format!("delete main {id}")).ok();
    nodes.passive.barman("cron").ok().says(&format!("Starting copy of backup {id}"));
    eventually("the rest is removed", || nodes.passive.backups().is_empty());

    nodes.world.sshd.stop();
    nodes.passive.barman("cron").fails(1, &["Failed to retrieve the primary node status", "ssh"]);
    nodes.passive.barman("check main").fails(1, &["ssh: FAILED (Connection failed using"]);
}
