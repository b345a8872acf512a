//! The scripts around a restore.

use std::collections::BTreeMap;

use serde_json::Value;

use super::request::{RestoreRequest, TypedTarget};
use crate::catalog::BackupInfo;
use crate::config::HookEvent;
use crate::ops::hooks::{BackupFacts, RestoreFacts, Scripts, Subject};
use crate::ops::{Error, Server};
use crate::types::TargetTimeline;

/// Runs `work` between the scripts of a server; those after it only when it went through.
pub fn around<T>(
    server: &Server<'_>,
    request: &RestoreRequest,
    backup: &BackupInfo,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let (backup, restore) = (BackupFacts::of(&server.catalog()?, backup), facts(request));
    let (scripts, subject) = (Scripts::of(server), Subject::Restore(&backup, &restore));
    scripts.before(&server.context, HookEvent::Recovery, &subject)?;
    let outcome = work()?;
    scripts.after(&server.context, HookEvent::Recovery, &subject);
    Ok(outcome)
}

/// The words that were typed, under the names that Barman has for them.
fn facts(request: &RestoreRequest) -> RestoreFacts {
    let mut options: BTreeMap<&'static str, Value> = request.targets.iter().map(named).collect();
    if let Some(timeline) = &request.timeline {
        let typed = match timeline {
            TargetTimeline::Number(timeline) => timeline.number().into(),
            TargetTimeline::Current => "current".into(),
            TargetTimeline::Latest => "latest".into(),
        };
        options.insert("target_tli", typed);
    }
    if let Some(action) = request.action {
        options.insert("target_action", action.as_str().into());
    }
    let flags = [
        ("exclusive", request.exclusive),
        ("standby_mode", request.standby),
        ("copy_partial", request.wal.partial),
    ];
    options.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (name, true.into())));
    let texts = [
        ("recovery_conf_filename", &request.settings_file),
        ("custom_restore_command", &request.wal.restore_command),
    ];
    options.extend(texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?.into()))));
    let port = request.wal.port.map(|port| port.to_string());
    options.extend(port.map(|port| ("recovery_option_port", port.into())));
    let rules = request.tablespaces.iter().filter_map(|rule| rule.split_once(':'));
    RestoreFacts {
        destination: request.destination.clone(),
        tablespaces: rules.map(|(name, place)| (name.to_owned(), place.to_owned())).collect(),
        remote_command: request.remote_ssh_command.clone(),
        options,
    }
}

fn named(target: &TypedTarget) -> (&'static str, Value) {
    match target {
        TypedTarget::Immediate => ("target_immediate", true.into()),
        TypedTarget::Time(time) => ("target_time", time.as_str().into()),
        TypedTarget::Xid(xid) => ("target_xid", xid.as_str().into()),
        TypedTarget::Name(name) => ("target_name", name.as_str().into()),
        TypedTarget::Lsn(lsn) => ("target_lsn", lsn.to_string().into()),
    }
}
