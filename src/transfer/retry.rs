use std::error::Error;
use std::time::Duration;

use crate::sys::{Cancel, Cancelled, Context};
use crate::types::with_causes;

/// How often something that fails on its way to or from another host is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retry {
    /// So many times more.
    pub times: u32,
    /// After this while.
    pub sleep: Duration,
}

impl Retry {
    /// Makes an `attempt`, and another while it fails in a way that `is_retryable`, as often as allowed. Each failure
    /// is told, `what` naming the program and its object.
    pub fn run<T, E: Error + From<Cancelled> + 'static>(
        self,
        what: &str,
        (context, stop): (&Context, &Cancel),
        is_retryable: fn(&E) -> bool,
        mut attempt: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        for number in 1..=self.times {
            match attempt() {
                Err(error) if is_retryable(&error) && !stop.is_cancelled() => {
                    let (causes, seconds) = (with_causes(&error), self.sleep.as_secs());
                    context.events.warning(&format!(
                        "Failure executing {what} (attempt {number}): {causes}\nRetrying in {seconds} seconds"
                    ));
                    context.clock.sleep(self.sleep, stop)?;
                }
                other => return other,
            }
        }
        attempt()
    }
}
