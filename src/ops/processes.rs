//! The processes that work on a server, ours and the Python Barman's: found by the locks that they hold.

use std::time::Duration;

use super::{Error, Server};
use crate::sys::{lock, other_process};
use crate::types::BackupId;
use crate::view::{RunningTask, RunningTasks};

/// The tasks that have one lock for each server.
const TASKS: [&str; 5] = ["archive-wal", "backup", "cron", RECEIVE_WAL, "sync-wal"];

/// The task that receives WAL from PostgreSQL.
const RECEIVE_WAL: &str = "receive-wal";

/// The task that has a lock for each backup.
const SYNC_BACKUP: &str = "sync-backup";

/// How long a process has to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lists what runs.
pub fn list(server: &Server<'_>) -> Result<RunningTasks, Error> {
    Ok(RunningTasks { server: server.name().to_owned(), tasks: find(server)? })
}

/// Asks the first process of a task to stop, and waits until it has.
pub fn terminate(server: &Server<'_>, task: &str) -> Result<(), Error> {
    let running = find(server)?;
    match running.iter().find(|running| running.name == task) {
        Some(running) => stop(server, running),
        None => Err(Error::refused(format!(
            "Termination of {task} failed: no such process for server {}",
            server.name()
        ))),
    }
}

/// Stops the process that receives WAL, when there is one; only the Python Barman has it. It knows the settings that it
/// was started with; the next cron of that Barman starts it again, if it is still wanted.
pub fn stop_receiving(server: &Server<'_>) -> Result<(), Error> {
    let running = find(server)?;
    running.iter().filter(|running| running.name == RECEIVE_WAL).try_for_each(|running| stop(server, running))
}

/// Interrupts a process, and waits until it is gone.
fn stop(server: &Server<'_>, task: &RunningTask) -> Result<(), Error> {
    const STEP: Duration = Duration::from_millis(100);
    let RunningTask { name, pid } = task;
    let cannot = |why: &str| Error::refused(format!("Cannot terminate process {name}({pid}): {why}"));
    let mut there = other_process::interrupt(*pid).map_err(|error| cannot(&error.to_string()))?;
    let mut waited = Duration::ZERO;
    while there && waited < PATIENCE {
        server.context.clock.sleep(STEP, &server.context.cancel)?;
        waited += STEP;
        there = other_process::exists(*pid);
    }
    if there {
        let seconds = PATIENCE.as_secs();
        return Err(cannot(&format!("it still runs {seconds} seconds after it was asked to stop")));
    }
    server.info(format!("Stopped process {name}({pid})"));
    Ok(())
}

/// What holds the locks of the server, in the order of the lock files' names.
fn find(server: &Server<'_>) -> Result<Vec<RunningTask>, Error> {
    let mut running = Vec::new();
    for entry in server.context.files.list_if_exists(&server.global.lock_directory)? {
        let task = entry.name.to_str().and_then(|name| task_of(name, server.name()));
        if let Some((name, pid)) = task.and_then(|name| Some((name, lock::holder(&entry.path)?))) {
            running.push(RunningTask { name, pid });
        }
    }
    Ok(running)
}

/// The task that a lock file of a server is for. Names of servers may hold dashes: `a` has no part in `a-b`'s files.
fn task_of(file: &str, server: &str) -> Option<&'static str> {
    let rest = file.strip_prefix('.')?.strip_prefix(server)?.strip_prefix('-')?.strip_suffix(".lock")?;
    let of_backup = || {
        let id = rest.strip_suffix(SYNC_BACKUP)?.strip_suffix('-')?;
        id.parse::<BackupId>().ok().map(|_| SYNC_BACKUP)
    };
    TASKS.into_iter().find(|task| *task == rest).or_else(of_backup)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_files_tell_the_task_of_their_own_server_only() {
        for (file, server, task) in [
            (".main-backup.lock", "main", Some("backup")),
            (".main-20260101T100000-sync-backup.lock", "main", Some("sync-backup")),
            (".main-20260101T100000.lock", "main", None),
            (".main-xlogdb.lock", "main", None),
            (".a-b-cron.lock", "a-b", Some("cron")),
            (".a-b-cron.lock", "a", None),
            (".a-b-20260101T100000-sync-backup.lock", "a", None),
            ("main-backup.lock", "main", None),
        ] {
            assert_eq!(task_of(file, server), task, "{file} of {server}");
        }
    }
}
