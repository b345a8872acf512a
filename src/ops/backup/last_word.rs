//! Leaving PostgreSQL's backup mode after a backup that failed: also when its connection is gone, when somebody has
//! asked us to stop, and when the process that took the backup was killed.

use std::thread;
use std::time::Duration;

use crate::ops::{Error, Server};
use crate::pg::{self, BackupMode, Client, Leaving};
use crate::sys::Cancel;
use crate::types::BackupId;

/// How long PostgreSQL gets to take a last word.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks whether a session has ended.
const PAUSE: Duration = Duration::from_millis(100);

/// Has PostgreSQL leave the backup mode that our backup brought it into. What keeps it from that is told with the
/// remedy.
///
/// `is_connected` tells whether the session that started the backup is still there.
pub fn leave(server: &Server<'_>, mode: &BackupMode, is_connected: bool) {
    let outcome = match mode {
        // The end of the session does it.
        BackupMode::Concurrent => return,
        BackupMode::Exclusive => speak(server, |client, _| client.leave_exclusive_backup().map(drop)),
        // A server that was restarted has forgotten the backup, and must not be told of it.
        BackupMode::Espresso(_) if !is_connected => return,
        BackupMode::Espresso(extension) => speak(server, |client, _| client.abort_espresso_backup(extension)),
    };
    if let Err(error) = outcome {
        warn(server, &error);
    }
}

/// Has PostgreSQL leave the backup mode of the exclusive backup `id`, whose process has died, or of which it is not
/// known whether it began. A backup of somebody else is left alone.
pub fn leave_if_of(server: &Server<'_>, id: &BackupId) {
    if let Err(error) = try_leave_if_of(server, id) {
        warn(server, &error);
    }
}

/// Looks once more for what the process of a FAILED backup may have left, quietly when that is impossible: it was told
/// when the backup failed.
pub fn look_again(server: &Server<'_>, id: &BackupId) {
    if let Err(error) = try_leave_if_of(server, id) {
        tracing::debug!("backup mode of backup {id} of server '{}': {}", server.name(), error.with_causes());
    }
}

fn try_leave_if_of(server: &Server<'_>, id: &BackupId) -> Result<(), Error> {
    let left = speak(server, |client, cancel| {
        // First what still starts the backup: the label comes only when the checkpoint is written.
        let mut was_starting = false;
        while client.end_exclusive_start(&name(server.name(), id))? {
            was_starting = true;
            cancel.sleep(PAUSE)?;
        }
        let label = client.find_backup_label()?;
        if label.is_some_and(|label| is_of(&label, server.name(), id)) {
            return client.leave_exclusive_backup();
        }
        Ok(if was_starting { Leaving::Left } else { Leaving::NotInBackup })
    })?;
    if left == Leaving::Left {
        server.warning(format!(
            "PostgreSQL of server '{}' was still in the backup mode of backup {id}, and has left it now",
            server.name()
        ));
    }
    Ok(())
}

/// Whether a `backup_label` is the one of our backup `id`.
pub fn is_of(label: &str, server: &str, id: &BackupId) -> bool {
    backup_of(label, server).as_ref() == Some(id)
}

/// The backup of `server` that a `backup_label` names.
pub fn backup_of(label: &str, server: &str) -> Option<BackupId> {
    let label = label.lines().find_map(|line| line.strip_prefix("LABEL: "))?;
    label.strip_prefix(&name_before_id(server))?.parse().ok()
}

/// The name that PostgreSQL is given for a backup.
pub fn name(server: &str, id: &BackupId) -> String {
    format!("{}{id}", name_before_id(server))
}

fn name_before_id(server: &str) -> String {
    format!("Barman backup {server} ")
}

fn warn(server: &Server<'_>, error: &Error) {
    server.warning(format!(
        "PostgreSQL of server '{}' may still be in backup mode: {}\nEnd it there with: SELECT pg_stop_backup();",
        server.name(),
        error.with_causes()
    ));
}

/// Says something to PostgreSQL in a session of its own, which no earlier request to stop ends.
fn speak<T>(
    server: &Server<'_>,
    say: impl FnOnce(&Client, &Cancel) -> Result<T, pg::Error>,
) -> Result<T, Error> {
    let cancel = Cancel::default();
    let mut context = server.context.clone();
    context.cancel = cancel.clone();
    let server = Server { context, ..server.clone() };
    thread::scope(|scope| {
        let timer = cancel.clone();
        scope.spawn(move || {
            if timer.sleep(PATIENCE).is_ok() {
                timer.cancel();
            }
        });
        let outcome = server.connect().and_then(|client| Ok(say(&client, &cancel)?));
        cancel.cancel();
        outcome
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_label_of_this_very_backup_is_ours() {
        let label = "START WAL LOCATION: 0/4000028 (file 000000010000000000000004)\n\
                     LABEL: Barman backup main 20260101T100000\nSTART TIMELINE: 1\n";
        let id = |text: &str| text.parse().unwrap();
        assert!(is_of(label, "main", &id("20260101T100000")));
        assert!(!is_of(label, "main", &id("20260101T100001")));
        assert!(!is_of(label, "mai", &id("20260101T100000")));
        assert_eq!(backup_of(label, "main"), Some(id("20260101T100000")));
        assert_eq!(backup_of(label, "ma"), None);
        assert_eq!(backup_of("LABEL: by hand\n", "main"), None);
    }
}
