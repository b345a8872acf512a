//! What whole configurations mean. How single values are read is judged by `tests/config_golden.rs`.

pub(crate) mod kit;
mod reference;

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::sys::{Files, Severity};
use crate::types::RetentionPolicy;
use kit::{Home, READY};

/// Why the configuration cannot be loaded.
fn failure(home: &Home, main: &str) -> String {
    let error = home.load(main).err().expect("an error").to_string();
    error.replace(home.path().to_str().unwrap(), "@HOME@")
}

const GLOBAL: &str = "[barman]\nbarman_home = @HOME@\nconfiguration_files_directory = @HOME@/conf.d\n";
const GLOBAL_TOML: &str =
    "[barman]\nbarman_home = '@HOME@'\nconfiguration_files_directory = '@HOME@/conf.d'\n";
fn main_server(text: &str) -> ServerConfig {
    kit::server(Path::new("/var/lib/barman"), text)
}

fn texts(config: &Config) -> Vec<&str> {
    config.warnings.iter().map(|notice| notice.text.as_str()).collect()
}

#[test]
fn the_installation_is_known_before_the_servers() {
    let home = Home::with(&[(
        "barman.conf",
        "[barman]\nbarman_home = @HOME@\nbarman_user = postgres\nlog_file = %(barman_home)s/log\n\
         log_level = debug\nlog_format = %(asctime)s %(message)s\nlock_directory_cleanup = no\n",
    )]);
    let main = MainFile::load(&home.path().join("barman.conf"), &Files::default()).unwrap();
    let global = main.global();
    assert_eq!(global.barman_user, "postgres");
    assert_eq!(global.log_file, Some(home.path().join("log")));
    assert_eq!(global.log_level, LogLevel::DEBUG);
    assert_eq!(global.log_format.0.len(), 3);
    assert_eq!(global.lock_directory, home.path());
    assert_eq!(global.config_changes_queue, home.path().join("cfg_changes.queue"));
    assert!(!global.lock_directory_cleanup);
    let names: Vec<_> = global.settings.iter().map(|(name, ..)| name.as_str()).collect();
    assert!(names.is_sorted() && names.contains(&"barman_lock_directory") && names.contains(&"log_level"));
}

#[test]
fn every_setting_knows_its_file_and_line() {
    let home = Home::with(&[
        ("barman.conf", &format!("{GLOBAL}parallel_jobs = 2\n[main]\n{READY}")),
        ("conf.d/a.conf", "# ours\n[main]\ndescription = a\n"),
    ]);
    let config = home.load("barman.conf").unwrap();
    let server = &config.servers["main"];
    let source = |option| match server.source(schema::Key::named(option)) {
        Source::File(place) => Some((place.file.file_name().unwrap().to_str().unwrap(), place.line)),
        Source::Default => None,
    };
    assert_eq!(source("parallel_jobs"), Some(("barman.conf", 4)));
    assert_eq!(source("description"), Some(("a.conf", 3)));
    assert_eq!(source("check_timeout"), None);
    assert_eq!(server.place().line, 5);
}

#[test]
fn warnings_know_their_line_and_who_is_told() {
    let home = Home::with(&[(
        "barman.conf",
        &format!("{GLOBAL}ssh_command = ssh x\n[main]\n{READY}zebra = 1\nbandwidth_limit = x\n"),
    )]);
    let config = home.load("barman.conf").unwrap();
    let told: Vec<_> = config
        .warnings
        .iter()
        .map(|notice| (notice.severity, notice.audience, notice.place.as_ref().map(|place| place.line)))
        .collect();
    let [log, everyone] = [Audience::Log, Audience::Everyone];
    assert_eq!(
        told,
        [
            (Severity::Warning, log, None),
            (Severity::Warning, log, Some(4)),
            (Severity::Warning, everyone, Some(10)),
            (Severity::Warning, log, Some(11)),
        ],
        "{:?}",
        texts(&config)
    );
    assert!(config.warnings[2].to_string().ends_with("barman.conf' line 10)"));
}

#[test]
fn toml_says_the_same_as_ini() {
    let ini = Home::with(&[(
        "barman.conf",
        &format!(
            "{GLOBAL}compression = gzip\n[main]\nconninfo = host=pg\nssh_command = ssh pg\nactive = on\n\
             backup_options = concurrent_backup\narchiver = on\nparallel_jobs = 4\nbandwidth_limit = 100\n\
             last_backup_minimum_size = 1Ki\nlast_backup_maximum_age = 1 week\nretention_policy = REDUNDANCY 2\n\
             tablespace_bandwidth_limit = a:1 b:2\ncompression_level = 3\nsnapshot_disks = x,y\ncluster = %(name)s\n"
        ),
    )]);
    let toml = Home::with(&[(
        "barman.toml",
        &format!(
            "{GLOBAL_TOML}compression = 'gzip'\n[main]\nconninfo = 'host=pg'\nssh_command = 'ssh pg'\nactive = true\n\
             backup_options = ['concurrent_backup']\narchiver = true\nparallel_jobs = 4\nbandwidth_limit = 100\n\
             last_backup_minimum_size = 1024\nlast_backup_maximum_age = '1 week'\nretention_policy = 'REDUNDANCY 2'\n\
             tablespace_bandwidth_limit = {{ a = 1, b = 2 }}\ncompression_level = 3\nsnapshot_disks = ['x', 'y']\n"
        ),
    )]);
    let values = |home: &Home, main| {
        let config = home.load(main).unwrap();
        let place = home.path().to_str().unwrap().to_owned();
        let settings = config.servers["main"].settings();
        settings.map(|(key, value, _)| (key, value.to_string().replace(&place, "@HOME@"))).collect::<Vec<_>>()
    };
    assert_eq!(values(&ini, "barman.conf"), values(&toml, "barman.toml"));
}

#[test]
fn a_toml_value_of_the_wrong_type_is_ignored_with_its_line() {
    let home = Home::with(&[(
        "barman.toml",
        &format!("{GLOBAL_TOML}[main]\nactive = 'on'\ncheck_timeout = '3'\nzebra = 1\n"),
    )]);
    let config = home.load("barman.toml").unwrap();
    let mut told = config.warnings.iter().filter(|notice| notice.place.is_some()).map(Notice::to_string);
    let mut next = || told.next().unwrap().replace(home.path().to_str().unwrap(), "@HOME@");
    assert_eq!(
        next(),
        "Invalid configuration option \"zebra\" in [main] section. ('@HOME@/barman.toml' line 7)"
    );
    assert_eq!(
        next(),
        "Ignoring invalid configuration value 'on' for key active in [main] section: expected true or false, \
         without quotes ('@HOME@/barman.toml' line 5)"
    );
    assert!(next().contains("value '3' for key check_timeout in [main] section: expected a whole number"));
    assert!(config.servers["main"].is_active());
}

#[test]
fn only_a_server_that_toml_has_to_do_with_is_hidden_from_python() {
    let home = Home::with(&[
        ("barman.conf", &format!("{GLOBAL}[ini]\n{READY}")),
        ("conf.d/a.toml", "[toml]\nconninfo = 'host=pg'\n"),
        (".barman.auto.conf", "[toml]\nparallel_jobs = 3\n[ini]\nparallel_jobs = 3\n"),
    ]);
    let config = home.load("barman.conf").unwrap();
    assert!(config.servers["toml"].is_toml() && !config.servers["ini"].is_toml());
    assert_eq!(config.servers["toml"].parallel_jobs(), 3);

    let all = Home::with(&[("barman.toml", GLOBAL_TOML), ("conf.d/a.conf", &format!("[ini]\n{READY}"))]);
    assert!(all.load("barman.toml").unwrap().servers["ini"].is_toml());
}

#[test]
fn a_server_in_both_formats_is_refused() {
    let home = Home::with(&[
        ("barman.conf", &format!("{GLOBAL}[main]\n{READY}")),
        ("conf.d/a.toml", "\n[main]\ndescription = 'x'\n"),
    ]);
    assert_eq!(
        failure(&home, "barman.conf"),
        "'@HOME@/conf.d/a.toml' line 2: section [main] is in TOML and in INI; the other one begins in \
         '@HOME@/barman.conf' line 4"
    );
}

#[test]
fn toml_files_may_repeat_the_installation_and_not_change_it() {
    let same =
        Home::with(&[("barman.conf", GLOBAL), ("conf.d/a.toml", "[barman]\nbarman_home = '@HOME@'\n")]);
    assert!(same.load("barman.conf").is_ok());
    let other = Home::with(&[("barman.conf", GLOBAL), ("conf.d/a.toml", "[barman]\nparallel_jobs = 2\n")]);
    assert_eq!(
        failure(&other, "barman.conf"),
        "'@HOME@/conf.d/a.toml' line 2: only the main configuration file may set 'parallel_jobs' in section \
         [barman]"
    );
}

#[test]
fn a_main_file_that_is_not_read_is_named() {
    let home = Home::with(&[("barman.conf", GLOBAL), ("barman.toml", GLOBAL_TOML)]);
    let config = home.load("barman.conf").unwrap();
    assert!(texts(&config)[0].contains("barman.toml' is not read, because"), "{:?}", texts(&config));
}

#[test]
fn inherited_values_may_name_the_server() {
    let home = Home::with(&[(
        "barman.conf",
        &format!("{GLOBAL}path_prefix = %(backup_directory)s/bin\n[a]\n{READY}[b]\n{READY}"),
    )]);
    let config = home.load("barman.conf").unwrap();
    let expected = |name: &str| home.path().join(name).join("bin").to_str().unwrap().to_owned();
    for name in ["a", "b"] {
        assert_eq!(config.servers[name].path_prefix(), Some(expected(name).as_str()));
    }
}

#[test]
fn values_come_as_the_use_cases_need_them() {
    let server = main_server(
        "parallel_jobs = -4\narchiver_batch_size = 0\ncheck_timeout = 0\nkeepalive_interval = 5\n\
         bandwidth_limit = 0\ntablespace_bandwidth_limit = a:5 b:-1\nbasebackup_retry_times = 3\n\
         reuse_backup = link\ncompression = PIGZ\ncompression_level = high\nretention_policy = redundancy 3\n\
         minimum_redundancy = 2\nlast_backup_maximum_age = 1 day\nlast_backup_minimum_size = 1k\n\
         recovery_options = get-wal\npre_backup_script = one\npre_backup_retry_script = two\n",
    );
    assert_eq!(server.parallel_jobs(), 1);
    assert_eq!(server.archiver_batch_size(), None);
    assert_eq!(server.check_timeout(), None);
    assert_eq!(server.keepalive_interval(), Some(Duration::from_secs(5)));
    assert_eq!(server.bandwidth_limit(), None);
    assert_eq!(server.tablespace_bandwidth_limit(), BTreeMap::from([("a", Some(5)), ("b", None)]));
    assert_eq!(server.basebackup_retry(), Retry { times: 3, sleep: Duration::from_secs(30) });
    assert_eq!(server.reuse_backup(), ReuseBackup::Link);
    assert_eq!(server.compression(), Some(Compression::Pigz));
    assert_eq!(server.compression_level(), CompressionLevel::High);
    assert_eq!(server.retention_policy(), Some(RetentionPolicy::Redundancy(3)));
    assert_eq!(server.minimum_redundancy(), 2);
    assert_eq!(server.last_backup_maximum_age(), Some(Duration::from_secs(86_400)));
    assert_eq!(server.last_backup_minimum_size(), Some(1000));
    assert_eq!(server.recovery_options(), RecoveryOptions { get_wal: true, delta_restore: false });
    assert_eq!(server.backup_method(), BackupMethod::Rsync);
    assert_eq!(
        server.hooks(HookPhase::Pre, HookEvent::Backup),
        Hooks { script: Some("one"), retry_script: Some("two") }
    );
    assert_eq!(server.hooks(HookPhase::Post, HookEvent::WalDelete), Hooks::default());
    assert_eq!(server.meta_directory(), server.backup_directory().join("meta"));
}

#[test]
fn every_hook_has_its_options() {
    for (phase, event) in HookPhase::ALL.iter().flat_map(|p| HookEvent::ALL.iter().map(move |e| (p, e))) {
        let option = format!("{}_{}_script", phase.as_str(), event.as_str());
        assert!(schema::Key::find(&option).is_some(), "{option}");
    }
}

#[test]
fn the_directories_of_a_server_are_those_barman_makes() {
    let server = main_server("wals_directory = s3://bucket\n");
    let names: Vec<_> = server.directories().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "backup_directory",
            "basebackups_directory",
            "cloud_staging_directory",
            "errors_directory",
            "incoming_wals_directory",
            "streaming_wals_directory",
            "meta_directory",
        ]
    );
    assert_eq!(server.xlogdb_directory(), server.meta_directory());
    assert_eq!(server.object_stores().collect::<Vec<_>>(), [("wals_directory", "s3://bucket")]);
}

#[test]
fn what_this_version_cannot_do_is_said() {
    assert_eq!(main_server("compression = custom\n").unsupported(), [""; 0]);
    // How backups are taken is nothing to a node that only copies them.
    let passive =
        "primary_ssh_command = ssh x\nstreaming_archiver = on\nbackup_method = postgres\nencryption = gpg\n";
    assert_eq!(main_server(passive).unsupported(), [""; 0]);
    for (text, word) in [
        ("primary_ssh_command = ssh x\nwals_directory = gs://bucket\n", "wals_directory = gs://bucket"),
        ("streaming_archiver = on\n", "streaming_archiver = on"),
        ("backup_method = postgres\n", "backup_method = postgres"),
        ("backup_method = snapshot\n", "backup_method = snapshot"),
        ("backup_method = local-to-cloud\n", "backup_method = local-to-cloud"),
        ("basebackups_directory = s3://bucket\n", "basebackups_directory = s3://bucket"),
        ("wals_directory = gs://bucket\n", "wals_directory = gs://bucket"),
    ] {
        let said = main_server(text).unsupported();
        assert!(said.len() == 1 && said[0].contains(word), "{text}: {said:?}");
    }
}

#[test]
fn a_policy_that_cannot_be_read_is_not_enforced_and_named() {
    let server = main_server("retention_policy = all\n");
    assert_eq!(server.retention_policy(), None);
    assert_eq!(
        server.retention_fault(),
        Some("Invalid retention_policy setting \"all\" for server \"main\"")
    );
}

#[test]
fn former_names_of_options_still_count() {
    let server = main_server("snapshot_gcp_project = old\nsnapshot_zone = old\ngcp_zone = new\n");
    assert_eq!((server.gcp_project(), server.gcp_zone()), (Some("old"), Some("new")));

    let staged =
        |text: &str| main_server(text).staging_options().for_unpacking().map(|s| (s.path, s.location));
    let at = |path: &str, location| Some((path.into(), location));
    let [local, remote] = [StagingLocation::Local, StagingLocation::Remote];
    assert_eq!(staged(""), at("/tmp", local));
    assert_eq!(staged("staging_path = /x\nstaging_location = remote\n"), at("/x", remote));
    assert_eq!(staged("recovery_staging_path = /x\nstaging_location = remote\n"), at("/x", local));
    assert_eq!(staged("local_staging_path = /x\n"), None);
}

#[test]
fn a_model_tells_what_it_changes() {
    let home = Home::with(&[(
        "barman.conf",
        &format!(
            "{GLOBAL}[main]\n{READY}[m]\nmodel = on\ncluster = main\nconninfo = host=pg\nparallel_jobs = 3\n"
        ),
    )]);
    let config = home.load("barman.conf").unwrap();
    let changes = config.servers["main"].changes_by(&config.models["m"]);
    assert_eq!(changes, [Change { option: "parallel_jobs", old: Value::Int(1), new: Value::Int(3) }]);
    assert_eq!(config.models["m"].settings().count(), 95);
}

#[test]
fn names_select_servers_in_order_and_once() {
    let home = Home::with(&[("barman.conf", &format!("{GLOBAL}[b]\n{READY}[a]\n{READY}"))]);
    let config = home.load("barman.conf").unwrap();
    let select = |names: &[&str]| {
        let (servers, errors) = config.select(names);
        let servers: Vec<_> = servers.iter().map(|server| server.name().to_owned()).collect();
        (servers.join(" "), errors.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    };
    let text = |servers: &str, errors: &str| (servers.to_owned(), errors.to_owned());
    assert_eq!(select(&["b", "a", "b"]), text("a b", ""));
    assert_eq!(select(&["all"]), text("a b", ""));
    assert_eq!(select(&["c", "a"]), text("a", "Unknown server 'c'"));
    assert_eq!(select(&["all", "a"]), text("a b", "You cannot use 'all' with other server names"));
    let one = |name| config.server(name).err().map(|error| error.to_string());
    assert_eq!(one("a"), None);
    assert_eq!(one("all").unwrap(), "You cannot use 'all' in a single server context");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let home = Home::with(&[]);
    assert_eq!(failure(&home, "barman.conf"), "cannot read '@HOME@/barman.conf'");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_file_is_read_or_refused_without_panic(
        text in "(\\[barman\\]\n|\\[m\\]\n|barman_home = /x\n|model = on\n|cluster|conninfo|slot_name|log_format| = |%|\\(name\\)s|a|,|:|1| |\n){0,40}",
        main in prop::sample::select(vec!["barman.conf", "barman.toml"]),
    ) {
        let home = Home::with(&[(main, &text)]);
        let _ = home.load(main);
    }
}
