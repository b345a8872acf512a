use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::py_literal::Literal;
use crate::types::CopyTimes;

/// How long the copy of a backup took, and where the time went; a dictionary of Python's.
///
/// It is kept as it was read, so that nothing gets lost that another release of Barman put into it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CopyStats(Literal);

impl CopyStats {
    /// The statistics of a copy by one program, that tells no more than how long it took.
    pub fn of_duration(copy: Duration) -> Self {
        Self(dict([("copy_time", seconds(copy)), ("total_time", seconds(copy))]))
    }

    /// Time from the first byte copied to the last.
    pub fn copy_time(&self) -> Option<Duration> {
        self.duration("copy_time")
    }

    /// That time in seconds, in the very number that is written down: Barman sums times up in binary fractions.
    pub fn copy_time_seconds(&self) -> Option<f64> {
        self.number("copy_time")
    }

    /// Time before that, in which it was found out what to copy; less than a second is not worth a word.
    pub fn startup_time(&self) -> Option<Duration> {
        self.duration("analysis_time").filter(|took| *took >= Duration::from_secs(1))
    }

    /// That time in seconds, in the very number that is written down.
    pub fn startup_time_seconds(&self) -> Option<f64> {
        self.startup_time().and_then(|_| self.number("analysis_time"))
    }

    /// How many processes copied at the same time.
    pub fn number_of_workers(&self) -> Option<u32> {
        self.number("number_of_workers").map(|workers| workers as u32)
    }

    fn duration(&self, key: &str) -> Option<Duration> {
        Duration::try_from_secs_f64(self.number(key)?).ok()
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.0.get(key)?.as_f64()
    }
}

impl From<CopyTimes> for CopyStats {
    fn from(times: CopyTimes) -> Self {
        Self(dict([
            ("total_time", seconds(times.total)),
            ("number_of_workers", Literal::Int(times.workers as i128)),
            ("analysis_time_per_item", per_item(times.analysis_per_item)),
            ("copy_time_per_item", per_item(times.copy_per_item)),
            ("serialized_copy_time_per_item", per_item(times.serialized_copy_per_item)),
            ("analysis_time", seconds(times.analysis)),
            ("copy_time", seconds(times.copy)),
            ("serialized_copy_time", seconds(times.serialized_copy)),
        ]))
    }
}

impl From<Literal> for CopyStats {
    fn from(dictionary: Literal) -> Self {
        Self(dictionary)
    }
}

impl fmt::Display for CopyStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn dict<const N: usize>(pairs: [(&str, Literal); N]) -> Literal {
    Literal::Dict(pairs.into_iter().map(|(key, value)| (Literal::from(key), value)).collect())
}

fn per_item(items: Vec<(String, Duration)>) -> Literal {
    Literal::Dict(items.into_iter().map(|(label, took)| (Literal::Str(label), seconds(took))).collect())
}

/// Seconds with the six decimals that Python's times have.
fn seconds(span: Duration) -> Literal {
    Literal::Float(span.as_micros() as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_copy_are_written_as_barman_writes_them() {
        let times = CopyTimes {
            total: Duration::from_micros(3_045_877),
            workers: 2,
            analysis_per_item: vec![("ts1".into(), Duration::from_micros(627_224))],
            copy_per_item: vec![("pgdata".into(), Duration::from_secs(1))],
            copy: Duration::from_micros(1_698_988),
            ..CopyTimes::default()
        };
        let stats = CopyStats::from(times);
        assert_eq!(
            stats.to_string(),
            "{'total_time': 3.045877, 'number_of_workers': 2, 'analysis_time_per_item': {'ts1': 0.627224}, \
             'copy_time_per_item': {'pgdata': 1.0}, 'serialized_copy_time_per_item': {}, 'analysis_time': 0.0, \
             'copy_time': 1.698988, 'serialized_copy_time': 0.0}"
        );
        assert_eq!(stats.copy_time(), Some(Duration::from_micros(1_698_988)));
        let summed = "{'copy_time': 2.8695779999999997}";
        let summed = CopyStats::from(summed.parse::<Literal>().unwrap());
        assert_eq!(summed.copy_time_seconds(), Some(2.869_577_999_999_999_7));
        assert_eq!(stats.number_of_workers(), Some(2));
    }

    #[test]
    fn statistics_that_say_less_answer_nothing() {
        let stats = CopyStats::from("{'copy_time': -1, 'analysis_time': None}".parse::<Literal>().unwrap());
        assert_eq!((stats.copy_time(), stats.startup_time(), stats.number_of_workers()), (None, None, None));
    }
}
