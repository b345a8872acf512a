use std::path::Path;

use super::download::Place;
use super::{Download, Error, Fetched, Spool};
use crate::sys::{Command, Lock};
use crate::types::WalName;

/// How a file is fetched for PostgreSQL, and those that it will want next.
pub struct Restore<'a> {
    /// How files are fetched.
    pub download: Download<'a>,
    /// Where those lie that were fetched ahead; none when nothing is.
    pub spool: Option<Spool<'a>>,
    /// How many are fetched ahead.
    pub ahead: usize,
    /// The program that calls [`prefetch`](super::prefetch) with the same request.
    pub prefetcher: Command,
}

/// Brings a file to `target`, from the spool or from the other side.
///
/// While PostgreSQL replays it, another process fetches the next ones, and goes on as long as they are taken; if
/// PostgreSQL comes back before one of them is complete, it is waited for.
pub fn restore(request: &Restore<'_>, name: WalName, target: &Path) -> Result<Fetched, Error> {
    let Some(spool) = request.spool.as_ref().filter(|_| name.segment().is_some()) else {
        return request.download.fetch(name, target, Place::Destination);
    };
    if spool.deliver(name, target)? {
        if spool.ahead_of(name) <= request.ahead / 2 {
            fetch_ahead(request, spool.lock());
        }
        return Ok(Fetched::Delivered);
    }
    if request.ahead == 0 {
        return request.download.fetch(name, target, Place::Destination);
    }
    let lock = spool.wait_for(name)?;
    let fetched = match spool.deliver(name, target)? {
        true => Fetched::Delivered,
        false => request.download.fetch(name, target, Place::Destination)?,
    };
    if fetched == Fetched::Delivered {
        fetch_ahead(request, lock);
    }
    Ok(fetched)
}

/// Starts the process that fetches ahead, which holds the lock until it ends.
fn fetch_ahead(request: &Restore<'_>, lock: Option<Lock>) {
    let Some(held) = lock.and_then(Lock::hand_over) else { return };
    // PostgreSQL has its file; without this the next one merely takes longer.
    let _ = request.download.context.processes.spawn_detached_holding(&request.prefetcher, held);
}
