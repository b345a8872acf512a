//! Which functions, views and columns each version had, from the release notes and manuals of PostgreSQL.

use super::wire::Refusal;

/// Names of the system catalogue with the versions from which and before which they were there.
const NAMES: [(&str, u32, u32); 50] = [
    ("abs", 0, ALWAYS),
    ("bool", 0, ALWAYS),
    ("clock_timestamp", 0, ALWAYS),
    ("current_setting", 0, ALWAYS),
    ("float8", 0, ALWAYS),
    ("has_function_privilege", 0, ALWAYS),
    ("int8", 0, ALWAYS),
    ("left", 90_100, ALWAYS),
    ("lpad", 0, ALWAYS),
    ("now", 0, ALWAYS),
    ("pg_backend_pid", 0, ALWAYS),
    ("pg_backup_start", 150_000, ALWAYS),
    ("pg_control_checkpoint", 90_600, ALWAYS),
    ("pg_control_recovery", 90_600, ALWAYS),
    ("pg_control_system", 90_600, ALWAYS),
    ("pg_create_restore_point", 90_100, ALWAYS),
    ("pg_current_wal_lsn", 100_000, ALWAYS),
    ("pg_current_xlog_insert_location", 0, 100_000),
    ("pg_current_xlog_location", 0, 100_000),
    ("pg_extension", 90_100, ALWAYS),
    ("pg_has_role", 0, ALWAYS),
    ("pg_is_in_recovery", 90_000, ALWAYS),
    ("pg_last_xlog_replay_location", 90_000, 100_000),
    ("pg_namespace", 0, ALWAYS),
    ("pg_read_file", 0, ALWAYS),
    ("pg_replication_slots", 90_400, ALWAYS),
    ("pg_roles", 0, ALWAYS),
    ("pg_settings", 0, ALWAYS),
    ("pg_size_bytes", 90_600, ALWAYS),
    ("pg_start_backup", 0, 150_000),
    ("pg_stat_activity", 0, ALWAYS),
    ("pg_stat_archiver", 90_400, ALWAYS),
    ("pg_stop_backup", 0, 150_000),
    ("pg_switch_wal", 100_000, ALWAYS),
    ("pg_switch_xlog", 0, 100_000),
    ("pg_tablespace", 0, ALWAYS),
    ("pg_tablespace_location", 90_200, ALWAYS),
    ("pg_tablespace_size", 0, ALWAYS),
    ("pg_terminate_backend", 80_400, ALWAYS),
    ("pg_xlogfile_name", 0, 100_000),
    ("quote_ident", 0, ALWAYS),
    ("set_config", 0, ALWAYS),
    ("string_to_array", 0, ALWAYS),
    ("strpos", 0, ALWAYS),
    ("substr", 0, ALWAYS),
    ("sum", 0, ALWAYS),
    ("text", 0, ALWAYS),
    ("to_char", 0, ALWAYS),
    ("to_hex", 0, ALWAYS),
    ("upper", 0, ALWAYS),
];

/// Other things that were not always there, by the text that uses them.
const USES: [(&str, u32, u32); 8] = [
    ("spclocation", 0, 90_200),
    ("procpid", 0, 90_200),
    ("backend(pid)", 90_200, ALWAYS),
    (", 'OF')", 90_400, ALWAYS),
    ("$2::pg_catalog.bool, false)", 90_600, ALWAYS),
    ("$2::pg_catalog.bool, true)", 90_600, ALWAYS),
    ("pg_stop_backup(false", 90_600, ALWAYS),
    ("pg_stop_backup(true", 90_600, ALWAYS),
];

const ALWAYS: u32 = u32::MAX;

/// Refuses SQL that a server of `version` would not understand.
pub fn check(sql: &str, version: u32) -> Result<(), Refusal> {
    let had = |since: u32, until: u32| (since..until).contains(&version);
    for used in sql.split("pg_catalog.").skip(1) {
        let name = used.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap();
        let known = NAMES.iter().find(|(known, ..)| *known == name);
        let (_, since, until) = known.unwrap_or_else(|| panic!("when did {name} come? {sql}"));
        if !had(*since, *until) {
            return Err(Refusal::new("42883", &format!("{name} does not exist: {sql}")));
        }
    }
    for (text, since, until) in USES {
        if sql.contains(text) && !had(since, until) {
            return Err(Refusal::new("42703", &format!("{text} does not exist: {sql}")));
        }
    }
    Ok(())
}
