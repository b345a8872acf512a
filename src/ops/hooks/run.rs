//! Running one script to its end.

use std::fmt;
use std::time::Duration;

use crate::sys::process::{self, End};
use crate::sys::{Cancelled, Command, Context};

/// The exit code of a retry script that gives up and wants to be done without.
const ABORT_CONTINUE: i32 = 62;
/// The exit code of a retry script that does not want the event to happen.
pub(super) const ABORT_STOP: i32 = 63;
/// What a shell answers when it cannot run a command, and we when there is no shell.
const CANNOT_RUN: i32 = 127;
/// The pause before a retry script runs again.
const PAUSE: Duration = Duration::from_secs(3);
/// The pause after so many failures in a row.
const LONG_PAUSE: (u32, Duration) = (6, Duration::from_secs(60));

/// A script as the configuration names it.
#[derive(Debug, Clone)]
pub(super) struct Script<'a> {
    /// The server.
    pub server: &'a str,
    /// The option.
    pub option: String,
    /// What is given to the shell.
    pub text: String,
    /// Whether it runs until it succeeds or gives up.
    pub retries: bool,
}

impl fmt::Display for Script<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of server '{}': {}", self.option, self.server, self.text)
    }
}

/// How a script has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is over, and the event may happen.
    Over,
    /// It wants a stop.
    Stop,
}

/// What an exit code of a retry script means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Success,
    GivesUp,
    WantsStop,
    Again(Duration),
}

/// Judges the exit code of a retry script that has failed `failures` times, this one included if it is a failure.
fn judge(code: i32, failures: u32) -> Verdict {
    let (many, long_pause) = LONG_PAUSE;
    match code {
        0 => Verdict::Success,
        ABORT_CONTINUE => Verdict::GivesUp,
        ABORT_STOP => Verdict::WantsStop,
        _ if failures.is_multiple_of(many) => Verdict::Again(long_pause),
        _ => Verdict::Again(PAUSE),
    }
}

/// Runs `script`, which `command` carries out, to its end.
///
/// # Errors
/// `Cancelled` when a stop was asked for while it ran, or while its next try was waited for.
pub(super) fn run(context: &Context, script: &Script<'_>, command: &Command) -> Result<Ending, Cancelled> {
    if script.retries {
        return run_until_success(context, script, command);
    }
    attempt(context, script, command)?;
    Ok(Ending::Over)
}

fn run_until_success(context: &Context, script: &Script<'_>, command: &Command) -> Result<Ending, Cancelled> {
    for failures in 1.. {
        let code = attempt(context, script, command)?;
        match judge(code, failures) {
            Verdict::Success => break,
            Verdict::GivesUp => {
                tracing::warn!("{script} gave up (exit code {ABORT_CONTINUE}); going on without it");
                break;
            }
            Verdict::WantsStop => {
                tracing::error!("{script} gave up (exit code {ABORT_STOP}) and asked to stop");
                return Ok(Ending::Stop);
            }
            Verdict::Again(pause) => {
                if failures == 1 {
                    // Somebody waits in front of a terminal, and would not know for what.
                    context.events.warning(&format!(
                        "{script} returned {code}; it runs again until it returns 0, {ABORT_CONTINUE} (go on) or \
                         {ABORT_STOP} (stop)"
                    ));
                }
                tracing::debug!("{script} runs again in {} seconds", pause.as_secs());
                context.clock.sleep(pause, &context.cancel)?;
            }
        }
    }
    Ok(Ending::Over)
}

/// Runs the script once and gives its exit code.
fn attempt(context: &Context, script: &Script<'_>, command: &Command) -> Result<i32, Cancelled> {
    tracing::debug!("running {script}");
    let (cancel, _link) = context.cancel.for_next_request();
    let mut stdout = End::default();
    let (code, stderr) = match context.processes.stream(command, &mut stdout, &cancel) {
        Ok(finished) => (finished.code, String::from_utf8_lossy(&finished.stderr).into_owned()),
        Err(process::Error::Cancelled(cancelled)) => return Err(cancelled),
        Err(error) => (CANNOT_RUN, format!("{error}\n")),
    };
    let output = format!("Output details:\n{}{stderr}", stdout.text());
    // Begins with what Barman logs, since that is what people search their logs for.
    match code {
        0 => tracing::debug!("{} returned 0 ({script})\n{output}", script.text),
        code => tracing::warn!(
            "{} returned {code} ({} of server '{}')\n{output}",
            script.text,
            script.option,
            script.server
        ),
    }
    Ok(code)
}

#[cfg(test)]
mod tests;
