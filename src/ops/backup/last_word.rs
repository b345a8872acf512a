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

/// Has PostgreSQL leave the backup mode that our backup brought it into. What keeps it from that is told with the
/// remedy.
///
/// `is_connected` tells whether the session that started the backup is still there.
pub fn leave(server: &Server<'_>, mode: &BackupMode, is_connected: bool) {
    let outcome = match mode {
        // The end of the session does it.
        BackupMode::Concurrent => return,
        BackupMode::Exclusive => speak(server, |client| client.leave_exclusive_backup().map(drop)),
        // A server that was restarted has forgotten the backup, and must not be told of it.
        BackupMode::Espresso(_) if !is_connected => return,
        BackupMode::Espresso(extension) => speak(server, |client| client.abort_espresso_backup(extension)),
    };
    if let Err(error) = outcome {
        warn(server, &error);
    }
}

/// Has PostgreSQL leave the backup mode of the exclusive backup `id`, whose process has died, or of which it is not
/// known whether it began. A backup of somebody else is left alone.
pub fn leave_if_of(server: &Server<'_>, id: &BackupId) {
    let left = speak(server, |client| {
        let label = client.find_backup_label()?;
        if !label.is_some_and(|label| is_of(&label, server.name(), id)) {
            return Ok(Leaving::NotInBackup);
        }
        client.leave_exclusive_backup()
    });
    match left {
        Ok(Leaving::Left) => server.warning(format!(
            "PostgreSQL of server '{}' was still in the backup mode of backup {id}, and has left it now",
            server.name()
        )),
        Ok(Leaving::NotInBackup) => {}
        Err(error) => warn(server, &error),
    }
}

/// Whether a `backup_label` is the one of our backup `id`.
pub fn is_of(label: &str, server: &str, id: &BackupId) -> bool {
    label.lines().any(|line| line.strip_prefix("LABEL: ").is_some_and(|label| label == name(server, id)))
}

/// The name that PostgreSQL is given for a backup.
pub fn name(server: &str, id: &BackupId) -> String {
    format!("Barman backup {server} {id}")
}

fn warn(server: &Server<'_>, error: &Error) {
    server.warning(format!(
        "PostgreSQL of server '{}' may still be in backup mode: {}\nEnd it there with: SELECT pg_stop_backup();",
        server.name(),
        error.with_causes()
    ));
}

/// Says something to PostgreSQL in a session of its own, which no earlier request to stop ends.
fn speak<T>(server: &Server<'_>, say: impl FnOnce(&Client) -> Result<T, pg::Error>) -> Result<T, Error> {
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
        let outcome = server.connect().and_then(|client| Ok(say(&client)?));
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
    }
}
