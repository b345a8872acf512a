//! What the program says to a person who needs no PostgreSQL for the answer: exit code, standard output and standard
//! error in one picture.
//!
//! The environment is sealed: nothing of the machine but the program itself, and no configuration but the one that a
//! test writes.

#![allow(clippy::unwrap_used, reason = "what is wrong with a case ends its test")]

use std::fs;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;
use tempfile::TempDir;

mod refusals;

/// A backup as Barman records it.
const RECORD: &str = "\
backup_label=None
begin_offset=40
begin_time=2025-01-02 10:00:00.123456+00:00
begin_wal=000000010000000000000003
begin_xlog=0/3000028
compression=None
config_file=/pg/data/postgresql.conf
end_offset=312
end_time=2025-01-02 10:01:15.500000+00:00
end_wal=000000010000000000000003
end_xlog=0/3000138
error=None
hba_file=/pg/data/pg_hba.conf
ident_file=/pg/data/pg_ident.conf
included_files=None
mode=rsync-concurrent
pgdata=/pg/data
server_name=main
size=20971520
status=DONE
systemid=7000000000000000001
tablespaces=[('fast', 16387, '/fs/fast')]
timeline=1
version=160004
xlog_segment_size=16777216
";

const SERVER: &str = "\
conninfo = host=/nonexistent user=barman password=hunter2
ssh_command = ssh postgres@nowhere.invalid
backup_options = concurrent_backup
archiver = on
";

/// A `barman_home` with its configuration.
struct Site(TempDir);

impl Site {
    /// Servers `main`, with two backups, and `spare`, out of service.
    fn new() -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        site.configure(&format!(
            "[main]\ndescription = Our shop\n{SERVER}[spare]\nactive = false\ndescription = Spare\n{SERVER}"
        ));
        site.write("home/main/meta/20250102T100000-backup.info", RECORD);
        let failed = RECORD.replace("status=DONE", "status=FAILED").replace("error=None", "error=disk full");
        site.write("home/main/meta/20250103T100000-backup.info", &failed);
        site.write("home/main/base/20250102T100000/data/PG_VERSION", "16\n");
        site.write("home/main/base/20250102T100000/data/base/1/112", "");
        let line = "000000010000000000000003\t16777216\t1735812075.0\tNone\tNone\n";
        site.write("home/main/wals/xlog.db", line);
        site.write("home/main/wals/main-xlog.db", line);
        site
    }

    /// Writes the configuration: the section of the program, and `servers`.
    fn configure(&self, servers: &str) {
        let user = nix::unistd::User::from_uid(nix::unistd::Uid::effective()).unwrap().unwrap().name;
        let home = self.path().join("home");
        let log = self.path().join("log");
        self.write(
            "barman.conf",
            &format!(
                "[barman]\nbarman_user = {user}\nbarman_home = {}\nlog_file = {}\n{servers}",
                home.display(),
                log.display()
            ),
        );
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs `barman`, and shows how that went; paths below the site begin with `~`.
    fn barman(&self, line: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_barman"));
        command.args(line.split_whitespace()).env_clear().current_dir(self.path());
        command.env("HOME", self.path()).env("TZ", "UTC").env("PATH", "/usr/bin:/bin");
        command.env("BARMAN_CONFIG_FILE", self.path().join("barman.conf"));
        let output = command.output().unwrap();
        let mut shown = format!("exit code {}\n", output.status.code().unwrap());
        for (name, bytes) in [("stdout", output.stdout), ("stderr", output.stderr)] {
            let text = String::from_utf8(bytes).unwrap().replace(self.path().to_str().unwrap(), "~");
            if !text.is_empty() {
                shown += &format!("-- {name}\n{}\n", text.trim_end());
            }
        }
        assert!(!shown.contains("hunter2"), "a password shows: {shown}");
        shown
    }
}

#[test]
fn the_version_begins_with_the_release_that_programs_ask_for() {
    assert_snapshot!(Site::new().barman("--version"), @r"
    exit code 0
    -- stdout
    3.19.1 Barman in Rust 0.1.0
    ");
}

#[test]
fn servers_are_listed_with_their_state() {
    let site = Site::new();
    assert_snapshot!(site.barman("list-servers"), @r"
    exit code 0
    -- stdout
    main - Our shop
    spare - Spare (inactive)
    ");
    assert_snapshot!(site.barman("list-server --min"), @r"
    exit code 0
    -- stdout
    main
    spare
    ");
    assert_snapshot!(site.barman("-q list-servers"), @"exit code 0");
}

#[test]
fn backups_are_listed_newest_first() {
    let site = Site::new();
    assert_snapshot!(site.barman("list-backups all"), @r"
    exit code 0
    -- stdout
    main 20250103T100000 - R - FAILED
    main 20250102T100000 - R - Thu Jan  2 10:01:15 2025 - Size: 36.0 MiB - WAL Size: 0 B
    ");
    assert_snapshot!(site.barman("list-backup main --minimal"), @r"
    exit code 0
    -- stdout
    20250103T100000
    20250102T100000
    ");
}

#[test]
fn what_happens_behind_the_scenes_is_told_on_request() {
    let site = Site::new();
    site.write("home/main/wals/0000000100000000/000000010000000000000003", "");
    assert_snapshot!(site.barman("check-backup main 20250102T100000"), @"exit code 0");
    assert_snapshot!(site.barman("-d check-backup main 20250102T100000"), @r"
    exit code 0
    -- stderr
    DEBUG: Checking backup 20250102T100000 of server main
    DEBUG: Check finished: the status of backup 20250102T100000 of server main remains DONE
    ");
}

#[test]
fn a_backup_is_shown_whole() {
    let site = Site::new();
    assert_snapshot!(site.barman("show-backup main latest"), @r"
    exit code 0
    -- stdout
    Backup 20250102T100000:
      Server Name            : main
      System Id              : 7000000000000000001
      Status                 : DONE
      PostgreSQL Version     : 160004
      PGDATA directory       : /pg/data

      Tablespaces:
        fast                 : /fs/fast (oid: 16387)

      Base backup information:
        Backup Method        : rsync-concurrent
        WAL Size             : 16.0 MiB
        Resources saved      : 0 B (0.00%)
        Timeline             : 1
        Begin WAL            : 000000010000000000000003
        End WAL              : 000000010000000000000003
        Number of WALs       : 1
        Begin time           : 2025-01-02 10:00:00.123456+00:00
        End time             : 2025-01-02 10:01:15.500000+00:00
        Begin Offset         : 40
        End Offset           : 312
        Begin LSN            : 0/3000028
        End LSN              : 0/3000138

      WAL information:
        Number of files      : 0
        Disk usage           : 0 B
        Last available       : 000000010000000000000003

      Catalog information:
        Retention Policy     : not enforced
        Previous Backup      : - (this is the oldest base backup)
        Next Backup          : - (this is the latest base backup)
    ");
    assert_snapshot!(site.barman("show-backup main last-failed"), @r"
    exit code 0
    -- stdout
    Backup 20250103T100000:
      Server Name            : main
      System Id              : 7000000000000000001
      Status                 : FAILED

      Error                  : disk full
    ");
}

#[test]
fn files_of_a_backup_are_listed_by_target() {
    let site = Site::new();
    assert_snapshot!(site.barman("list-files main latest"), @r"
    exit code 0
    -- stdout
    ~/home/main/base/20250102T100000/data/PG_VERSION
    ~/home/main/base/20250102T100000/data/base/1/112
    ~/home/main/wals/0000000100000000/000000010000000000000003
    ");
    assert_snapshot!(site.barman("list-files main latest --target data"), @r"
    exit code 0
    -- stdout
    ~/home/main/base/20250102T100000/data/PG_VERSION
    ~/home/main/base/20250102T100000/data/base/1/112
    ");
}

#[test]
fn the_list_of_the_archive_is_made_anew() {
    let site = Site::new();
    for (name, content) in [
        ("0000000100000000/000000010000000000000003", "\x1f\u{8b}"),
        ("0000000100000000/000000010000000000000003.00000028.backup", "START WAL LOCATION"),
        ("0000000100000000/000000010000000000000004.tmp", ""),
        ("00000002.history", "1\t0/3000000\tx\n"),
    ] {
        site.write(&format!("home/main/wals/{name}"), content);
    }
    site.write("home/main/wals/main-xlog.db", "not a line\n");
    assert_snapshot!(site.barman("list-backups main"), @r#"
    exit code 1
    -- stderr
    ERROR: server 'main': cannot parse line 1 of '~/home/main/wals/main-xlog.db': 'not a line'
    HINT: Please run "barman rebuild-xlogdb main" to solve this issue
    "#);
    assert_snapshot!(site.barman("rebuild-xlogdb all"), @r"
    exit code 0
    -- stdout
    Skipping inactive server 'spare'
    Rebuilding xlogdb for server main
    Done rebuilding xlogdb for server main (history: 1, backup_labels: 1, wal_file: 1)
    -- stderr
    WARNING: The WAL archive of server main holds what is no WAL file, or one in the wrong place; it is not listed:
    * ~/home/main/wals/0000000100000000/000000010000000000000004.tmp
    ");
    assert_snapshot!(site.barman("list-backups main"), @r"
    exit code 0
    -- stdout
    main 20250103T100000 - R - FAILED
    main 20250102T100000 - R - Thu Jan  2 10:01:15 2025 - Size: 20.0 MiB - WAL Size: 0 B
    ");
}

#[test]
fn what_a_target_time_leaves_open_is_said_aloud() {
    let restore = |time: &str| {
        Site::new().barman(&format!("restore main latest new --tablespace fast:fast --target-time {time}"))
    };
    assert_snapshot!(restore("1/2/2025T10:01"), @r"
    exit code 1
    -- stdout
    Starting local restore for server main using backup 20250102T100000
    Destination directory: ~/new
    Doing PITR. Recovery target time: '2025-01-02 10:01:00+00:00'
    -- stderr
    WARNING: No time zone has been specified through '--target-time' command-line option. Barman assumed the same time zone from the Barman host. That makes it 2025-01-02 10:01:00+00:00.
    WARNING: The numbers in '1/2/2025T10:01' can be read as several dates. The one that is taken: 2 January 2025. Write the year first, like '2026-01-31', to leave no doubt.
    ERROR: The requested target time 2025-01-02 10:01:00+00:00 is before the backup end time 2025-01-02 10:01:15.500000+00:00; that is the earliest moment that this backup can be restored to. Choose an older backup for an earlier one
    ");
    assert_snapshot!(restore("2025-01-02T11:00CET"), @r"
    exit code 1
    -- stdout
    Starting local restore for server main using backup 20250102T100000
    Destination directory: ~/new
    -- stderr
    ERROR: Unable to parse the target time parameter '2025-01-02T11:00CET': 'CET' does not mean the same to everybody; write the offset from UTC in its place, like '+01:00'
    ");
}

#[test]
fn a_policy_that_asks_for_fewer_backups_than_the_minimum_is_raised_to_it_and_logged() {
    let site = Site::new();
    site.configure(&format!("[main]\n{SERVER}retention_policy = REDUNDANCY 0\nminimum_redundancy = 1\n"));
    let listed = site.barman("list-backups main");
    assert!(listed.contains("main 20250102T100000") && !listed.contains("OBSOLETE"), "{listed}");
    let log = fs::read_to_string(site.path().join("log")).unwrap();
    let warning = "WARNING: server 'main': the retention policy 'REDUNDANCY 0' keeps fewer backups than \
                   minimum_redundancy = 1";
    assert!(log.contains(warning), "{log}");
}

#[test]
fn cron_enforces_the_policy_that_lists_and_details_show() {
    let site = Site::new();
    site.configure(&format!("[main]\n{SERVER}retention_policy = REDUNDANCY 1\n"));
    site.write("home/main/meta/20250104T100000-backup.info", &RECORD.replace("000000003\n", "000000004\n"));
    site.write("home/main/base/20250104T100000/data/PG_VERSION", "16\n");
    site.write("home/main/wals/0000000100000000/000000010000000000000003", "wal");
    let listed = site.barman("list-backups main");
    let is_listed = |id: &str, end: &str| listed.lines().any(|line| line.contains(id) && line.ends_with(end));
    assert!(is_listed("20250102T100000", " - OBSOLETE") && is_listed("20250104T100000", " B"), "{listed}");
    assert!(site.barman("show-backup main oldest").contains("Retention Policy     : OBSOLETE\n"));
    assert!(site.barman("show-backup main latest").contains("Retention Policy     : VALID\n"));
    let said = site.barman("cron");
    assert!(
        said.contains(
            "Enforcing retention policy: removing backup 20250102T100000 for server main\n\
         Deleting backup 20250102T100000 for server main\n\
         Delete associated WAL segments:\n\
         \t000000010000000000000003\n\
         Deleted backup 20250102T100000"
        ),
        "{said}"
    );
    let left = site.barman("list-backups main --minimal");
    assert_eq!(left, "exit code 0\n-- stdout\n20250104T100000\n20250103T100000\n");
    assert!(!site.path().join("home/main/wals/0000000100000000").exists());
}

#[test]
fn a_backup_is_kept_until_it_is_released() {
    let site = Site::new();
    assert_snapshot!(site.barman("keep main latest --target standalone"), @"exit code 0");
    assert_snapshot!(site.barman("keep main latest --status"), @r"
    exit code 0
    -- stdout
    Server main:
    	Keep: standalone
    ");
    assert_snapshot!(site.barman("-f json keep main latest --status --release"), @r#"
    exit code 0
    -- stdout
    {"main": {"keep_status": {"description": "Keep", "message": "standalone"}}}
    "#);
    assert_snapshot!(site.barman("keep main latest --release"), @"exit code 0");
    assert_snapshot!(site.barman("keep main last-failed --target full"), @r"
    exit code 1
    -- stderr
    ERROR: Cannot add keep to backup 20250103T100000 because it has status FAILED. Only backups with status DONE can be kept.
    ");
    assert_snapshot!(site.barman("keep main latest"), @r"
    exit code 1
    -- stderr
    ERROR: one of the arguments -r/--release -s/--status --target is required
    ");
}

#[test]
fn help_needs_no_configuration() {
    let site = Site::new();
    fs::remove_file(site.path().join("barman.conf")).unwrap();
    assert_snapshot!(site.barman("-h"), @r"
    exit code 0
    -- stdout
    Back up PostgreSQL servers, archive their WAL and restore them to any moment

    Usage: barman [OPTIONS] [COMMAND]

    Commands:
      archive-wal             Archive the WAL files that arrived in the incoming directory
      backup                  Take a base backup of a running server
      check                   Tell whether backups can be taken and WAL arrives
      check-backup            Tell whether all WAL that a backup needs is archived, and record it
      check-wal-archive       Tell whether the WAL archive has room under the names of a server's new
                              WAL
      config-switch           Lay a model over the settings of a server, or take it off
      config-update           Change options in the configuration files
      cron                    Do the maintenance that is due; runs every minute
      delete                  Delete a backup and the WAL that only it needs
      diagnose                Print all about the installation as one JSON document
      export-backup           Write a backup and the WAL that it needs into one file
      generate-manifest       List the files of a backup with their checksums, to verify it by
      get-wal                 Hand out a WAL file
      import-backup           Take a backup into the catalogue that export-backup has written
      keep                    Keep a backup whatever the retention policy says
      list-backups            List the backups of servers
      list-files              List the files of a backup
      list-processes          List the processes that work on a server
      list-servers            List the configured servers
      lock-directory-cleanup  Remove lock files that nobody holds
      put-wal                 Take in WAL files that arrive on standard input
      rebuild-xlogdb          Make the list of the archived WAL anew from the files
      replication-status      Show who receives the WAL of servers by streaming
      restore                 Restore a backup, to its end or to a moment after it
      show-backup             Show all about a backup
      show-servers            Show the settings of servers and what PostgreSQL tells about itself
      status                  Show the state of servers in short
      switch-wal              Make PostgreSQL finish its current WAL file
      sync-backup             Copy a backup from the primary node
      sync-info               Tell another node which backups and WAL there are
      sync-wals               Copy WAL from the primary node
      terminate-process       Stop a process that works on a server
      verify-backup           Read all files of a backup and compare them with its manifest
      help                    Print this message or the help of the given subcommand(s)

    Options:
      -v, --version            Print the version
      -c, --config <FILE>      Configuration file; default: $BARMAN_CONFIG_FILE, ~/.barman.conf,
                               /etc/barman.conf, /etc/barman/barman.conf
          --color <WHEN>       When to colour messages [default: auto] [alias: --colour] [possible
                               values: never, always, auto]
          --log-level <LEVEL>  Level of the log file, over the one in the configuration [possible
                               values: NOTSET, DEBUG, INFO, WARNING, ERROR, CRITICAL]
      -q, --quiet              Say only what went wrong
      -d, --debug              Tell what happens behind the scenes, on standard error
      -f, --format <FORMAT>    Form of the output [default: console] [possible values: console, json]
      -h, --help               Print help (see more with '--help')

    Start with 'barman check SERVER': it names what is missing. 'barman COMMAND --help' explains a
    command.
    ");
    assert_snapshot!(site.barman("show-backup --help"), @r"
    exit code 0
    -- stdout
    Show all about a backup

    Its status, where it came from, its tablespaces, how large it is and how long it took, the WAL from
    its begin to its end and the WAL that followed, and what the retention policy makes of it. Of a
    failed backup it shows the reason.

    Usage: barman show-backup <SERVER_NAME> <BACKUP_ID>

    Arguments:
      <SERVER_NAME>
              Server of the backup

      <BACKUP_ID>
              Backup: its identifier or its name, or latest, oldest, last-failed, latest-full

    Options:
      -h, --help
              Print help (see a summary with '-h')

    Examples:
        barman show-backup main latest
      Why the last one failed:
        barman show-backup main last-failed
    ");
    assert_snapshot!(site.barman("check -h"), @r"
    exit code 0
    -- stdout
    Tell whether backups can be taken and WAL arrives

    Usage: barman check [OPTIONS] <SERVER_NAME>...

    Arguments:
      <SERVER_NAME>...  Servers to check, or 'all'

    Options:
          --nagios                   Answer on one line for Nagios: exit code 0 when all is well, 2 when
                                     not
          --check-timeout <SECONDS>  Seconds that the checks of a server may take, 0 for no limit
      -h, --help                     Print help (see more with '--help')
    ");
}
