use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::Error;
use crate::sys::{Cancel, Cancelled, Clock};
use crate::types::Timestamp;

/// Does `work` on every task, on at most `workers` at the same time, begun in their order. Gives what came of
/// them, in that order too.
///
/// The first failure sets `stop`, which ends what the others are doing, and is the one reported.
pub(super) fn run_parallel<T: Send, R: Send>(
    tasks: Vec<T>,
    workers: usize,
    stop: &Cancel,
    work: impl Fn(T) -> Result<R, Error> + Sync,
) -> Result<Vec<R>, Error> {
    let workers = workers.clamp(1, tasks.len().max(1));
    let results = Mutex::new(tasks.iter().map(|_| None).collect::<Vec<Option<R>>>());
    let failure = Mutex::new(None);
    let tasks = Mutex::new(tasks.into_iter().enumerate());
    let worker = || {
        while !stop.is_cancelled() {
            let Some((number, task)) = lock(&tasks).next() else { return };
            match work(task) {
                Ok(result) => lock(&results)[number] = Some(result),
                Err(error) => {
                    // Those that are ended because of the first failure come after it.
                    lock(&failure).get_or_insert(error);
                    stop.cancel();
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(worker);
        }
        worker();
    });
    let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    match failure {
        Some(error) => Err(error),
        None => results.into_iter().collect::<Option<Vec<R>>>().ok_or(Error::Cancelled(Cancelled)),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many runs of rsync may be started in a while: sshd refuses connections when too many come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartThrottle {
    /// So many, at least one.
    pub batch_size: usize,
    /// In this while.
    pub batch_period: Duration,
}

/// Barman's `parallel_jobs_start_batch_size` and `parallel_jobs_start_batch_period`.
impl Default for StartThrottle {
    fn default() -> Self {
        Self { batch_size: 10, batch_period: Duration::from_secs(1) }
    }
}

/// The starts of the last while.
pub(super) struct Starts {
    throttle: StartThrottle,
    recent: Mutex<VecDeque<Timestamp>>,
}

impl Starts {
    pub fn new(throttle: StartThrottle) -> Self {
        Self { throttle, recent: Mutex::new(VecDeque::new()) }
    }

    /// Waits until another start is allowed. Who comes meanwhile waits in line.
    pub fn wait(&self, clock: &dyn Clock, stop: &Cancel) -> Result<(), Cancelled> {
        let mut recent = lock(&self.recent);
        let now = clock.now();
        if recent.len() >= self.throttle.batch_size.max(1)
            && let Some(oldest) = recent.pop_front()
        {
            let passed = (now - oldest).to_std().unwrap_or_default();
            clock.sleep(self.throttle.batch_period.saturating_sub(passed), stop)?;
        }
        recent.push_back(clock.now());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_tasks() {
        let results = run_parallel((0..100).collect(), 4, &Cancel::default(), |n| Ok(n * 2)).unwrap();
        assert_eq!(results, (0..100).map(|n| n * 2).collect::<Vec<_>>());
        assert_eq!(run_parallel(Vec::<u8>::new(), 0, &Cancel::default(), Ok).unwrap(), Vec::<u8>::new());
    }

    #[test]
    fn the_first_failure_stops_the_rest_and_is_reported() {
        let (stop, begun) = (Cancel::default(), AtomicUsize::new(0));
        let result = run_parallel((0..100).collect(), 2, &stop, |n| {
            begun.fetch_add(1, Ordering::SeqCst);
            if n == 1 {
                return Err(Error::TwoRemotes);
            }
            // The other one is in the middle of something, and is told to stop.
            stop.sleep(Duration::from_secs(600)).map_err(Error::from)
        });
        assert!(matches!(result, Err(Error::TwoRemotes)));
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn what_is_not_begun_when_we_are_stopped_is_not_done() {
        let stop = Cancel::default();
        stop.cancel();
        let result = run_parallel(vec![1], 1, &stop, Ok);
        assert!(matches!(result, Err(Error::Cancelled(_))));
    }

    /// Moves only while it sleeps.
    struct SleepingClock(Mutex<(Timestamp, Vec<Duration>)>);

    impl Clock for SleepingClock {
        fn now(&self) -> Timestamp {
            lock(&self.0).0
        }

        fn sleep(&self, span: Duration, _: &Cancel) -> Result<(), Cancelled> {
            let mut state = lock(&self.0);
            state.0 += span;
            state.1.push(span);
            Ok(())
        }
    }

    #[test]
    fn starts_beyond_the_batch_wait_for_its_period() {
        let clock = SleepingClock(Mutex::new((chrono::DateTime::UNIX_EPOCH.fixed_offset(), Vec::new())));
        let starts = Starts::new(StartThrottle { batch_size: 2, batch_period: Duration::from_secs(5) });
        for _ in 0..5 {
            starts.wait(&clock, &Cancel::default()).unwrap();
        }
        let slept = &lock(&clock.0).1;
        assert_eq!(slept[..], [Duration::from_secs(5), Duration::ZERO, Duration::from_secs(5)]);
    }
}
