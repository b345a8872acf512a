use std::path::Path;
use std::thread;

use super::download::Place;
use super::remote::NOT_CONNECTED;
use super::{Download, Error, Fetched, Remote, Spool};
use crate::sys::{Command, Context, Lock};
use crate::types::WalName;

/// How many names the other side is asked for at once.
const LISTED: usize = 64;

/// How a file is fetched for PostgreSQL, and those that it will want next.
pub struct Restore<'a> {
    /// How files are fetched.
    pub download: Download<'a>,
    /// Where those lie that were fetched ahead; none when nothing is.
    pub spool: Option<Spool<'a>>,
    /// How many are fetched ahead.
    pub ahead: usize,
    /// The program that calls [`prefetch`] with the same request.
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

/// Fetches what follows `name` into the spool, several files at a time, as long as PostgreSQL takes them.
pub fn prefetch(request: &Restore<'_>, name: WalName) -> Result<(), Error> {
    let Some(spool) = &request.spool else { return Ok(()) };
    spool.forget_before(name)?;
    let (mut lying, mut last) = (Vec::new(), name);
    loop {
        let listed = following(&request.download, last, LISTED)?;
        let Some(newest) = listed.last() else { return Ok(()) };
        let mut rest = &listed[..];
        while !rest.is_empty() {
            let Some(room) = spool.wait_for_room(request.ahead, &mut lying, &listed)? else { return Ok(()) };
            let (next, later) = rest.split_at(room.min(rest.len()));
            fetch_all(request, spool, next);
            if !next.iter().any(|name| spool.has(*name)) {
                return Ok(());
            }
            lying.extend(next);
            rest = later;
        }
        last = *newest;
    }
}

/// Fetches files into the spool at the same time, those that are not there.
fn fetch_all(request: &Restore<'_>, spool: &Spool<'_>, names: &[WalName]) {
    thread::scope(|scope| {
        for name in names.iter().filter(|name| !spool.has(**name)) {
            // PostgreSQL will ask for it itself, and hear why.
            scope.spawn(|| request.download.fetch(*name, &spool.path_of(*name), Place::Spool));
        }
    });
}

/// The segments behind `name` that the other side has, at most `limit`.
fn following(download: &Download<'_>, name: WalName, limit: usize) -> Result<Vec<WalName>, Error> {
    let Context { processes, cancel, .. } = download.context;
    let peek = |remote: &Remote| processes.run(&remote.peek(&name.to_string(), limit + 1), cancel);
    download.remote.connect(download.context)?;
    let mut finished = peek(download.remote)?;
    if let Some(alone) = download.remote.alone().filter(|_| finished.code == NOT_CONNECTED) {
        finished = peek(&alone)?;
    }
    let finished = download.remote.reached(finished)?;
    let text = String::from_utf8_lossy(&finished.stdout);
    let names = text.lines().filter_map(|line| line.trim().parse::<WalName>().ok());
    Ok(names.filter(|found| found.segment().is_some() && *found > name).take(limit).collect())
}
