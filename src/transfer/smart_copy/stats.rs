use std::time::{Duration, Instant};

use crate::types::CopyTimes;

/// When an item was worked on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// The number of the item.
    pub item: usize,
    pub begin: Instant,
    pub end: Instant,
}

impl Span {
    /// From `begin` to this moment.
    pub fn since(begin: Instant, item: usize) -> Self {
        Self { item, begin, end: Instant::now() }
    }

    fn length(&self) -> Duration {
        self.end.duration_since(self.begin)
    }
}

/// Adds up the times of a copy that began at `begin` and ends now, of items with these `labels`.
pub(super) fn add_up(
    begin: Instant,
    workers: usize,
    labels: &[String],
    analyses: &[Span],
    copies: &[Span],
) -> CopyTimes {
    let per_item = |spans: &[Span], measure: fn(&[Span]) -> Duration| {
        let of_item = |(number, label): (usize, &String)| {
            let spans: Vec<_> = spans.iter().filter(|span| span.item == number).copied().collect();
            (!spans.is_empty()).then(|| (label.clone(), measure(&spans)))
        };
        labels.iter().enumerate().filter_map(of_item).collect()
    };
    CopyTimes {
        total: begin.elapsed(),
        workers,
        analysis_per_item: per_item(analyses, elapsed),
        copy_per_item: per_item(copies, elapsed),
        serialized_copy_per_item: per_item(copies, sum),
        analysis: elapsed(analyses),
        copy: elapsed(copies),
        serialized_copy: sum(copies),
    }
}

/// From the first beginning to the last end.
fn elapsed(spans: &[Span]) -> Duration {
    let begin = spans.iter().map(|span| span.begin).min();
    let end = spans.iter().map(|span| span.end).max();
    begin.zip(end).map_or(Duration::ZERO, |(begin, end)| end.duration_since(begin))
}

fn sum(spans: &[Span]) -> Duration {
    spans.iter().map(Span::length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_overlap_are_counted_once_and_serialized_ones_twice() {
        let begin = Instant::now();
        let span = |item, from: u64, to: u64| Span {
            item,
            begin: begin + Duration::from_secs(from),
            end: begin + Duration::from_secs(to),
        };
        let labels = ["ts1".to_owned(), "pgdata".to_owned()];
        let stats =
            add_up(begin, 2, &labels, &[span(1, 0, 1)], &[span(0, 1, 3), span(1, 1, 4), span(1, 4, 6)]);
        let seconds = |label: &str, secs| (label.to_owned(), Duration::from_secs(secs));
        assert_eq!(stats.analysis_per_item, [seconds("pgdata", 1)]);
        assert_eq!(stats.copy_per_item, [seconds("ts1", 2), seconds("pgdata", 5)]);
        assert_eq!(stats.serialized_copy_per_item, [seconds("ts1", 2), seconds("pgdata", 5)]);
        assert_eq!(
            (stats.analysis.as_secs(), stats.copy.as_secs(), stats.serialized_copy.as_secs()),
            (1, 5, 7)
        );
    }
}
