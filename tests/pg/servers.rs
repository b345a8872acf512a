//! What we ask and tell servers, on every version that is installed.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use barman::pg::BackupMode::Concurrent;
use barman::pg::{Client, Conninfo, Error, WalSwitch};
use barman::sys::Cancel;
use barman::types::WalSegment;

use crate::cluster::{Cluster, bindir, bindirs, eventually};
use crate::pki::Pki;

fn connect(text: &str) -> Client {
    let conninfo: Conninfo = text.parse().unwrap();
    Client::connect(&conninfo, &Cancel::default()).unwrap_or_else(|error| panic!("{conninfo}: {error}"))
}

fn over_socket(cluster: &Cluster, user: &str) -> Client {
    connect(&format!("host={} port={} user={user} dbname=postgres", cluster.socket_dir(), cluster.port))
}

/// A cluster of each version that is installed; none is a skip.
fn each_version(settings: &str, test: impl Fn(&Cluster)) {
    let found = bindirs();
    if found.is_empty() {
        eprintln!("SKIPPED: no PostgreSQL server programs found");
    }
    for bindir in found {
        let cluster = Cluster::start(&bindir, settings);
        eprintln!("PostgreSQL {}", cluster.major);
        test(&cluster);
    }
}

/// A cluster of the preferred version.
fn one_version(settings: &str, test: impl Fn(&Cluster)) {
    match bindir() {
        Some(bindir) => test(&Cluster::start(&bindir, settings)),
        None => eprintln!("SKIPPED: no PostgreSQL server programs found"),
    }
}

#[test]
fn facts_are_those_that_the_server_shows() {
    let settings = "archive_mode = on\narchive_command = '/bin/true'\narchive_timeout = '5min'\n\
                    checkpoint_timeout = '7min'\nsynchronous_standby_names = 'ANY 1 (\"B c\", a)'\n\
                    synchronous_commit = local\ninclude_if_exists = 'extra.conf'";
    each_version(settings, |cluster| {
        cluster.sql("ALTER SYSTEM SET work_mem = '5MB'");
        cluster.pg_ctl("restart");
        let facts = over_socket(cluster, "postgres").server_facts().unwrap();
        let show = |setting: &str| cluster.sql(&format!("SHOW {setting}"));
        assert_eq!(facts.version.number().to_string(), show("server_version_num"));
        assert!(show("server_version").starts_with(&facts.version_text));
        let system_id = cluster.sql("SELECT system_identifier FROM pg_control_system()");
        assert_eq!(facts.system_id, Some(system_id));
        assert!(facts.is_superuser && facts.has_backup_privileges && facts.has_monitoring_privileges);
        assert!(facts.has_checkpoint_privilege && !facts.is_in_recovery);
        let settings = &facts.settings;
        assert_eq!(settings.archive_timeout_secs, Some(300));
        assert_eq!(settings.checkpoint_timeout_secs, Some(420));
        assert_eq!(facts.segment_size.bytes(), 16 << 20);
        assert_eq!(settings.synchronous_standby_names, ["B c", "a"]);
        assert_eq!(settings.included_files, [cluster.data().join("postgresql.auto.conf")]);
        assert_eq!(settings.data_directory.as_deref(), Some(cluster.data().as_path()));
        assert_eq!(settings.summarize_wal.as_deref(), (cluster.major >= 17).then_some("off"));
        let texts = [
            ("archive_mode", &settings.archive_mode),
            ("archive_command", &settings.archive_command),
            ("data_checksums", &settings.data_checksums),
            ("wal_level", &settings.wal_level),
            ("wal_compression", &settings.wal_compression),
            ("hot_standby", &settings.hot_standby),
            (if cluster.major >= 13 { "wal_keep_size" } else { "wal_keep_segments" }, &settings.wal_keep),
        ];
        for (name, value) in texts {
            assert_eq!(value.as_deref(), Some(show(name).as_str()), "{name}");
        }
        for path in [&settings.config_file, &settings.hba_file, &settings.ident_file] {
            assert!(path.as_ref().is_some_and(|path| path.exists()), "{path:?}");
        }
        let wal = facts.wal.unwrap();
        assert_eq!(
            wal.segment.to_string(),
            cluster.sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
        );
    });
}

#[test]
fn a_user_without_superuser_rights_may_do_what_was_granted() {
    each_version("", |cluster| {
        let (start, stop) = match cluster.major {
            15.. => ("pg_backup_start(text, boolean)", "pg_backup_stop(boolean)"),
            _ => ("pg_start_backup(text, boolean, boolean)", "pg_stop_backup(boolean, boolean)"),
        };
        cluster.sql("CREATE ROLE nobody LOGIN; CREATE ROLE monitor LOGIN IN ROLE pg_monitor");
        cluster.sql("CREATE ROLE operator LOGIN IN ROLE pg_read_all_settings, pg_read_all_stats");
        cluster.sql(&format!(
            "GRANT EXECUTE ON FUNCTION {start}, {stop}, pg_switch_wal(), pg_create_restore_point(text) TO operator"
        ));
        let facts = |user: &str| over_socket(cluster, user).server_facts().unwrap();
        let (nobody, monitor, operator) = (facts("nobody"), facts("monitor"), facts("operator"));
        assert!(!nobody.is_superuser && !nobody.has_monitoring_privileges && !nobody.has_backup_privileges);
        assert!(nobody.settings.data_directory.is_none() && nobody.settings.wal_level.is_some());
        assert!(monitor.has_monitoring_privileges && !monitor.has_backup_privileges);
        assert!(monitor.settings.data_directory.is_some());
        assert!(operator.has_backup_privileges && !operator.has_checkpoint_privilege);
        assert_eq!(over_socket(cluster, "nobody").current_size().unwrap(), None);
        assert!(over_socket(cluster, "monitor").current_size().unwrap() > Some(1 << 20));
        let client = over_socket(cluster, "operator");
        let start = client.start_backup(&Concurrent, "operator's", true, operator.segment_size).unwrap();
        client.stop_backup(&Concurrent, &start, operator.segment_size).unwrap();
        assert!(matches!(client.checkpoint(), Err(Error::Refused { sqlstate, .. }) if sqlstate == "42501"));
        if cluster.major >= 15 {
            cluster.sql("GRANT pg_checkpoint TO operator");
            assert!(facts("operator").has_checkpoint_privilege);
        }
    });
}

#[test]
fn a_backup_begins_and_ends_where_its_label_says() {
    each_version("timezone = 'America/St_Johns'", |cluster| {
        backs_up(cluster);
        let time = over_socket(cluster, "postgres").current_time().unwrap();
        assert!(time.to_rfc3339().ends_with(":30"), "{time}");
    });
}

#[test]
fn a_backup_names_small_segments_too() {
    if let Some(bindir) = bindir() {
        backs_up(&Cluster::start_with(&bindir, "", &["--wal-segsize=1"]));
    }
}

fn backs_up(cluster: &Cluster) {
    let location = cluster.dir.path().join("space");
    cluster.make_dir("space");
    cluster.sql(&format!("CREATE TABLESPACE \"a space\" LOCATION '{}'", location.display()));
    let client = over_socket(cluster, "postgres");
    let size = client.server_facts().unwrap().segment_size;
    let label = "Barman backup 'main' 20260101T000000";
    let before = client.current_time().unwrap();
    let start = client.start_backup(&Concurrent, label, true, size).unwrap();
    cluster.sql("CREATE TABLE t AS SELECT generate_series(1, 1000)");
    let end = client.stop_backup(&Concurrent, &start, size).unwrap();
    let written = end.label.unwrap();
    let has = |line: String| assert!(written.lines().any(|l| l == line), "{line} in {written}");
    has(format!("START WAL LOCATION: {} (file {})", start.lsn, start.segment));
    has(format!("LABEL: {label}"));
    assert_eq!(start.offset, start.lsn.offset(size));
    assert!(start.lsn < end.lsn && start.segment <= end.segment && start.timeline == end.timeline);
    assert!(before <= start.time && start.time < end.time && end.time <= client.current_time().unwrap());
    assert_eq!(end.segment.to_string(), cluster.sql(&format!("SELECT pg_walfile_name('{}')", end.lsn)));
    let spaces = client.tablespaces().unwrap();
    assert_eq!(spaces.len(), 1);
    assert_eq!(
        (spaces[0].name.as_str(), spaces[0].location.as_str()),
        ("a space", location.to_str().unwrap())
    );
    assert!(client.stop_backup(&Concurrent, &start, size).is_err());
}

#[test]
fn a_switch_names_the_segment_that_it_closed() {
    each_version("", |cluster| {
        let client = over_socket(cluster, "postgres");
        cluster.sql("CREATE TABLE t()");
        let open: WalSegment =
            cluster.sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())").parse().unwrap();
        assert_eq!(client.switch_wal().unwrap(), WalSwitch::Closed(open));
        // The server may write something by itself at any moment, but not every time.
        let outcomes: Vec<_> = (0..5).map(|_| client.switch_wal().unwrap()).collect();
        assert!(outcomes.contains(&WalSwitch::NotRequired), "{outcomes:?}");
        let size = client.server_facts().unwrap().segment_size;
        let position = client.wal_position(size).unwrap().unwrap();
        assert!(position.segment >= open);
        client.checkpoint().unwrap();
        assert!(client.create_restore_point("it's here").unwrap() > position.lsn);
    });
}

#[test]
fn the_archiver_is_watched() {
    let settings = "archive_mode = on\narchive_command = 'test ! -e fail'";
    one_version(settings, |cluster| {
        let client = over_socket(cluster, "postgres");
        let archiver = || client.server_facts().unwrap().archiver.unwrap();
        let none = archiver();
        assert!(none.is_archiving && none.last_archived_wal.is_none() && none.stats_reset.is_some());
        let Ok(WalSwitch::Closed(first)) = client.switch_wal() else { panic!("nothing to switch") };
        eventually("the segment is archived", || archiver().archived_count > 0);
        assert_eq!(archiver().last_archived_wal, Some(first.to_string()));
        assert!(archiver().archived_per_second > Some(0.0) && archiver().last_archived_time.is_some());
        std::fs::write(cluster.data().join("fail"), "").unwrap();
        cluster.sql("CREATE TABLE t()");
        client.switch_wal().unwrap();
        eventually("archiving fails", || archiver().failed_count > 0);
        assert!(!archiver().is_archiving && archiver().last_failed_wal.is_some());
    });
}

#[test]
fn replication_slots_are_found_by_name() {
    each_version("", |cluster| {
        cluster.sql("SELECT pg_create_physical_replication_slot('new'), pg_create_physical_replication_slot('used', true)");
        let client = over_socket(cluster, "postgres");
        let new = client.find_replication_slot("new").unwrap().unwrap();
        assert!(new.is_physical && !new.is_active && new.restart_lsn.is_none());
        assert!(client.find_replication_slot("used").unwrap().unwrap().restart_lsn.is_some());
        assert_eq!(client.find_replication_slot("it's none").unwrap(), None);
    });
}

#[test]
fn a_standby_answers_as_one() {
    one_version("", |primary| {
        let standby = Cluster::standby_of(primary);
        let hosts = |ports: [u16; 2], wanted: &str| {
            let text = format!(
                "host=127.0.0.1,127.0.0.1 port={},{} user=postgres target_session_attrs={wanted}",
                ports[0], ports[1]
            );
            connect(&text).is_in_recovery().unwrap()
        };
        for (wanted, is_standby) in [
            ("any", false),
            ("read-write", false),
            ("primary", false),
            ("standby", true),
            ("read-only", true),
            ("prefer-standby", true),
        ] {
            assert_eq!(hosts([primary.port, standby.port], wanted), is_standby, "{wanted}");
        }
        assert!(
            hosts([standby.port, primary.port], "any") && !hosts([standby.port, primary.port], "primary")
        );
        assert!(!hosts([primary.port, primary.port], "prefer-standby"));
        let text = format!("host=127.0.0.1 port={} user=postgres target_session_attrs=standby", primary.port);
        let error = Client::connect(&text.parse().unwrap(), &Cancel::default()).err().unwrap();
        assert!(error.to_string().ends_with("failed: server is not in hot standby mode"), "{error}");

        let client = over_socket(&standby, "postgres");
        let facts = client.server_facts().unwrap();
        assert!(facts.is_in_recovery && facts.wal.is_some());
        assert_eq!(client.switch_wal().unwrap(), WalSwitch::Standby);
        let size = facts.segment_size;
        let start = client.start_backup(&Concurrent, "standby", true, size).unwrap();
        let end = client.stop_backup(&Concurrent, &start, size).unwrap();
        assert!(end.label.unwrap().contains("BACKUP FROM: standby") && start.timeline == end.timeline);
    });
}

#[test]
fn a_lost_connection_is_noticed_while_nothing_is_asked() {
    each_version("", |cluster| {
        let client = over_socket(cluster, "postgres");
        client.start_backup(&Concurrent, "lost", true, client.server_facts().unwrap().segment_size).unwrap();
        assert_eq!(client.lost(), None);
        cluster
            .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'barman'");
        eventually("the loss is noticed", || client.lost().is_some());
        let reason = client.lost().unwrap();
        assert!(reason.contains("terminating connection due to administrator command"), "{reason}");
        let error = client.is_in_recovery().unwrap_err();
        assert!(matches!(&error, Error::Lost { .. }), "{error}");

        let client = over_socket(cluster, "postgres");
        cluster.pg_ctl("stop");
        eventually("the loss is noticed", || client.lost().is_some());
    });
}

#[test]
fn a_kept_connection_outlives_the_patience_of_the_server() {
    one_version("", |cluster| {
        if cluster.major < 14 {
            eprintln!("SKIPPED: idle_session_timeout begins with 14");
            return;
        }
        cluster.sql("ALTER SYSTEM SET idle_session_timeout = '300ms'");
        cluster.pg_ctl("restart");
        let (idle, kept, backing_up) = (
            over_socket(cluster, "postgres"),
            over_socket(cluster, "postgres"),
            over_socket(cluster, "postgres"),
        );
        kept.keep_alive(Duration::from_millis(50));
        let start = backing_up.start_backup(&Concurrent, "kept", true, Default::default()).unwrap();
        eventually("the idle session is ended", || idle.lost().is_some());
        thread::sleep(Duration::from_millis(300));
        assert_eq!((kept.lost(), backing_up.lost()), (None, None));
        backing_up.stop_backup(&Concurrent, &start, Default::default()).unwrap();
    });
}

#[test]
fn a_stop_breaks_a_wait_for_the_server_and_the_server_gives_up_too() {
    let pki = Pki::new();
    each_version("", |cluster| {
        pki.install(cluster);
        let active = |query: &str| {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE";
            cluster.sql(&format!("{sql} '{query}%'"))
        };
        // What the first session of a server reads, tablespaces among it, the others find in a file.
        cluster.sql("SELECT 1");
        let lock = "BEGIN; LOCK pg_catalog.pg_tablespace; SELECT pg_sleep(600)";
        let mut blocker = cluster.psql();
        let mut blocker =
            blocker.args(["-c", lock]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        eventually("the lock is taken", || active("BEGIN; LOCK") == "1");
        for mode in ["disable", "require"] {
            let cancel = Cancel::default();
            let text = format!("host=127.0.0.1 port={} user=postgres sslmode={mode}", cluster.port);
            let client = Client::connect(&text.parse().unwrap(), &cancel).unwrap();
            thread::scope(|scope| {
                let waiter = scope.spawn(|| client.tablespaces());
                eventually("the query waits", || active("SELECT spcname") == "1");
                let started = Instant::now();
                cancel.cancel();
                let answer = waiter.join().unwrap();
                assert!(matches!(answer, Err(Error::Cancelled(_))), "{answer:?}");
                assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
            });
            eventually("the server has given up", || active("SELECT spcname") == "0");
            assert!(matches!(client.is_in_recovery(), Err(Error::Cancelled(_))));
        }
        cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK%'");
        blocker.wait().unwrap();
    });
}

#[test]
fn direct_tls_asks_no_question_on_servers_that_know_it() {
    let pki = Pki::new();
    each_version("", |cluster| {
        pki.install(cluster);
        let root = pki.dir().join("root.crt");
        let text = format!(
            "host=localhost hostaddr=127.0.0.1 port={} user=postgres sslmode=verify-full sslrootcert={} \
             sslnegotiation=direct",
            cluster.port,
            root.display()
        );
        let connected = Client::connect(&text.parse().unwrap(), &Cancel::default());
        assert_eq!(connected.is_ok(), cluster.major >= 17, "{:?}", connected.err());
    });
}

#[test]
fn a_stop_breaks_the_wait_for_a_server_that_never_answers() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for mode in ["disable", "require"] {
        let cancel = Cancel::default();
        let conninfo: Conninfo = format!("host=127.0.0.1 port={port} sslmode={mode}").parse().unwrap();
        let token = cancel.clone();
        let connecting = thread::spawn(move || Client::connect(&conninfo, &token).err().unwrap());
        thread::sleep(Duration::from_millis(100));
        cancel.cancel();
        assert!(matches!(connecting.join().unwrap(), Error::Cancelled(_)));
    }
}

#[test]
fn a_server_that_never_answers_costs_the_connect_timeout_and_no_more() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for mode in ["disable", "require"] {
        let conninfo: Conninfo =
            format!("host=127.0.0.1 port={port} sslmode={mode} connect_timeout=1").parse().unwrap();
        let started = Instant::now();
        let error = Client::connect(&conninfo, &Cancel::default()).err().unwrap();
        let expected = format!("connection to server at \"127.0.0.1\", port {port} failed: timeout expired");
        assert_eq!(error.to_string(), expected);
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    }
}
