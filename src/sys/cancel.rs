//! The request to stop, as Ctrl-C and SIGTERM make it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Work stopped because it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Cancelled;

/// A token that all parts of one run share: once set it stays set.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    cancelled: bool,
    next_key: u64,
    /// What breaks a wait that cannot look at the token: kill a process group, send a cancel request.
    breakers: BTreeMap<u64, Arc<dyn Fn() + Send + Sync>>,
}

impl Cancel {
    /// A token that SIGINT, SIGTERM and SIGHUP set.
    pub fn on_signals() -> io::Result<Self> {
        let cancel = Self::default();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let token = cancel.clone();
        thread::Builder::new().name("signals".into()).spawn(move || {
            for _ in signals.forever() {
                token.cancel();
            }
        })?;
        Ok(cancel)
    }

    /// Asks for the stop, and breaks the waits that registered a breaker.
    pub fn cancel(&self) {
        let breakers: Vec<_> = {
            let mut state = self.state();
            state.cancelled = true;
            state.breakers.values().cloned().collect()
        };
        self.0.changed.notify_all();
        for breaker in breakers {
            breaker();
        }
    }

    /// Whether the stop was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.state().cancelled
    }

    /// Fails with [`Cancelled`] when the stop was asked for; long loops call it once a round.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() { Err(Cancelled) } else { Ok(()) }
    }

    /// Waits for `span`, or shorter when the stop is asked for meanwhile.
    pub fn sleep(&self, span: Duration) -> Result<(), Cancelled> {
        let deadline = Instant::now() + span;
        let mut state = self.state();
        while !state.cancelled {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Err(Cancelled)
    }

    /// Has `breaker` called when the stop is asked for, at once if it was already; until the guard is dropped.
    pub fn break_with(&self, breaker: impl Fn() + Send + Sync + 'static) -> BreakGuard {
        let breaker = Arc::new(breaker);
        let (guard, already) = self.register(breaker.clone());
        if already {
            breaker();
        }
        guard
    }

    /// A token of its own that is also set when this one is, for work that may be stopped alone; the link lasts
    /// as long as the guard.
    pub fn child(&self) -> (Self, BreakGuard) {
        let child = Self::default();
        let token = child.clone();
        let link = self.break_with(move || token.cancel());
        (child, link)
    }

    /// A token that the next request sets, whether or not there was one before: for what must still be done after a
    /// stop, such as the script that undoes what another one did. Who asks twice does not want to wait for it.
    pub fn for_next_request(&self) -> (Self, BreakGuard) {
        let next = Self::default();
        let token = next.clone();
        let (link, _) = self.register(Arc::new(move || token.cancel()));
        (next, link)
    }

    /// Has `breaker` called by every request from now on; tells whether there was one already.
    fn register(&self, breaker: Arc<dyn Fn() + Send + Sync>) -> (BreakGuard, bool) {
        let mut state = self.state();
        let key = state.next_key;
        state.next_key += 1;
        state.breakers.insert(key, breaker);
        (BreakGuard { cancel: self.clone(), key }, state.cancelled)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a breaker registered.
#[must_use]
pub struct BreakGuard {
    cancel: Cancel,
    key: u64,
}

impl Drop for BreakGuard {
    fn drop(&mut self) {
        self.cancel.state().breakers.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_sleep_ends_when_the_stop_is_asked_for() {
        let cancel = Cancel::default();
        let token = cancel.clone();
        let waiter = thread::spawn(move || token.sleep(Duration::from_secs(600)));
        cancel.cancel();
        assert_eq!(waiter.join().unwrap(), Err(Cancelled));
    }

    #[test]
    fn a_child_is_stopped_with_its_parent_and_can_be_stopped_alone() {
        let parent = Cancel::default();
        let (alone, _link) = parent.child();
        alone.cancel();
        assert!(!parent.is_cancelled());
        let (child, _link) = parent.child();
        parent.cancel();
        assert!(child.is_cancelled());
    }

    #[test]
    fn what_is_still_done_after_a_stop_is_stopped_by_the_next_one() {
        let cancel = Cancel::default();
        cancel.cancel();
        let (last_words, _link) = cancel.for_next_request();
        assert!(!last_words.is_cancelled());
        cancel.cancel();
        assert!(last_words.is_cancelled());
    }

    #[test]
    fn breakers_are_called_while_their_guard_lives_and_late_ones_at_once() {
        let (cancel, calls) = (Cancel::default(), Arc::new(AtomicUsize::new(0)));
        let count = || {
            let calls = calls.clone();
            move || {
                calls.fetch_add(1, Ordering::SeqCst);
            }
        };
        drop(cancel.break_with(count()));
        let _kept = cancel.break_with(count());
        cancel.cancel();
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        let _late = cancel.break_with(count());
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}
