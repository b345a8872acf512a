use std::num::NonZero;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::Error;
use crate::sys::Cancelled;

/// How many pieces of work, and of results, wait for each worker.
const QUEUE: usize = 64;

/// Where pieces of work are put.
pub struct Work<T>(SyncSender<T>);

impl<T> Work<T> {
    /// Hands a piece out; waits while all workers have enough to do.
    ///
    /// # Errors
    /// When nobody is left who would do it, since something else has failed.
    pub fn put(&self, piece: T) -> Result<(), Error> {
        self.0.send(piece).map_err(|_| Error::Cancelled(Cancelled))
    }
}

/// Does pieces of work on all processors: `produce` hands them out, `work` does each, `consume` gets the results in the
/// order in which they are ready, on the thread that asked. The first error ends everything.
pub fn spread<T: Send, R: Send, P: Send>(
    produce: impl FnOnce(&Work<T>) -> Result<P, Error> + Send,
    work: impl Fn(T) -> Result<R, Error> + Sync,
    mut consume: impl FnMut(R) -> Result<(), Error>,
) -> Result<P, Error> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let (pieces, queue) = mpsc::sync_channel(QUEUE * workers);
    let (results, done) = mpsc::sync_channel(QUEUE * workers);
    // The workers own the queue together: when all have gone, the producer finds nobody to give to.
    let queue = Arc::new(Mutex::new(queue));
    thread::scope(|scope| {
        let producer = scope.spawn(move || produce(&Work(pieces)));
        for _ in 0..workers {
            let (queue, results, work) = (queue.clone(), results.clone(), &work);
            scope.spawn(move || run_worker(&queue, &results, work));
        }
        drop((queue, results));
        let mut failure = None;
        for result in &done {
            if let Err(error) = result.and_then(&mut consume) {
                failure = Some(error);
                break;
            }
        }
        drop(done);
        let produced = producer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match failure {
            Some(error) => Err(error),
            None => produced,
        }
    })
}

fn run_worker<T, R>(
    queue: &Mutex<Receiver<T>>,
    results: &SyncSender<Result<R, Error>>,
    work: &impl Fn(T) -> Result<R, Error>,
) {
    while let Ok(piece) = { queue.lock().unwrap_or_else(PoisonError::into_inner).recv() } {
        if results.send(work(piece)).is_err() {
            return;
        }
    }
}
