//! WAL that goes to Barman and comes back from it by the programs of PostgreSQL's host, ours and the Python ones, in all
//! combinations with both servers.

use std::fs;
use std::ops::Range;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;

use crate::kit::world::word;
use crate::kit::{
    Clients, Cluster, DatabaseHost, Site, Sshd, Version, World, eventually, gpg, processes_mentioning, tools,
};

const ARCHIVE: &str = "barman-wal-archive";
const RESTORE: &str = "barman-wal-restore";

/// Two hosts without PostgreSQL.
struct Hosts {
    host: DatabaseHost,
    site: Site,
    sshd: Sshd,
    dir: tempfile::TempDir,
}

impl Hosts {
    fn new() -> Self {
        tools::become_unprivileged();
        let dir = tempfile::Builder::new().prefix("barman-e2e-").tempdir_in("/tmp").unwrap();
        let mut sshd = Sshd::start_in(&dir.path().join("ssh"));
        let site = Site::new(&dir.path().join("site"));
        for name in ["errors", "streaming", "wals"] {
            fs::create_dir_all(site.server_dir().join(name)).unwrap();
        }
        let host = DatabaseHost::new(&dir.path().join("host"), &mut sshd, &site);
        Self { host, site, sshd, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file that PostgreSQL wants archived.
    fn segment(&self, name: &str, byte: u8) -> String {
        let path = self.path(name);
        fs::write(&path, content(byte)).unwrap();
        fs::File::open(&path).unwrap().set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
        word(&path)
    }

    fn errors(&self) -> usize {
        fs::read_dir(self.site.server_dir().join("errors")).unwrap().count()
    }
}

fn content(byte: u8) -> Vec<u8> {
    (0..1 << 20).map(|at: u32| byte ^ (at >> 12) as u8).collect()
}

fn name(number: u8) -> String {
    format!("0000000100000000{number:08X}")
}

fn servers() -> [PathBuf; 2] {
    [tools::barman(), tools::reference_barman()]
}

#[test]
fn every_client_ships_to_every_server_and_fetches_from_it() {
    let mut hosts = Hosts::new();
    let ours = [
        (Clients::Ours, ""),
        (Clients::Ours, "--md5"),
        (Clients::Ours, "-z --compression-level low"),
        (Clients::Ours, "--zstd"),
        (Clients::Ours, "--snappy"),
    ];
    let theirs = [
        (Clients::Reference, ""),
        (Clients::Reference, "--md5 -j"),
        (Clients::Reference, "--lz4"),
        (Clients::Debian, ""),
    ];
    let mut number = 0;
    for (server, options) in
        [(tools::barman(), [&ours[..], &theirs].concat()), (tools::reference_barman(), ours.into())]
    {
        hosts.host.serve_with(&server);
        for (clients, options) in &options {
            number += 1;
            let path = hosts.segment(&name(number), number);
            // Twice, as after a crash: it is there then, and nothing is wrong.
            for _ in 0..2 {
                hosts.host.run(*clients, ARCHIVE, &format!("{options} @ {path}")).ok();
            }
            assert!(hosts.site.incoming().join(name(number)).exists(), "{clients:?} {options}");
        }
        assert_eq!(fs::read_dir(hosts.site.incoming()).unwrap().count(), options.len());
        hosts.site.set("compression", "gzip");
        hosts.site.barman("archive-wal main").ok();
        hosts.host.run(Clients::Ours, ARCHIVE, "--test @ x").ok().says("Ready to accept WAL files");
        hosts.host.run(Clients::Ours, RESTORE, "--test @ x x").ok().says("Ready to retrieve WAL files");
    }
    assert_eq!(hosts.errors(), 0);
    assert_eq!(hosts.site.indexed_wal().len(), usize::from(number));

    let spool = hosts.path("spool");
    let ours = [
        (Clients::Ours, ""),
        (Clients::Ours, "-z"),
        (Clients::Ours, "--keep-compression --partial"),
        (Clients::Ours, "-p 3"),
    ];
    let theirs = [(Clients::Reference, "-P -j -p 2"), (Clients::Debian, "-P"), (Clients::Debian, "-p 2")];
    for (server, options) in
        [(tools::barman(), [&ours[..], &theirs].concat()), (tools::reference_barman(), ours.into())]
    {
        hosts.host.serve_with(&server);
        for (index, (clients, options)) in options.into_iter().enumerate() {
            let number = index as u8 + 1;
            let target = hosts.path("fetched");
            let spool = word(&spool.join(format!("{clients:?}")));
            fs::create_dir_all(&spool).unwrap();
            let words = format!("--spool-dir {spool} {options} @ {} {}", name(number), word(&target));
            hosts.host.run(clients, RESTORE, &words).ok();
            assert!(fs::read(&target).unwrap() == content(number), "{clients:?} {options}");
            fs::remove_file(&target).unwrap();
        }
    }
}

#[test]
fn what_is_not_there_and_what_cannot_be_looked_at_are_told_apart() {
    let mut hosts = Hosts::new();
    let target = hosts.path("fetched");
    let fetch = |hosts: &Hosts, words: &str| {
        let words = format!("{words} {} {}", name(9), word(&target));
        let outcome = hosts.host.run(Clients::Ours, RESTORE, &words);
        assert!(!target.exists(), "{outcome}");
        outcome
    };
    let unknown = format!("-U {} database nosuch", tools::user());
    for server in servers() {
        hosts.host.serve_with(&server);
        fetch(&hosts, "@").fails(1, &[&name(9), "not found in server 'main'"]);
        fetch(&hosts, "--partial @").fails(1, &["not found"]);
        fetch(&hosts, &unknown).fails(254, &["get-wal", "Unknown server 'nosuch'"]);
        fetch(&hosts, "-c /nowhere/barman.conf @").fails(254, &["/nowhere/barman.conf"]);
    }
    hosts.host.serve_with(&tools::barman());
    let wals = hosts.site.server_dir().join("wals");
    fs::rename(&wals, hosts.path("unmounted")).unwrap();
    fetch(&hosts, "@").fails(254, &["cannot examine", "wals"]);
    fs::rename(hosts.path("unmounted"), &wals).unwrap();
    fs::create_dir_all(wals.join(&name(9)[..16])).unwrap();
    fs::write(hosts.site.archived(&name(9)), b"\x1f\x8b\x08damaged").unwrap();
    fetch(&hosts, "@").fails(254, &["cannot decode", &name(9), "hint"]);
    fs::remove_file(hosts.site.archived(&name(9))).unwrap();
    hosts.host.serve_with(Path::new("/bin/false"));
    fs::remove_file(hosts.path("host/there/barman")).unwrap();
    fetch(&hosts, "@").fails(254, &["127", "PATH"]);
    hosts.sshd.stop();
    fetch(&hosts, "@").fails(254, &["Connection problem with ssh", "refused", "hint"]);
    let path = hosts.segment(&name(9), 9);
    hosts.host.run(Clients::Ours, ARCHIVE, &format!("@ {path}")).fails(3, &["Connection problem with ssh"]);

    // A standby had better ask again.
    fs::write(hosts.path("host/standby.signal"), "").unwrap();
    fetch(&hosts, "@").fails(2, &["Connection problem with ssh"]);
}

#[test]
fn a_shipment_that_is_not_what_was_sent_leaves_nothing() {
    let hosts = Hosts::new();
    let (site, dir) = (&hosts.site, hosts.path("shipment"));
    let ship = |make: &str| {
        let script = format!(
            "rm -rf {dir} && mkdir {dir} && cd {dir} && \
             for n in {} {}; do head -c 100000 /dev/urandom > $n; done && sha256sum * > SHA256SUMS && {make} | \
             SSH_CONNECTION='192.0.2.7 1 2 3' BARMAN_CONFIG_FILE={} {} put-wal main",
            name(1),
            name(2),
            site.dir().join("barman.conf").display(),
            tools::barman().display(),
            dir = dir.display(),
        );
        hosts.shell(&script)
    };
    let here = "(SSH host: 192.0.2.7)";
    for (make, words) in [
        ("echo x >> 000000010000000000000001; tar c *", ["Bad file checksum", here]),
        ("tar c SHA256SUMS 000000010000000000000001", ["Checksum without corresponding file", here]),
        ("touch 000000010000000000000003; tar c *", ["Missing checksum for file", here]),
        ("tar c * | head -c 150000", ["cannot read the tar archive", here]),
        ("mkdir d; tar c *", ["Unsupported file type '5'", here]),
        ("tar c --transform 's,^00,../00,' -P *", ["Unsupported filename", here]),
        ("touch x.txt; sha256sum * > SHA256SUMS; tar c *", ["Unsupported filename 'x.txt'", here]),
        ("ln -s /etc/passwd 000000010000000000000003; tar c *", ["Unsupported file type '2'", here]),
        ("cat /dev/null", ["no WAL file came", here]),
        ("head -c 4096 /dev/urandom", ["cannot read the tar archive", here]),
    ] {
        ship(make).fails(1, &words);
        assert_eq!(fs::read_dir(site.incoming()).unwrap().count(), 0, "{make}");
    }
    ship("tar c ./SHA256SUMS ./0*").ok();
    assert_eq!(fs::read_dir(site.incoming()).unwrap().count(), 2);
    let kept = fs::read(site.incoming().join(name(1))).unwrap();
    ship("tar c --format=pax *").ok().says("Duplicate Files Detected").says("moved to the errors directory");
    assert!(fs::read(site.incoming().join(name(1))).unwrap() == kept);
    assert_eq!(hosts.errors(), 2);
}

impl Hosts {
    fn shell(&self, script: &str) -> crate::kit::Outcome {
        let shell = crate::kit::program::Program::new(Path::new("/bin/sh"), self.dir.path());
        shell.args(["-c", script]).run()
    }
}

/// PostgreSQL ships by our client and recovers by it, from a Barman behind a real sshd: to the last thing that was
/// written, over a lost connection, ahead of itself.
#[test]
fn a_recovery_gets_all_wal_over_ssh_and_does_not_end_when_the_connection_does() {
    let mut world = World::new(Version::V15);
    let host = DatabaseHost::new(&world.path("host"), &mut world.sshd, &world.site);
    let ship = host.command(Clients::Ours, ARCHIVE, "@ %p").replace('\'', "''");
    world.pg.sql(&format!("ALTER SYSTEM SET archive_command = '{ship}'"));
    world.pg.sql("SELECT pg_reload_conf()");
    world.point_site_at_database();
    world.site.set("compression", "gzip");
    let id = world.backup();
    for round in 0..12 {
        world.note(&format!("round {round}"));
        world.pg.sql("SELECT pg_switch_wal()");
    }
    world.ship_wal();
    // The last words of the primary, which only its WAL receiver has got.
    world.note("in the last segment");
    let last = world.pg.sql("SELECT pg_walfile_name(pg_current_wal_lsn())");
    let contents = world.pg.contents();
    let streaming = world.site.server_dir().join("streaming");
    fs::create_dir_all(&streaming).unwrap();
    fs::copy(world.pg.data().join("pg_wal").join(&last), streaming.join(format!("{last}.partial"))).unwrap();
    world.pg.stop();

    let spool = world.path("spool");
    let words = format!("--partial -p 4 --spool-dir {} @ %f %p", spool.display());
    let mut pg = prepare_recovery(&world, &id, &host.command(Clients::Ours, RESTORE, &words));
    world.sshd.stop();
    pg.try_start().expect_err("without its archive the server must not go on");
    assert!(!pg.data().join("pg_wal/00000002.history").exists());
    world.sshd.restart(&environment(&world.path("host/there"), &world.site));
    let connections = world.sshd.connections();
    pg.start();
    pg.wait_until_promoted();
    assert_eq!(pg.contents(), contents);
    assert_eq!(pg.timeline(), 2);
    let log = fs::read_to_string(pg.log()).unwrap();
    assert!(log.contains(&format!("restored log file \"{last}\" from archive")), "{log}");
    assert!(log.contains("Connection problem with ssh"), "{log}");
    assert_eq!(world.sshd.connections() - connections, 1, "{log}");
    eventually("nothing is fetched any more", || world.programs_called(RESTORE).is_empty());
    let restored: Vec<&str> = log.lines().filter(|line| line.contains("restored log file")).collect();
    let left = fs::read_dir(&spool).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| !name.as_encoded_bytes().starts_with(b".")).collect();
    assert!(left.len() <= 4, "{left:?}\n{}", restored.join("\n"));
}

#[test]
fn a_connection_that_is_shared_may_break_or_refuse_more_sessions() {
    let mut hosts = Hosts::new();
    for number in 1..=24 {
        fs::write(hosts.site.incoming().join(name(number)), content(number)).unwrap();
    }
    let (spool, target) = (word(&hosts.path("spool")), hosts.path("fetched"));
    let stored = hosts.site.incoming().join(name(24));
    let fetch = |hosts: &Hosts, numbers: Range<u8>| {
        for number in numbers {
            let words = format!("-p 4 --spool-dir {spool} @ {} {}", name(number), word(&target));
            hosts.host.run(Clients::Ours, RESTORE, &words).ok();
            assert!(fs::read(&target).unwrap() == content(number), "{number}");
        }
        let is_fetching = |process: &String| process.contains("--prefetch");
        eventually("nothing is fetched", || !processes_mentioning(&spool).iter().any(is_fetching));
        hosts.sshd.connections()
    };
    assert_eq!(fetch(&hosts, 1..10), 1);

    let serve_with = |hosts: &Hosts, script: &str| {
        let program = hosts.path("script");
        tools::write_program(&program, &format!("#!/bin/sh\n{script}\n"));
        hosts.host.serve_with(&program);
    };
    let start = |hosts: &Hosts, number| {
        let words = format!("-p 4 --spool-dir {spool} @ {} {}", name(number), word(&target));
        let running = hosts.host.start(Clients::Ours, RESTORE, &words);
        eventually("the other side is asked", || hosts.path("spool/asked").exists());
        fs::remove_file(hosts.path("spool/asked")).unwrap();
        running
    };
    // A command that does not answer goes on for ever, and we do not.
    serve_with(&hosts, &format!("echo asked > {spool}/asked; exec sleep 30"));
    let running = start(&hosts, 40);
    let asked = Instant::now();
    running.signal(Signal::SIGTERM);
    running.finish().fails(143, &["interrupted"]);
    assert!(asked.elapsed() < Duration::from_secs(20));
    // It breaks when half of the file has come.
    let half = format!("head -c 500000 {}; echo asked > {spool}/asked; exec sleep 30", word(&stored));
    let (once, barman) = (word(&hosts.path("once")), word(&tools::barman()));
    serve_with(&hosts, &format!("if mkdir {once}; then {half}; fi; exec {barman} \"$@\""));
    let running = start(&hosts, 24);
    hosts.sshd.cut_connections();
    running.finish().ok();
    assert!(fs::read(&target).unwrap() == content(24));
    hosts.host.serve_with(&tools::barman());

    // Whether ssh has noticed or not.
    hosts.sshd.cut_connections();
    let connections = fetch(&hosts, 10..13);

    let socket = hosts.path("spool").join(format!(".{}@database.ssh", tools::user()));
    hosts.sshd.cut_connections();
    eventually("ssh has noticed", || !socket.exists());
    // As if it had been killed.
    drop(UnixListener::bind(&socket).unwrap());
    assert_eq!(fetch(&hosts, 13..16), connections + 1);

    let settings = environment(&hosts.path("host/there"), &hosts.site) + "\nMaxSessions 1";
    hosts.sshd.cut_connections();
    hosts.sshd.restart(&settings);
    assert!(fetch(&hosts, 16..20) > 3);
    assert!(hosts.path("spool").join(name(20)).exists());
    // That is asked through a connection of its own, too.
    let words = format!("-p 4 --spool-dir {spool} @ {} {}", name(25), word(&target));
    hosts.host.run(Clients::Ours, RESTORE, &words).fails(1, &[&name(25), "not found in server"]);
}

/// What the other side's programs find, again after a stop of sshd.
fn environment(there: &Path, site: &Site) -> String {
    let config = site.dir().join("barman.conf");
    format!("SetEnv PATH={}:/usr/bin:/bin BARMAN_CONFIG_FILE={}", there.display(), config.display())
}

/// A restored backup that has no WAL but what `restore_command` brings.
fn prepare_recovery(world: &World, id: &str, restore_command: &str) -> Cluster {
    let mut pg = world.restore(id, "recovered", "").pg;
    for entry in fs::read_dir(pg.data().join("pg_wal")).unwrap().flatten() {
        if entry.path().is_file() {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    fs::write(pg.data().join("recovery.signal"), "").unwrap();
    pg.configure(&format!("restore_command = '{restore_command}'\nrecovery_target_timeline = 'latest'"));
    pg.options.extend(["-c", "archive_mode=off"].map(Into::into));
    pg
}

#[test]
fn what_is_encrypted_reaches_postgresql_and_a_key_that_is_missing_is_not_the_end_of_the_wal() {
    let mut hosts = Hosts::new();
    let keyring = gpg::encrypt(&mut hosts.site);
    hosts.site.set("compression", "zstd");
    for number in 1..=3 {
        fs::write(hosts.site.incoming().join(name(number)), content(number)).unwrap();
    }
    eventually("the files are old enough", || {
        hosts.site.barman("archive-wal main").ok();
        hosts.site.indexed_wal().len() == 3
    });
    let target = hosts.path("fetched");
    let fetch = |clients, options: &str, number| {
        let words = format!("{options} @ {} {}", name(number), word(&target));
        hosts.host.run(clients, RESTORE, &words)
    };
    hosts.host.serve_with(&tools::barman());
    for (clients, options) in
        [(Clients::Ours, ""), (Clients::Ours, "--keep-compression"), (Clients::Debian, "-P -j")]
    {
        for number in 1..=3 {
            fetch(clients, options, number).ok();
            assert!(fs::read(&target).unwrap() == content(number), "{clients:?} {options}");
            fs::remove_file(&target).unwrap();
        }
    }
    keyring.forget_passphrases();
    gpg::tell_passphrase(&mut hosts.site, "wrong");
    // PostgreSQL ends its recovery at 1 to 125, and waits for help at what is beyond.
    let refused = fetch(Clients::Ours, "", 1);
    assert!(refused.code > 125, "{refused}");
    assert!(!target.exists());
}
