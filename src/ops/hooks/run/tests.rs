use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex};

use super::*;
use crate::sys::{Cancel, Clock, Events, Files, Finished, Processes, Progress, Severity};
use crate::types::{Timestamp, parse_timestamp};

/// A world in which scripts end with the codes that were written down, and pauses take no time.
#[derive(Default)]
struct Stage {
    codes: Mutex<VecDeque<i32>>,
    pauses: Mutex<Vec<u64>>,
    warnings: Mutex<Vec<String>>,
    /// A stop is asked for in the pause after so many others.
    stop_in_pause: Option<usize>,
}

impl Processes for Stage {
    fn stream(&self, _: &Command, _: &mut dyn Write, cancel: &Cancel) -> Result<Finished, process::Error> {
        cancel.check()?;
        let code = self.codes.lock().unwrap().pop_front().expect("the script runs too often");
        Ok(Finished { code, stdout: Vec::new(), stderr: Vec::new(), took: Duration::ZERO })
    }

    fn feed(&self, _: &Command, _: &[u8], _: &Cancel) -> Result<Finished, process::Error> {
        unreachable!("scripts get no input")
    }

    fn spawn_detached(&self, _: &Command, _: bool) -> Result<(), process::Error> {
        unreachable!("scripts are waited for")
    }
}

impl Clock for Stage {
    fn now(&self) -> Timestamp {
        parse_timestamp("2026-01-01T10:00:00+00:00", &chrono::Utc).unwrap()
    }

    fn sleep(&self, span: Duration, cancel: &Cancel) -> Result<(), Cancelled> {
        cancel.check()?;
        let mut pauses = self.pauses.lock().unwrap();
        if self.stop_in_pause == Some(pauses.len()) {
            cancel.cancel();
        }
        pauses.push(span.as_secs());
        cancel.check()
    }
}

impl Events for Stage {
    fn say(&self, _: Severity, text: &str) {
        self.warnings.lock().unwrap().push(text.to_owned());
    }

    fn progress(&self, _: Progress<'_>) {}
}

/// How a script ends, and the pauses between its tries, in seconds. All codes must be used up.
fn perform(
    retries: bool,
    codes: &[i32],
    stage: Stage,
    cancel: Cancel,
) -> (Result<Ending, Cancelled>, Vec<u64>) {
    *stage.codes.lock().unwrap() = codes.to_vec().into();
    let stage = Arc::new(stage);
    let context = Context {
        files: Files::default(),
        clock: stage.clone(),
        processes: stage.clone(),
        events: stage.clone(),
        cancel,
    };
    let script = Script { server: "main", option: "pre_x_script".into(), text: "x".into(), retries };
    let ending = run(&context, &script, &Command::new("x"));
    assert!(stage.codes.lock().unwrap().is_empty(), "the script runs too seldom");
    assert!(stage.warnings.lock().unwrap().len() <= 1, "the person is told once that it is waited for");
    (ending, stage.pauses.lock().unwrap().clone())
}

fn run_with(retries: bool, codes: &[i32]) -> (Result<Ending, Cancelled>, Vec<u64>) {
    perform(retries, codes, Stage::default(), Cancel::default())
}

#[test]
fn a_plain_script_runs_once_whatever_its_exit_code() {
    for code in [0, 1, 62, 63, 127, 255] {
        assert_eq!(run_with(false, &[code]), (Ok(Ending::Over), vec![]), "{code}");
    }
}

#[test]
fn a_retry_script_runs_until_it_succeeds_or_gives_up() {
    assert_eq!(run_with(true, &[0]), (Ok(Ending::Over), vec![]));
    assert_eq!(run_with(true, &[1, 127, 0]), (Ok(Ending::Over), vec![3, 3]));
    assert_eq!(run_with(true, &[1, 62]), (Ok(Ending::Over), vec![3]));
    assert_eq!(run_with(true, &[1, 63]), (Ok(Ending::Stop), vec![3]));
}

#[test]
fn after_six_failures_in_a_row_the_pause_is_a_minute_and_then_short_again() {
    let codes = [[1; 13].as_slice(), &[0]].concat();
    let pauses = vec![3, 3, 3, 3, 3, 60, 3, 3, 3, 3, 3, 60, 3];
    assert_eq!(run_with(true, &codes), (Ok(Ending::Over), pauses));
}

#[test]
fn a_stop_ends_the_wait_for_the_next_try() {
    let stage = Stage { stop_in_pause: Some(1), ..Stage::default() };
    assert_eq!(perform(true, &[1, 1], stage, Cancel::default()), (Err(Cancelled), vec![3, 3]));
}

#[test]
fn after_a_stop_a_script_still_runs_once_and_is_not_tried_again() {
    let stopped = Cancel::default();
    stopped.cancel();
    let perform = |retries, code| perform(retries, &[code], Stage::default(), stopped.clone()).0;
    assert_eq!(perform(false, 1), Ok(Ending::Over));
    assert_eq!(perform(true, 0), Ok(Ending::Over));
    assert_eq!(perform(true, 1), Err(Cancelled));
}
