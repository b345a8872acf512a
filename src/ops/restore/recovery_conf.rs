//! The settings that tell PostgreSQL where to stop, as lines of its configuration.

use std::path::Path;

use super::delivery::{Delivery, shell_word};
use super::names::{AUTO_CONF, RECOVERY_CONF};
use super::request::RestoreRequest;
use crate::ops::{Error, Server};
use crate::pg::{Features, RecoveryStyle};
use crate::sys::fs;
use crate::types::{PgVersion, RecoveryTarget, TargetAction, timestamp_text};

/// Archive recovery.
#[derive(Debug)]
pub struct Recovery {
    /// Where to stop.
    pub target: Option<RecoveryTarget>,
    /// Stop just before it.
    pub exclusive: bool,
    /// The value of `recovery_target_timeline`, when it has to be written.
    pub timeline: Option<String>,
    /// What to do then.
    pub action: Option<TargetAction>,
    /// Whether the server stays a standby.
    pub standby: bool,
    /// The file that tells PostgreSQL all this.
    pub settings_file: String,
}

/// What is asked of a server, as far as versions differ in it.
#[derive(Debug, Clone, Copy)]
pub struct AskedFor<'a> {
    /// Where to stop.
    pub target: Option<&'a RecoveryTarget>,
    /// What to do there.
    pub action: Option<TargetAction>,
    /// Whether to stay a standby.
    pub standby: bool,
}

impl AskedFor<'_> {
    /// Why a server of `version` cannot do it.
    pub fn refusal(self, version: PgVersion) -> Option<String> {
        let (what, since) = match (self.target, self.action) {
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
            _ if self.standby && version < PgVersion::new(90_000) => ("standby mode", "9.0"),
            _ => return None,
        };
        Some(format!(
            "PostgreSQL {version}, of which the backup is, does not know {what} (PostgreSQL {since} does)"
        ))
    }
}

/// The file that tells a server of `version` how to recover; a name that was asked for in vain is said to be.
///
/// # Errors
/// When the name leads out of the data directory.
pub fn file_of(server: &Server<'_>, request: &RestoreRequest, version: PgVersion) -> Result<String, Error> {
    let style = Features::of(version).recovery_style;
    let default = match style {
        RecoveryStyle::SignalFiles => AUTO_CONF,
        RecoveryStyle::RecoveryConf => RECOVERY_CONF,
    };
    let Some(name) = &request.settings_file else { return Ok(default.to_owned()) };
    if !fs::leads_below(Path::new(name)) {
        return Err(Error::refused(format!(
            "Invalid name '{name}' of a file for recovery settings: name one in the data directory, like \
             'recovery.auto.conf'"
        )));
    }
    let reason = match (request.recovers(), style) {
        (true, RecoveryStyle::SignalFiles) => return Ok(name.clone()),
        (true, RecoveryStyle::RecoveryConf) => format!("PostgreSQL {version} reads {RECOVERY_CONF} only"),
        (false, _) => {
            "there are no recovery settings without a target, --get-wal or --standby-mode".to_owned()
        }
    };
    server.warning(format!("The --recovery-conf-filename option was ignored as {reason}."));
    Ok(default.to_owned())
}

/// The first version with a setting `recovery_target_action`; before, a pause could be switched on.
const RECOVERY_TARGET_ACTION: PgVersion = PgVersion::new(90_500);

/// The lines, each ended by a line feed, for a server of `version` that gets its WAL by `delivery`.
pub fn render(recovery: &Recovery, delivery: &Delivery, version: PgVersion) -> String {
    let mut lines = Lines::default();
    match delivery {
        Delivery::InPlace(_) => {}
        Delivery::Aside(directory) => {
            let directory = shell_word(&directory.to_string_lossy());
            lines.add("restore_command", &quote(&format!("cp {directory}/%f %p")));
            lines.add("recovery_end_command", &quote(&format!("rm -fr {directory}")));
        }
        Delivery::Fetched(fetch) => {
            lines.remark(fetch.remark.as_deref());
            lines.add("restore_command", &quote(&fetch.command));
        }
    }
    match &recovery.target {
        None => {}
        Some(RecoveryTarget::Immediate) => lines.add("recovery_target", "'immediate'"),
        Some(RecoveryTarget::Time(at)) => {
            lines.add("recovery_target_time", &quote(&timestamp_text(*at)));
        }
        Some(RecoveryTarget::Xid(xid)) => lines.add("recovery_target_xid", &quote(xid)),
        Some(RecoveryTarget::Lsn(lsn)) => lines.add("recovery_target_lsn", &quote(&lsn.to_string())),
        Some(RecoveryTarget::Name(name)) => lines.add("recovery_target_name", &quote(name)),
    }
    if recovery.exclusive {
        lines.add("recovery_target_inclusive", "'False'");
    }
    if let Some(timeline) = &recovery.timeline {
        lines.add("recovery_target_timeline", timeline);
    }
    match recovery.action {
        Some(TargetAction::Pause) if version < RECOVERY_TARGET_ACTION => {
            lines.add("pause_at_recovery_target", "'on'");
        }
        Some(action) => lines.add("recovery_target_action", &quote(action.as_str())),
        None => {}
    }
    if recovery.standby && Features::of(version).recovery_style == RecoveryStyle::RecoveryConf {
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

    fn remark(&mut self, text: Option<&str>) {
        self.0.extend(text.map(|text| format!("# {}\n", text.replace('\n', " "))));
    }
}

/// A string of PostgreSQL's configuration: quotes and backslashes doubled, line feeds escaped.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::super::delivery::FetchCommand;
    use super::*;

    fn recovery() -> Recovery {
        Recovery {
            target: None,
            exclusive: false,
            timeline: None,
            action: None,
            standby: false,
            settings_file: AUTO_CONF.into(),
        }
    }

    fn written(recovery: &Recovery, version: u32) -> String {
        render(recovery, &Delivery::Aside("/w".into()), PgVersion::new(version))
    }

    #[test]
    fn a_target_is_written_as_postgresql_reads_it() {
        let recovery = Recovery {
            target: Some(RecoveryTarget::Time("2026-11-22T11:45:55.5+01:00".parse().unwrap())),
            exclusive: true,
            timeline: Some("2".into()),
            action: Some(TargetAction::Promote),
            ..recovery()
        };
        assert_eq!(
            render(&recovery, &Delivery::Aside("/r/barman_wal".into()), PgVersion::new(150_018)),
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
        let delivery = Delivery::Aside("/r/it's 100%".into());
        let text = render(&recovery(), &delivery, PgVersion::new(150_018));
        assert!(text.starts_with("restore_command = 'cp ''/r/it''\\\\''''s 100%%''/%f %p'\n"), "{text}");
    }

    #[test]
    fn a_name_cannot_break_out_of_its_quotes() {
        let target = RecoveryTarget::Name("x'\nshared_preload_libraries = 'evil".into());
        let text = written(&Recovery { target: Some(target), ..recovery() }, 150_018);
        assert!(
            text.ends_with("recovery_target_name = 'x''\\nshared_preload_libraries = ''evil'\n"),
            "{text}"
        );
    }

    #[test]
    fn old_servers_are_told_in_their_words_and_not_asked_for_what_they_cannot_do() {
        let pause = Recovery { action: Some(TargetAction::Pause), ..recovery() };
        assert!(written(&pause, 90_426).ends_with("pause_at_recovery_target = 'on'\n"));
        assert!(written(&pause, 90_500).ends_with("recovery_target_action = 'pause'\n"));
        let nothing = AskedFor { target: None, action: None, standby: false };
        let target = |target: RecoveryTarget, version| {
            AskedFor { target: Some(&target), ..nothing }.refusal(PgVersion::new(version))
        };
        let lsn = || RecoveryTarget::Lsn("0/3000000".parse().unwrap());
        assert!(target(lsn(), 90_624).is_some() && target(lsn(), 100_000).is_none());
        let name = || RecoveryTarget::Name("x".into());
        assert!(target(name(), 90_023).is_some() && target(name(), 90_100).is_none());
        assert!(target(RecoveryTarget::Immediate, 90_325).is_some());
        assert!(target(RecoveryTarget::Immediate, 90_400).is_none());
        let refuses = |asked: AskedFor<'_>, version| asked.refusal(PgVersion::new(version)).is_some();
        let action = |action, version| refuses(AskedFor { action: Some(action), ..nothing }, version);
        assert!(action(TargetAction::Promote, 90_426) && !action(TargetAction::Promote, 90_500));
        assert!(action(TargetAction::Pause, 90_023) && !action(TargetAction::Pause, 90_124));
        let standby = AskedFor { standby: true, ..nothing };
        assert!(refuses(standby, 80_422) && !refuses(standby, 90_000));
    }

    #[test]
    fn a_standby_of_an_old_server_is_told_in_recovery_conf() {
        let standby = Recovery { standby: true, ..recovery() };
        let written =
            |version| render(&standby, &Delivery::InPlace("/r/pg_wal".into()), PgVersion::new(version));
        assert_eq!(written(100_023), "standby_mode = 'on'\n");
        assert_eq!(written(150_018), "");
    }

    #[test]
    fn what_fetches_wal_is_a_quoted_command_below_what_there_is_to_know_of_it() {
        let fetch = FetchCommand {
            remark: Some("as 'barman'".into()),
            command: r"get 'a' \ %f > %p".into(),
            is_custom: false,
        };
        assert_eq!(
            render(&recovery(), &Delivery::Fetched(fetch), PgVersion::new(150_018)),
            "# as 'barman'\nrestore_command = 'get ''a'' \\\\ %f > %p'\n"
        );
    }
}
