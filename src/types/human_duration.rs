use std::fmt;
use std::time::Duration;

/// A span of time as people read it: `1 day, 1 hour, 1 minute, 1 second`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanDuration {
    seconds: i64,
}

impl HumanDuration {
    /// A span of whole seconds; a negative one lies in the past.
    pub const fn from_secs(seconds: i64) -> Self {
        Self { seconds }
    }

    /// Its whole seconds.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }
}

impl From<Duration> for HumanDuration {
    fn from(span: Duration) -> Self {
        Self { seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX) }
    }
}

impl From<chrono::TimeDelta> for HumanDuration {
    fn from(span: chrono::TimeDelta) -> Self {
        Self { seconds: span.num_seconds() }
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.seconds.unsigned_abs();
        if total == 0 {
            return f.pad("less than one second");
        }
        let parts = [
            (total / 86_400, "day"),
            (total / 3600 % 24, "hour"),
            (total / 60 % 60, "minute"),
            (total % 60, "second"),
        ];
        let words: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, unit)| format!("{count} {unit}{}", if *count == 1 { "" } else { "s" }))
            .collect();
        let ago = if self.seconds < 0 { " ago" } else { "" };
        f.pad(&format!("{}{ago}", words.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_barman_writes_them() {
        let cases = [
            (0, "less than one second"),
            (1, "1 second"),
            (61, "1 minute, 1 second"),
            (90_061, "1 day, 1 hour, 1 minute, 1 second"),
            (400 * 86_400 + 5, "400 days, 5 seconds"),
            (-5, "5 seconds ago"),
        ];
        for (seconds, text) in cases {
            assert_eq!(HumanDuration::from_secs(seconds).to_string(), text);
        }
    }
}
