use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};

use super::Timestamp;

/// A moment that a person asked to restore to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetTime {
    /// The moment.
    pub moment: Timestamp,
    /// What had to be assumed to understand it.
    pub assumed: Assumed,
}

/// What the text left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assumed {
    /// Nothing: the text says its offset from UTC.
    Nothing,
    /// The time zone of this host.
    LocalZone,
    /// The time zone of this host, and the first of two moments that a clock change gave the same name.
    FirstOfTwo,
}

/// A text that does not say a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetTimeError {
    /// Not understood.
    #[error("not a date and time; write it like '2026-01-31 10:00:00+01:00'")]
    Unknown,
    /// A part is missing that must not be guessed.
    #[error("{0} is missing; write the whole moment, like '2026-01-31 10:00:00+01:00'")]
    Partial(&'static str),
    /// No clock of the zone ever showed it.
    #[error("the clocks of this host's time zone skip that moment; write it with its offset, like '+01:00'")]
    Skipped,
}

/// Understands a moment as people write it: ISO 8601 with blank or `T`, compact digits, day and month names.
///
/// A text without offset is read in `zone`. A part that is missing is never guessed, since a restore to the wrong
/// moment loses data: `10:00` and `Jan 5` are refused.
pub fn parse_target_time<Z: TimeZone>(text: &str, zone: &Z) -> Result<TargetTime, TargetTimeError> {
    let text = text.trim();
    let (rest, offset) = split_offset(text);
    let naive = parse_naive(rest)?;
    match offset {
        Some(offset) => {
            let moment = offset.from_local_datetime(&naive).single().ok_or(TargetTimeError::Unknown)?;
            Ok(TargetTime { moment, assumed: Assumed::Nothing })
        }
        None => match zone.from_local_datetime(&naive) {
            LocalResult::Single(moment) => Ok(assumed(&moment, Assumed::LocalZone)),
            LocalResult::Ambiguous(first, _) => Ok(assumed(&first, Assumed::FirstOfTwo)),
            LocalResult::None => Err(TargetTimeError::Skipped),
        },
    }
}

fn assumed<Z: TimeZone>(moment: &DateTime<Z>, assumed: Assumed) -> TargetTime {
    TargetTime { moment: moment.fixed_offset(), assumed }
}

/// Cuts `Z`, `UTC`, `+02`, `+0200` or `+02:00` off the end of a text that has a time of day.
fn split_offset(text: &str) -> (&str, Option<chrono::FixedOffset>) {
    let utc = chrono::FixedOffset::east_opt(0);
    for name in ["Z", "z", "UTC", "GMT"] {
        if let Some(rest) =
            text.strip_suffix(name).filter(|rest| rest.ends_with(|c: char| c.is_ascii_digit() || c == ' '))
        {
            return (rest.trim_end(), utc);
        }
    }
    // A sign can only be an offset behind a time of day; in a date alone it separates the parts.
    let time_begins = text.find(':').or_else(|| text.find('T')).unwrap_or(text.len());
    match text.rfind(['+', '-']).filter(|at| *at > time_begins) {
        Some(at) => match parse_offset(&text[at..]) {
            Some(offset) => (text[..at].trim_end(), Some(offset)),
            None => (text, None),
        },
        None => (text, None),
    }
}

fn parse_offset(text: &str) -> Option<chrono::FixedOffset> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) if minutes.len() == 2 => (hours, minutes),
        Some(_) => return None,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let number =
        |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<i32>().ok()).flatten();
    let (hours, minutes) =
        (number(hours).filter(|_| hours.len() <= 2)?, number(minutes).filter(|m| *m < 60)?);
    chrono::FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60))
}

const DATE_TIMES: [&str; 13] = [
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y/%m/%d %H:%M",
    "%Y%m%dT%H%M%S%.f",
    "%Y%m%d %H:%M:%S%.f",
    "%a %b %d %H:%M:%S %Y",
    "%a, %d %b %Y %H:%M:%S",
    "%b %d %Y %H:%M:%S%.f",
    "%d %b %Y %H:%M:%S%.f",
    "%b %d, %Y %H:%M:%S%.f",
];
const SHORT_TIMES: [&str; 3] = ["%b %d %Y %H:%M", "%d %b %Y %H:%M", "%b %d, %Y %H:%M"];
const DATES: [&str; 6] = ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%b %d %Y", "%d %b %Y", "%b %d, %Y"];
const TIMES: [&str; 2] = ["%H:%M:%S%.f", "%H:%M"];

fn parse_naive(text: &str) -> Result<NaiveDateTime, TargetTimeError> {
    let mut date_times = DATE_TIMES.iter().chain(&SHORT_TIMES);
    if let Some(found) = date_times.find_map(|format| NaiveDateTime::parse_from_str(text, format).ok()) {
        return Ok(found);
    }
    // A date alone means its first moment, to Barman's users and to PostgreSQL.
    if let Some(date) = DATES.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok()) {
        return Ok(date.and_time(NaiveTime::MIN));
    }
    if TIMES.iter().any(|format| NaiveTime::parse_from_str(text, format).is_ok()) {
        return Err(TargetTimeError::Partial("the date"));
    }
    let without_year = ["%b %d", "%d %b"]
        .iter()
        .any(|format| NaiveDate::parse_from_str(&format!("{text} 2024"), &format!("{format} %Y")).is_ok());
    Err(if without_year { TargetTimeError::Partial("the year") } else { TargetTimeError::Unknown })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{FixedOffset, Local};
    use proptest::prelude::*;

    fn at(text: &str) -> Result<String, TargetTimeError> {
        let zone = FixedOffset::east_opt(3600).unwrap();
        parse_target_time(text, &zone).map(|target| target.moment.to_string())
    }

    #[test]
    fn the_usual_spellings_are_understood() {
        let cases = [
            ("2026-11-22 11:45:55+00:00", "2026-11-22 11:45:55 +00:00"),
            ("2026-11-22 11:45:55.25+02", "2026-11-22 11:45:55.250 +02:00"),
            ("2026-11-22T11:45:55Z", "2026-11-22 11:45:55 +00:00"),
            ("2026-11-22T11:45:55-0330", "2026-11-22 11:45:55 -03:30"),
            ("20261122T114555", "2026-11-22 11:45:55 +01:00"),
            ("20261122T114555+02", "2026-11-22 11:45:55 +02:00"),
            ("2026-11-22 11:45 UTC", "2026-11-22 11:45:00 +00:00"),
            ("2026-11-22", "2026-11-22 00:00:00 +01:00"),
            ("Sun Nov 22 11:45:55 2026", "2026-11-22 11:45:55 +01:00"),
            ("Nov 22 2026 11:45", "2026-11-22 11:45:00 +01:00"),
        ];
        for (text, moment) in cases {
            assert_eq!(at(text).as_deref(), Ok(moment), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_not_guessed() {
        assert_eq!(at("10:00"), Err(TargetTimeError::Partial("the date")));
        assert_eq!(at("Jan 5"), Err(TargetTimeError::Partial("the year")));
        assert_eq!(at("gibberish"), Err(TargetTimeError::Unknown));
        assert_eq!(at("2026-13-01 00:00:00"), Err(TargetTimeError::Unknown));
        assert_eq!(at("2026-01-01 00:00:00+25:99"), Err(TargetTimeError::Unknown));
    }

    #[test]
    fn the_zone_that_was_assumed_is_told() {
        let zone = FixedOffset::east_opt(0).unwrap();
        assert_eq!(parse_target_time("2026-01-01 00:00:00", &zone).unwrap().assumed, Assumed::LocalZone);
        assert_eq!(parse_target_time("2026-01-01 00:00:00+00", &zone).unwrap().assumed, Assumed::Nothing);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in ".{0,40}") {
            let _ = parse_target_time(&text, &Local);
        }

        #[test]
        fn what_postgresql_writes_is_read_back(seconds in 0_i64..4_000_000_000, half_hours in -24_i32..=24) {
            let zone = FixedOffset::east_opt(half_hours * 1800).unwrap();
            let moment = zone.timestamp_opt(seconds, 0).unwrap();
            let text = moment.format("%Y-%m-%d %H:%M:%S%:z").to_string();
            prop_assert_eq!(parse_target_time(&text, &Local).unwrap().moment, moment);
        }
    }
}
