//! What cannot be done, and what is said of it.

use super::*;

#[test]
fn what_is_unknown_is_named() {
    let site = Site::new();
    assert_snapshot!(site.barman("list-backups nowhere main"), @r"
    exit code 1
    -- stdout
    main 20250103T100000 - R - FAILED
    main 20250102T100000 - R - Thu Jan  2 10:01:15 2025 - Size: 36.0 MiB - WAL Size: 0 B
    -- stderr
    ERROR: Unknown server 'nowhere'
    ");
    assert_snapshot!(site.barman("list-backups all main --minimal"), @r"
    exit code 1
    -- stdout
    20250103T100000
    20250102T100000
    -- stderr
    ERROR: You cannot use 'all' with other server names
    ");
    assert_snapshot!(site.barman("show-backup all latest"), @r"
    exit code 1
    -- stderr
    ERROR: You cannot use 'all' in a single server context
    ");
    assert_snapshot!(site.barman("show-backup main nightly"), @r"
    exit code 1
    -- stderr
    ERROR: Unknown backup 'nightly' for server 'main'
    HINT: See the backups with 'barman list-backups main'.
    ");
    assert_snapshot!(site.barman("delete main nightly"), @r"
    exit code 1
    -- stderr
    ERROR: Unknown backup 'nightly' for server 'main'
    HINT: See the backups with 'barman list-backups main'.
    ");
}

#[test]
fn a_record_that_cannot_be_read_hides_no_other() {
    let site = Site::new();
    site.write("home/main/meta/20250103T100000-backup.info", "rubbish\n");
    assert_snapshot!(site.barman("list-backups main"), @r"
    exit code 1
    -- stdout
    main 20250102T100000 - R - Thu Jan  2 10:01:15 2025 - Size: 36.0 MiB - WAL Size: 0 B
    -- stderr
    ERROR: backup '20250103T100000' of server 'main': '~/home/main/meta/20250103T100000-backup.info' line 1 cannot be read: it is not 'name=value'
    HINT: Correct the line or put a copy of the file back; to give the backup up, move the file and the directory of the backup out of the catalogue.
    ");
    assert_snapshot!(site.barman("show-backup main 20250103T100000"), @r"
    exit code 1
    -- stderr
    ERROR: backup '20250103T100000' of server 'main': '~/home/main/meta/20250103T100000-backup.info' line 1 cannot be read: it is not 'name=value'
    HINT: Correct the line or put a copy of the file back; to give the backup up, move the file and the directory of the backup out of the catalogue.
    ");
}

#[test]
fn a_restore_that_cannot_be_is_refused() {
    let site = Site::new();
    assert_snapshot!(site.barman("restore main last-failed new"), @r"
    exit code 1
    -- stderr
    ERROR: Cannot restore from backup 'last-failed' of server 'main': backup status is not DONE
    ");
    assert_snapshot!(site.barman("restore main latest home"), @r"
    exit code 1
    -- stderr
    ERROR: The restore operation cannot proceed because the destination folder '~/home' is not empty. To prevent accidental data loss, the destination must be empty. Please choose a different location or manually empty the folder.
    ");
    assert_snapshot!(site.barman("restore main latest barman.conf --tablespace fast:fast"), @r"
    exit code 1
    -- stderr
    ERROR: the destination '~/barman.conf' cannot be made: '~/barman.conf' is not a directory
    ");
    assert_snapshot!(site.barman("restore main latest new --tablespace slow:fast"), @r"
    exit code 1
    -- stderr
    ERROR: Invalid tablespace name 'slow'
    HINT: Please use any of the following tablespaces: fast
    ");
    assert_snapshot!(site.barman("restore main latest new --target-xid 5 --target-immediate"), @r"
    exit code 1
    -- stderr
    ERROR: You cannot specify multiple targets for the recovery operation
    ");
    assert_snapshot!(site.barman("restore main latest new --tablespace fast:fast --target-xid five"), @r"
    exit code 1
    -- stdout
    Starting local restore for server main using backup 20250102T100000
    Destination directory: ~/new
    -- stderr
    ERROR: Unable to parse the target xid parameter 'five': write a transaction number, like '4711'
    ");
    assert_snapshot!(site.barman("restore main latest new --tablespace fast:fast --target-time 10:00"), @r"
    exit code 1
    -- stdout
    Starting local restore for server main using backup 20250102T100000
    Destination directory: ~/new
    -- stderr
    ERROR: Unable to parse the target time parameter '10:00': the date is missing; write the whole moment, like '2026-01-31 10:00:00+01:00'
    ");
    assert!(!site.path().join("new").exists() && !site.path().join("fast").exists());
}

#[test]
fn what_a_command_cannot_work_on_is_refused_by_its_name() {
    let site = Site::new();
    site.configure(&format!("[main]\n{SERVER}recovery_options = get-wal\nprimary_conninfo = y\n"));
    assert_snapshot!(site.barman("delete main nightly"), @r"
    exit code 1
    -- stderr
    ERROR: Unknown backup 'nightly' for server 'main'
    HINT: See the backups with 'barman list-backups main'.
    ");
    assert_snapshot!(site.barman("restore main latest home"), @r"
    exit code 1
    -- stderr
    ERROR: The restore operation cannot proceed because the destination folder '~/home' is not empty. To prevent accidental data loss, the destination must be empty. Please choose a different location or manually empty the folder.
    ");
    assert_snapshot!(site.barman("list-servers"), @r"
    exit code 0
    -- stdout
    main
    ");
}

#[test]
fn a_server_for_an_engine_that_is_missing_is_refused() {
    let site = Site::new();
    site.configure(&format!("[main]\n{SERVER}streaming_archiver = on\n"));
    assert_snapshot!(site.barman("archive-wal main"), @r"
    exit code 1
    -- stderr
    ERROR: server 'main': receiving WAL from PostgreSQL (streaming_archiver = on) is not supported by this version
    ");
    assert_snapshot!(site.barman("backup main"), @r"
    exit code 1
    -- stderr
    ERROR: server 'main': receiving WAL from PostgreSQL (streaming_archiver = on) is not supported by this version
    ");
    assert_snapshot!(site.barman("cron"), @r"
    exit code 1
    -- stderr
    ERROR: Unable to run cron on server 'main', please look in the barman log file for more details.
    server 'main': receiving WAL from PostgreSQL (streaming_archiver = on) is not supported by this version
    ");
}

#[test]
fn mistakes_in_the_configuration_are_told_with_their_place() {
    let site = Site::new();
    site.configure("[main]\nparallel_jobs = many\nbar = 1\n");
    assert_snapshot!(site.barman("list-servers"), @r#"
    exit code 0
    -- stdout
    main -  (WARNING: disabled)
    -- stderr
    WARNING: Invalid configuration option "bar" in [main] section. ('~/barman.conf' line 7)
    WARNING: Ignoring invalid configuration value 'many' for key parallel_jobs in [main] section: invalid literal for int() with base 10: 'many' ('~/barman.conf' line 6)
    WARNING: No archiver enabled for server 'main'. Please turn on 'archiver', 'streaming_archiver' or both
    WARNING: Forcing 'archiver = on'
    "#);
    site.configure("[all]\n");
    assert_snapshot!(site.barman("list-servers"), @r"
    exit code 1
    -- stderr
    ERROR: '~/barman.conf' line 5: no server can be called 'all', which means all of them
    ");
    site.write("barman.conf", "rubbish\n");
    assert_snapshot!(site.barman("list-servers"), @r"
    exit code 1
    -- stderr
    ERROR: '~/barman.conf' line 1: 'rubbish' stands before the first [section]
    ");
    site.write("barman.conf", "[barman]\n");
    assert_snapshot!(site.barman("list-servers"), @r"
    exit code 1
    -- stderr
    ERROR: '~/barman.conf' line 1: section [barman] must set 'barman_home'
    ");
    assert_snapshot!(site.barman("-c nowhere.conf list-servers"), @r"
    exit code 1
    -- stderr
    ERROR: configuration file 'nowhere.conf' does not exist
    ");
}

#[test]
fn wrong_words_end_with_two_and_say_what_is_right() {
    let site = Site::new();
    assert_snapshot!(site.barman("frobnicate"), @r"
    exit code 2
    -- stderr
    error: unrecognized subcommand 'frobnicate'

    Usage: barman [OPTIONS] [COMMAND]

    For more information, try '--help'.
    ");
    assert_snapshot!(site.barman("list-backups"), @r"
    exit code 2
    -- stderr
    error: the following required arguments were not provided:
      <SERVER_NAME>...

    Usage: barman list-backups <SERVER_NAME>...

    For more information, try '--help'.
    ");
    assert_snapshot!(site.barman("list-servers --quiet"), @r"
    exit code 2
    -- stderr
    error: unexpected argument '--quiet' found

    Usage: barman list-servers [OPTIONS]

    For more information, try '--help'.
    ");
    assert_snapshot!(site.barman("--log-level debug list-servers"), @r"
    exit code 2
    -- stderr
    error: invalid value 'debug' for '--log-level <LEVEL>'
      [possible values: NOTSET, DEBUG, INFO, WARNING, ERROR, CRITICAL]

    For more information, try '--help'.
    ");
    assert_snapshot!(site.barman("backup main --name latest"), @r"
    exit code 2
    -- stderr
    error: invalid value 'latest' for '--name <NAME>': Backup name 'latest' is not allowed: reserved word

    For more information, try '--help'.
    ");
    assert_snapshot!(site.barman("backup main --jobs 0"), @r"
    exit code 2
    -- stderr
    error: invalid value '0' for '--jobs <NJOBS>': 0 is not in 1..=65535

    For more information, try '--help'.
    ");
    assert_snapshot!(site.barman("restore main latest new --target-lsn zz"), @r"
    exit code 2
    -- stderr
    error: invalid value 'zz' for '--target-lsn <LSN>': 'zz' is not a valid LSN

    For more information, try '--help'.
    ");
}

#[test]
fn what_is_in_the_way_of_new_wal_is_told() {
    let site = Site::new();
    assert_snapshot!(site.barman("check-wal-archive main"), @r"
    exit code 1
    -- stdout
    Server main:
    -- stderr
    ERROR: WAL archive check failed for server main: Expected empty archive
    ");
    assert_snapshot!(site.barman("-f json check-wal-archive main --timeline 1"), @r#"
    exit code 1
    -- stdout
    {"_ERROR": ["WAL archive check failed for server main: Found 1 file in WAL archive equal to or newer than timeline 1"], "main": {}}
    "#);
    assert_snapshot!(site.barman("check-wal-archive main --timeline 2"), @r"
    exit code 0
    -- stdout
    Server main:
     - WAL archive check for server main passed
    ");
}

#[test]
fn exports_are_refused_before_anything_is_written() {
    let site = Site::new();
    let export = |options: &str| site.barman(&format!("export-backup main latest {options}"));
    assert_snapshot!(export("out"), @r"
    exit code 1
    -- stderr
    ERROR: Output directory 'out' does not exist
    ");
    assert_snapshot!(export("barman.conf"), @r"
    exit code 1
    -- stderr
    ERROR: Output directory 'barman.conf' is not a directory
    ");
    assert_snapshot!(export(". --compression-level 3"), @r"
    exit code 1
    -- stderr
    ERROR: --compression-level requires --compression to be set
    ");
    assert_snapshot!(export(". --compression bzip2 --compression-level 10"), @r"
    exit code 1
    -- stderr
    ERROR: Invalid compression level '10' for algorithm 'bzip2'. Valid levels are: 1, 2, 3, 4, 5, 6, 7, 8, 9
    ");
    assert_snapshot!(export("."), @r"
    exit code 1
    -- stderr
    ERROR: No identity file found for server 'main'. The identity file is required to validate the backup during import.
    HINT: The next backup of the server writes it, to '~/home/main/identity.json'.
    ");
    assert_snapshot!(site.barman("import-backup main nowhere.tar"), @r"
    exit code 1
    -- stderr
    ERROR: Tarball file 'nowhere.tar' does not exist
    ");
    assert_snapshot!(site.barman("import-backup main barman.conf"), @r"
    exit code 1
    -- stderr
    ERROR: File 'barman.conf' is not a valid tar file
    ");
}
