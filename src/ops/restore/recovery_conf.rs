//! The settings that tell PostgreSQL where to stop, as lines of its configuration.

use std::path::Path;

use crate::types::{PgVersion, RecoveryTarget, TargetAction, timestamp_text};

/// What the recovery settings say.
#[derive(Debug)]
pub struct RecoverySettings<'a> {
    /// The directory with the WAL files that recovery needs; PostgreSQL removes it at the end.
    pub wal_dir: &'a Path,
    /// Where to stop; the end of the WAL when nothing is said.
    pub target: Option<&'a RecoveryTarget>,
    /// Stop just before the target.
    pub exclusive: bool,
    /// The timeline to follow, as PostgreSQL spells it; its default when nothing is said.
    pub timeline: Option<String>,
    /// What to do at the target.
    pub action: Option<TargetAction>,
    /// Stay a standby when the WAL ends.
    pub standby: bool,
}

/// Why a server of `version` cannot stop at the target, or cannot do there what is asked for.
pub fn refusal(
    target: Option<&RecoveryTarget>,
    action: Option<TargetAction>,
    version: PgVersion,
) -> Option<String> {
    let (what, since) = match (target, action) {
        (Some(RecoveryTarget::Lsn(_)), _) if !version.at_least(10) => ("an LSN as recovery target", "10"),
        (Some(RecoveryTarget::Immediate), _) if version < PgVersion::new(90_400) => {
            ("the first consistent moment as recovery target", "9.4")
        }
        (Some(RecoveryTarget::Name(_)), _) if version < PgVersion::new(90_100) => {
            ("a named restore point as recovery target", "9.1")
        }
        (_, Some(TargetAction::Pause)) if version < PgVersion::new(90_100) => {
            ("a pause at the recovery target", "9.1")
        }
        (_, Some(TargetAction::Promote | TargetAction::Shutdown)) if version < RECOVERY_TARGET_ACTION => {
            ("another action at the recovery target than a pause", "9.5")
        }
        _ => return None,
    };
    Some(format!(
        "PostgreSQL {version}, of which the backup is, does not know {what} (PostgreSQL {since} does)"
    ))
}

/// The first version with a setting `recovery_target_action`; before, a pause could be switched on.
const RECOVERY_TARGET_ACTION: PgVersion = PgVersion::new(90_500);

/// The lines, each ended by a line feed, for a server of `version`.
pub fn render(settings: &RecoverySettings<'_>, version: PgVersion) -> String {
    let mut lines = Lines::default();
    if !settings.standby {
        let wal_dir = shell_word(settings.wal_dir);
        lines.add("restore_command", &quote(&format!("cp {wal_dir}/%f %p")));
        lines.add("recovery_end_command", &quote(&format!("rm -fr {wal_dir}")));
    }
    match settings.target {
        None => {}
        Some(RecoveryTarget::Immediate) => lines.add("recovery_target", "'immediate'"),
        Some(RecoveryTarget::Time(at)) => {
            lines.add("recovery_target_time", &quote(&timestamp_text(*at)));
        }
        Some(RecoveryTarget::Xid(xid)) => lines.add("recovery_target_xid", &quote(xid)),
        Some(RecoveryTarget::Lsn(lsn)) => lines.add("recovery_target_lsn", &quote(&lsn.to_string())),
        Some(RecoveryTarget::Name(name)) => lines.add("recovery_target_name", &quote(name)),
    }
    if settings.exclusive {
        lines.add("recovery_target_inclusive", "'False'");
    }
    if let Some(timeline) = &settings.timeline {
        lines.add("recovery_target_timeline", timeline);
    }
    match settings.action {
        Some(TargetAction::Pause) if version < RECOVERY_TARGET_ACTION => {
            lines.add("pause_at_recovery_target", "'on'");
        }
        Some(action) => lines.add("recovery_target_action", &quote(action.as_str())),
        None => {}
    }
    if settings.standby && !version.at_least(12) {
        lines.add("standby_mode", "'on'");
    }
    lines.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, value: &str) {
        self.0.push_str(&format!("{name} = {value}\n"));
    }
}

/// A string of PostgreSQL's configuration: quotes and backslashes doubled, line feeds escaped.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n"))
}

/// A path as one word of a shell command in which PostgreSQL replaces what follows a percent sign.
fn shell_word(path: &Path) -> String {
    shell_words::quote(&path.to_string_lossy()).replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(wal_dir: &str) -> RecoverySettings<'_> {
        RecoverySettings {
            wal_dir: Path::new(wal_dir),
            target: None,
            exclusive: false,
            timeline: None,
            action: None,
            standby: false,
        }
    }

    #[test]
    fn a_target_is_written_as_postgresql_reads_it() {
        let target = RecoveryTarget::Time("2026-11-22T11:45:55.5+01:00".parse().unwrap());
        let settings = RecoverySettings {
            target: Some(&target),
            exclusive: true,
            timeline: Some("2".into()),
            action: Some(TargetAction::Promote),
            ..settings("/r/barman_wal")
        };
        assert_eq!(
            render(&settings, PgVersion::new(150_018)),
            "restore_command = 'cp /r/barman_wal/%f %p'\n\
             recovery_end_command = 'rm -fr /r/barman_wal'\n\
             recovery_target_time = '2026-11-22 11:45:55.500000+01:00'\n\
             recovery_target_inclusive = 'False'\n\
             recovery_target_timeline = 2\n\
             recovery_target_action = 'promote'\n"
        );
    }

    #[test]
    fn paths_with_blanks_quotes_and_percent_signs_reach_the_shell_whole() {
        let text = render(&settings("/r/it's 100%"), PgVersion::new(150_018));
        assert!(text.starts_with("restore_command = 'cp ''/r/it''\\\\''''s 100%%''/%f %p'\n"), "{text}");
    }

    #[test]
    fn a_name_cannot_break_out_of_its_quotes() {
        let target = RecoveryTarget::Name("x'\nshared_preload_libraries = 'evil".into());
        let text =
            render(&RecoverySettings { target: Some(&target), ..settings("/w") }, PgVersion::new(150_018));
        assert!(
            text.ends_with("recovery_target_name = 'x''\\nshared_preload_libraries = ''evil'\n"),
            "{text}"
        );
    }

    #[test]
    fn old_servers_are_told_in_their_words_and_not_asked_for_what_they_cannot_do() {
        let pause = RecoverySettings { action: Some(TargetAction::Pause), ..settings("/w") };
        assert!(render(&pause, PgVersion::new(90_426)).ends_with("pause_at_recovery_target = 'on'\n"));
        assert!(render(&pause, PgVersion::new(90_500)).ends_with("recovery_target_action = 'pause'\n"));
        let target = |target: RecoveryTarget, version| refusal(Some(&target), None, PgVersion::new(version));
        let lsn = || RecoveryTarget::Lsn("0/3000000".parse().unwrap());
        assert!(target(lsn(), 90_624).is_some() && target(lsn(), 100_000).is_none());
        let name = || RecoveryTarget::Name("x".into());
        assert!(target(name(), 90_023).is_some() && target(name(), 90_100).is_none());
        assert!(target(RecoveryTarget::Immediate, 90_325).is_some());
        assert!(target(RecoveryTarget::Immediate, 90_400).is_none());
        let action = |action, version| refusal(None, Some(action), PgVersion::new(version)).is_some();
        assert!(action(TargetAction::Promote, 90_426) && !action(TargetAction::Promote, 90_500));
        assert!(action(TargetAction::Pause, 90_023) && !action(TargetAction::Pause, 90_124));
    }

    #[test]
    fn a_standby_of_an_old_server_is_told_in_recovery_conf() {
        let standby = RecoverySettings { standby: true, ..settings("/w") };
        assert_eq!(render(&standby, PgVersion::new(100_023)), "standby_mode = 'on'\n");
        assert_eq!(render(&standby, PgVersion::new(150_018)), "");
    }
}
