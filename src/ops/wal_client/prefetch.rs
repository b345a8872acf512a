use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::download::Place;
use super::{Download, Error, Fetched, Remote, Restore, Spool};
use crate::sys::Cancel;
use crate::types::WalName;

/// How many names the other side is asked for at once.
const LISTED: usize = 64;

/// How often one looks whether a file has been taken.
const GLANCE: Duration = Duration::from_millis(3);

/// How long one waits for that.
const IDLE: Duration = Duration::from_secs(2);

/// Fetches what follows `name` into the spool, as long as PostgreSQL takes it.
///
/// As many files as are wanted ahead have a thread each, which fetches the next one when its own has been taken. All end
/// when PostgreSQL takes none for a while, when it asks for a file that is not among those that follow, and with the
/// first one that does not come: PostgreSQL will ask for that itself, and hear why.
pub fn prefetch(request: &Restore<'_>, name: WalName) -> Result<(), Error> {
    let Some(spool) = &request.spool else { return Ok(()) };
    spool.forget_before(name)?;
    let ahead = Ahead {
        download: &request.download,
        spool,
        listing: Mutex::new(Listing { last: name, following: VecDeque::new() }),
        pace: Mutex::new(Pace { changed: Instant::now(), fetching: 0 }),
        over: Cancel::default(),
    };
    thread::scope(|scope| {
        for _ in 0..request.ahead {
            scope.spawn(|| {
                while ahead.next().is_some_and(|name| ahead.fetch(name) && ahead.wait_until_taken(name)) {}
                ahead.over.cancel();
            });
        }
    });
    Ok(())
}

struct Ahead<'a> {
    download: &'a Download<'a>,
    spool: &'a Spool<'a>,
    listing: Mutex<Listing>,
    pace: Mutex<Pace>,
    over: Cancel,
}

/// What goes on.
struct Pace {
    /// When a file came or was taken last.
    changed: Instant,
    /// How many are on their way: PostgreSQL may be waiting for one of them.
    fetching: usize,
}

/// What the other side has.
struct Listing {
    last: WalName,
    /// Up to `last`, those that nobody fetches yet.
    following: VecDeque<WalName>,
}

impl Ahead<'_> {
    /// The file to fetch next; `None` when there is none, or no more are wanted.
    fn next(&self) -> Option<WalName> {
        let mut listing = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        self.over.check().ok()?;
        if listing.following.is_empty() {
            listing.following = following(self.download, listing.last, LISTED).ok()?.into();
            listing.last = *listing.following.back()?;
        }
        listing.following.pop_front()
    }

    /// Tells whether the file is there then.
    fn fetch(&self, name: WalName) -> bool {
        if self.spool.has(name) {
            return true;
        }
        self.pace().fetching += 1;
        let fetched = self.download.fetch(name, &self.spool.path_of(name), Place::Spool);
        let mut pace = self.pace();
        *pace = Pace { changed: Instant::now(), fetching: pace.fetching - 1 };
        matches!(fetched, Ok(Fetched::Delivered))
    }

    /// Waits until PostgreSQL has taken the file; tells whether more are wanted.
    fn wait_until_taken(&self, name: WalName) -> bool {
        while self.spool.has(name) {
            if self.is_idle() || self.is_asked_for_another() || self.over.sleep(GLANCE).is_err() {
                return false;
            }
        }
        self.pace().changed = Instant::now();
        self.download.context.cancel.check().is_ok()
    }

    fn is_idle(&self) -> bool {
        let pace = self.pace();
        pace.fetching == 0 && pace.changed.elapsed() > IDLE
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether PostgreSQL asks for a file that does not come: on another timeline, for instance.
    fn is_asked_for_another(&self) -> bool {
        let asked = self.spool.asked();
        asked.is_some_and(|name| {
            let last = self.listing.lock().unwrap_or_else(PoisonError::into_inner).last;
            name > last || name.timeline() != last.timeline()
        })
    }
}

/// The segments behind `name` that the other side has, at most `limit`.
fn following(download: &Download<'_>, name: WalName, limit: usize) -> Result<Vec<WalName>, Error> {
    let peek = |remote: &Remote| {
        let mut listed = Vec::new();
        let question = remote.peek(&name.to_string(), limit + 1);
        Ok((remote.stream(download.context, &question, &mut listed)?, listed))
    };
    let (_, listed) = download.remote.ask_by(download.context, peek)?;
    let text = String::from_utf8_lossy(&listed);
    let names = text.lines().filter_map(|line| line.trim().parse::<WalName>().ok());
    Ok(names.filter(|found| found.segment().is_some() && *found > name).take(limit).collect())
}
