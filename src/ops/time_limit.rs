//! Work on a server that may take so long and no longer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::Server;
use crate::sys::Cancelled;

/// What became of the work.
pub struct Limited<T> {
    /// What it gave; when it timed out, what it gave on being stopped.
    pub outcome: T,
    /// Whether the limit stopped it.
    pub timed_out: bool,
}

/// Does `work` on `server`, which is stopped after `limit` as it would be by Ctrl-C: waits for programs and for
/// PostgreSQL are broken.
///
/// # Errors
/// When everything is to be stopped, not only this.
pub fn run<T>(
    server: &Server<'_>,
    limit: Option<Duration>,
    work: impl FnOnce(&Server<'_>) -> T,
) -> Result<Limited<T>, Cancelled> {
    let (cancel, _link) = server.context.cancel.child();
    let mut limited = server.clone();
    limited.context.cancel = cancel.clone();
    let timed_out = AtomicBool::new(false);
    let outcome = thread::scope(|scope| {
        let (timer, expired) = (cancel.clone(), &timed_out);
        scope.spawn(move || {
            if limit.is_some_and(|limit| timer.sleep(limit).is_ok()) {
                expired.store(true, Ordering::SeqCst);
                timer.cancel();
            }
        });
        let outcome = work(&limited);
        cancel.cancel();
        outcome
    });
    server.context.cancel.check()?;
    Ok(Limited { outcome, timed_out: timed_out.into_inner() })
}
