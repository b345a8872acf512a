use serde_json::{Value, json};

use super::Document;
use crate::types::{HumanDuration, timestamp_text};
use crate::view::{ConfigurationLine, Restored};

/// The end of a `restore`: what was changed, and what the DBA has to look at.
pub fn restored(restored: &Restored, document: &mut Document) {
    if !restored.changes.is_empty() {
        let notice = "IMPORTANT! Some settings have been modified to prevent data losses. See 'changes' key.";
        document.say("_WARNING", notice);
    }
    if !restored.dangers.is_empty() {
        let notice =
            "WARNING! You are required to review the options as potentially dangerous. See 'warnings' key.";
        document.say("_WARNING", notice);
    }
    if !restored.missing_files.is_empty() {
        let notice = "WARNING! Some configuration files have not been saved during backup, hence they have not been \
                      restored. See 'missing_files' key.";
        document.say("_WARNING", notice);
    }
    if restored.fetches_by.is_some() {
        let notice = "WARNING: 'get-wal' is in the specified 'recovery_options'. Before you start up the PostgreSQL \
                      server, please review the recovery configuration inside the target directory. Make sure that \
                      'restore_command' can be executed by the PostgreSQL user.";
        document.say("_WARNING", notice);
    }
    document.insert("changes", lines(&restored.changes));
    document.insert("changes_count", restored.changes.len().into());
    document.insert("warnings", lines(&restored.dangers));
    document.insert("warnings_count", restored.dangers.len().into());
    document.insert("missing_files", json!(restored.missing_files));
    document.insert("recovery_start_time", timestamp_text(restored.start_time).into());
    let seconds = restored.start_time.timestamp().to_string();
    document.insert("recovery_start_time_timestamp", seconds.into());
    document.insert("recovery_elapsed_time", HumanDuration::from(restored.elapsed).to_string().into());
    let seconds = restored.elapsed.num_microseconds().unwrap_or(i64::MAX) as f64 / 1e6;
    document.insert("recovery_elapsed_time_seconds", seconds.into());
}

fn lines(settings: &[ConfigurationLine]) -> Value {
    settings.iter().map(|it| json!([it.file, it.line, it.name, it.value])).collect()
}
