//! Several servers at a time: nearly all work on them is waiting for other hosts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::Error;

/// How many at a time. They may have one host between them, whose sshd lets ten knock at the same time.
const WORKERS: usize = 8;

/// Does `work` on each server. `take` gets what comes of it in the order of the servers, as early as that allows.
///
/// # Errors
/// With the first error of `take`: nothing is begun after it, and what runs is waited for.
pub fn at_a_time<S: Sync, R: Send>(
    servers: &[S],
    work: impl Fn(&S) -> R + Sync,
    mut take: impl FnMut(R) -> Result<(), Error>,
) -> Result<(), Error> {
    let (next, (results, done)) = (AtomicUsize::new(0), mpsc::channel());
    let worker = |results: mpsc::Sender<(usize, R)>| loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(server) = servers.get(number) else { return };
        // Nobody listens any more after an error.
        if results.send((number, work(server))).is_err() {
            return;
        }
    };
    thread::scope(|scope| {
        for _ in 0..WORKERS.min(servers.len()) {
            let (results, worker) = (results.clone(), &worker);
            scope.spawn(move || worker(results));
        }
        drop(results);
        let (mut early, mut due) = (BTreeMap::new(), 0);
        for (number, result) in done {
            early.insert(number, result);
            while let Some(result) = early.remove(&due) {
                take(result)?;
                due += 1;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::sys::Cancelled;

    #[test]
    fn results_come_in_order_whoever_is_ready_first() {
        let (both, mut seen) = (Barrier::new(2), Vec::new());
        // The first one waits for the third.
        let work = |server: &u8| {
            if [1, 3].contains(server) {
                both.wait();
            }
            *server
        };
        let take = |server| {
            seen.push(server);
            Ok(())
        };
        at_a_time(&[1, 2, 3, 4], work, take).unwrap();
        assert_eq!(seen, [1, 2, 3, 4]);
    }

    #[test]
    fn the_first_error_is_the_answer() {
        let mut taken = 0;
        let stopped = at_a_time(
            &[(); 100],
            |()| (),
            |()| {
                taken += 1;
                Err(Cancelled.into())
            },
        );
        assert!(matches!(stopped, Err(Error::Cancelled(_))));
        assert_eq!(taken, 1);
    }
}
