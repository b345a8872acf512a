use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;

use super::ParseError;

/// Which backups are kept: `REDUNDANCY 3`, `RECOVERY WINDOW OF 4 WEEKS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetentionPolicy {
    /// The newest so many backups.
    Redundancy(u32),
    /// As many as it takes to go back to any moment of the window.
    RecoveryWindow(RecoveryWindow),
}

/// How far back a restore must be able to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecoveryWindow {
    /// How many units.
    pub count: u32,
    /// The unit it was written in.
    pub unit: WindowUnit,
}

/// The units a recovery window is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowUnit {
    /// 24 hours.
    Days,
    /// Seven days.
    Weeks,
    /// 31 days, so that no month is too short.
    Months,
}

impl WindowUnit {
    const ALL: [(&'static str, Self); 3] =
        [("DAYS", Self::Days), ("WEEKS", Self::Weeks), ("MONTHS", Self::Months)];

    fn days(self) -> i64 {
        match self {
            Self::Days => 1,
            Self::Weeks => 7,
            Self::Months => 31,
        }
    }

    /// The unit of a word in any case, with or without its final `s`.
    fn find(word: &str) -> Option<Self> {
        let matches = |name: &str| {
            word.eq_ignore_ascii_case(name) || word.eq_ignore_ascii_case(&name[..name.len() - 1])
        };
        Self::ALL.into_iter().find(|(name, _)| matches(name)).map(|(_, unit)| unit)
    }
}

impl RecoveryWindow {
    /// The length of the window. One that no calendar has days for is as long as can be.
    pub fn span(self) -> TimeDelta {
        TimeDelta::try_days(i64::from(self.count) * self.unit.days()).unwrap_or(TimeDelta::MAX)
    }
}

impl fmt::Display for WindowUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Days => "DAYS",
            Self::Weeks => "WEEKS",
            Self::Months => "MONTHS",
        })
    }
}

impl fmt::Display for RetentionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redundancy(count) => write!(f, "REDUNDANCY {count}"),
            Self::RecoveryWindow(RecoveryWindow { count, unit }) => {
                write!(f, "RECOVERY WINDOW OF {count} {unit}")
            }
        }
    }
}

/// Words of any case, any blanks between them.
impl FromStr for RetentionPolicy {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let words: Vec<String> = text.split_whitespace().map(str::to_ascii_uppercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let policy = match words[..] {
            ["REDUNDANCY", count] => parse_count(count).map(Self::Redundancy),
            ["RECOVERY", "WINDOW", "OF", count, unit] => parse_count(count)
                .zip(WindowUnit::find(unit))
                .map(|(count, unit)| Self::RecoveryWindow(RecoveryWindow { count, unit })),
            _ => None,
        };
        policy.ok_or_else(|| ParseError::new("retention policy", text))
    }
}

/// Digits only: `parse` alone would take a sign.
fn parse_count(word: &str) -> Option<u32> {
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn policies_are_read_in_any_case_and_written_in_one() {
        for (text, canonical) in [
            ("redundancy 2", "REDUNDANCY 2"),
            (" REDUNDANCY\t007\n", "REDUNDANCY 7"),
            ("Recovery Window of 4 Weeks", "RECOVERY WINDOW OF 4 WEEKS"),
            ("recovery window of 1 day", "RECOVERY WINDOW OF 1 DAYS"),
            ("RECOVERY WINDOW OF 0 MONTH", "RECOVERY WINDOW OF 0 MONTHS"),
        ] {
            assert_eq!(text.parse::<RetentionPolicy>().unwrap().to_string(), canonical);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "2",
            "REDUNDANCY",
            "REDUNDANCY2",
            "REDUNDANCY -1",
            "REDUNDANCY +1",
            "REDUNDANCY 2 x",
            "REDUNDANCY 99999999999",
            "RECOVERY WINDOW 2 DAYS",
            "RECOVERY WINDOW OF 2WEEKS",
            "RECOVERY WINDOW OF 2 HOURS",
        ] {
            assert!(text.parse::<RetentionPolicy>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_month_is_31_days() {
        let window = RecoveryWindow { count: 2, unit: WindowUnit::Months };
        assert_eq!(window.span(), TimeDelta::days(62));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(count: u32, unit in 0..4usize) {
            let policy = match WindowUnit::ALL.get(unit) {
                Some((_, unit)) => RetentionPolicy::RecoveryWindow(RecoveryWindow { count, unit: *unit }),
                None => RetentionPolicy::Redundancy(count),
            };
            prop_assert_eq!(policy.to_string().parse(), Ok(policy));
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "\\PC{0,40}") {
            let _ = text.parse::<RetentionPolicy>();
        }
    }
}
