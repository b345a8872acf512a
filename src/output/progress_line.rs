//! One line on a terminal that tells how far long work has come.

use indicatif::{ProgressBar, ProgressStyle};

use crate::sys::Progress;

const KNOWN_TOTAL: &str = "{msg}: {bytes} of {total_bytes} ({percent}%), {bytes_per_sec}, {eta} left";
const UNKNOWN_TOTAL: &str = "{msg}: {bytes}, {bytes_per_sec}, {elapsed} so far";

/// The line; it is there while a phase lasts.
#[derive(Default)]
pub struct ProgressLine {
    current: Option<(String, ProgressBar)>,
}

impl ProgressLine {
    /// Draws the new state; a phase that is complete is wiped away.
    pub fn show(&mut self, progress: Progress<'_>) {
        let is_current = self.current.as_ref().is_some_and(|(phase, _)| phase == progress.phase);
        if !is_current {
            self.clear();
            self.current = Some((progress.phase.to_owned(), start(progress)));
        }
        if let Some((_, bar)) = &self.current {
            bar.set_position(progress.bytes);
        }
        if progress.total_bytes.is_some_and(|total| progress.bytes >= total) {
            self.clear();
        }
    }

    /// Runs `write` with the line out of the way.
    pub fn suspend(&self, write: impl FnOnce()) {
        match &self.current {
            Some((_, bar)) => bar.suspend(write),
            None => write(),
        }
    }

    fn clear(&mut self) {
        if let Some((_, bar)) = self.current.take() {
            bar.finish_and_clear();
        }
    }
}

fn start(progress: Progress<'_>) -> ProgressBar {
    let (bar, template) = match progress.total_bytes {
        Some(total) => (ProgressBar::new(total), KNOWN_TOTAL),
        None => (ProgressBar::new_spinner(), UNKNOWN_TOTAL),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_message(progress.phase.to_owned())
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}
