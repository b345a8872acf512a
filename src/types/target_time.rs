use chrono::TimeZone;

use self::scan::Spelled;
use super::Timestamp;
use super::wall_clock::moments_of;

mod date;
mod scan;

/// A moment that a person asked to restore to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetTime {
    /// The moment.
    pub moment: Timestamp,
    /// What had to be assumed about its time zone.
    pub assumed: Assumed,
    /// Whether the numbers of the date could be meant in another order: `1/2/2026`, `26-01-02`.
    pub is_order_assumed: bool,
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
    /// No calendar or clock has it: the 30th of February, 25 o'clock.
    #[error("there is no such {0}; write the moment like '2026-01-31 10:00:00+01:00'")]
    Impossible(&'static str),
    /// The date is not that day of the week.
    #[error("that day is a {0}; correct the date, or leave out the day of the week")]
    WrongWeekday(&'static str),
    /// A word in the place of an offset. `CST` and `IST` are several zones; `UTC+3` lies west of Greenwich to some
    /// programs and east of it to others.
    #[error(
        "'{0}' does not mean the same to everybody; write the offset from UTC in its place, like '+01:00'"
    )]
    ZoneName(String),
    /// No clock of the zone ever showed it.
    #[error("the clocks of this host's time zone skip that moment; write it with its offset, like '+01:00'")]
    Skipped,
}

/// Understands a moment as people and programs write it: ISO 8601 in all its spellings, the dates of e-mail and of
/// `ctime(3)`, names of months, am and pm.
///
/// A text without offset is read in `zone`. A part that is missing is never guessed, since a restore to the wrong
/// moment loses data: `10:00` and `Jan 5` are refused. Only a time of day may be left out; a date means its first
/// moment, to Barman's users and to PostgreSQL.
pub fn parse_target_time<Z: TimeZone>(text: &str, zone: &Z) -> Result<TargetTime, TargetTimeError> {
    let Spelled { wall, offset, is_order_assumed } = scan::read(text)?;
    let (moment, assumed) = match offset {
        Some(offset) => {
            let moment = offset.from_local_datetime(&wall).single().ok_or(TargetTimeError::Unknown)?;
            (moment, Assumed::Nothing)
        }
        None => match moments_of(wall, zone)[..] {
            [] => return Err(TargetTimeError::Skipped),
            [moment] => (moment, Assumed::LocalZone),
            [first, ..] => (first, Assumed::FirstOfTwo),
        },
    };
    Ok(TargetTime { moment, assumed, is_order_assumed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{FixedOffset, Local};
    use proptest::prelude::*;

    fn read(text: &str) -> Result<TargetTime, TargetTimeError> {
        parse_target_time(text, &FixedOffset::east_opt(3600).unwrap())
    }

    fn at(text: &str) -> Result<String, TargetTimeError> {
        read(text).map(|target| target.moment.to_string())
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
            ("Sun Nov 22 11:45:55 2026 -0300", "2026-11-22 11:45:55 -03:00"),
            ("Nov 22 2026 11:45", "2026-11-22 11:45:00 +01:00"),
            ("22nd of November, 2026, at 11:45 p.m.", "2026-11-22 23:45:00 +01:00"),
        ];
        for (text, moment) in cases {
            assert_eq!(at(text).as_deref(), Ok(moment), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_not_guessed() {
        let cases = [
            ("10:00", "the date"),
            ("Sunday 10:00", "the date"),
            ("Jan 5", "the year"),
            ("5/1 10:00", "the year"),
            ("2026-01", "the day"),
            ("Jan 2026 10:00", "the day"),
            ("2026", "the day and the month"),
        ];
        for (text, missing) in cases {
            assert_eq!(at(text), Err(TargetTimeError::Partial(missing)), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused_with_the_reason() {
        let cases = [
            ("", TargetTimeError::Unknown),
            ("gibberish", TargetTimeError::Unknown),
            ("tomorrow 10:00", TargetTimeError::Unknown),
            ("2026-01-01 00:00:00+25:99", TargetTimeError::Unknown),
            ("2026-01-01 10:00 11:00", TargetTimeError::Unknown),
            ("2026-01-01 2026-01-02 10:00", TargetTimeError::Unknown),
            ("2026-01-01 -1:00", TargetTimeError::Unknown),
            ("2026-01-01T", TargetTimeError::Unknown),
            ("260101", TargetTimeError::Unknown),
            ("2026-13-01 00:00:00", TargetTimeError::Impossible("day")),
            ("2026-02-29", TargetTimeError::Impossible("day")),
            ("2026-01-01 24:00", TargetTimeError::Impossible("time of day")),
            ("2026-01-01 13:00 PM", TargetTimeError::Impossible("time of day")),
            ("Mon Nov 22 2026 10:00", TargetTimeError::WrongWeekday("Sunday")),
            ("2026-01-01 10:00 CET", TargetTimeError::ZoneName("CET".into())),
            ("2026-01-01 10:00 Europe/Berlin", TargetTimeError::ZoneName("Europe/Berlin".into())),
            ("2026-01-01 10:00 UTC+3", TargetTimeError::ZoneName("UTC+3".into())),
        ];
        for (text, why) in cases {
            assert_eq!(at(text), Err(why), "{text}");
        }
    }

    #[test]
    fn the_zone_that_was_assumed_is_told() {
        assert_eq!(read("2026-01-01 00:00:00").unwrap().assumed, Assumed::LocalZone);
        assert_eq!(read("2026-01-01 00:00:00+00").unwrap().assumed, Assumed::Nothing);
    }

    #[test]
    fn an_order_of_numbers_that_was_assumed_is_told() {
        for text in ["1/2/2026", "02-01-26", "22-Nov-26", "26/11/22"] {
            assert!(read(text).unwrap().is_order_assumed, "{text}");
        }
        for text in ["2026-01-02", "2026/2/1", "1/1/2026", "22.11.2026", "11/22/2026", "2 Jan 2026"] {
            assert!(!read(text).unwrap().is_order_assumed, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in ".{0,40}") {
            let _ = parse_target_time(&text, &Local);
        }

        #[test]
        fn anything_like_a_date_is_read_or_refused_without_panic(
            text in "([0-9]{1,4}|[-+:./, TZé']|Jan|Nov|Sun|am|p\\.m\\.|h|UTC|th){0,14}",
        ) {
            let _ = parse_target_time(&text, &Local);
        }

        #[test]
        fn what_postgresql_writes_is_read_back(seconds in 0_i64..4_000_000_000, half_hours in -24_i32..=24) {
            let zone = FixedOffset::east_opt(half_hours * 1800).unwrap();
            let moment = zone.timestamp_opt(seconds, 0).unwrap();
            let text = moment.format("%Y-%m-%d %H:%M:%S%:z").to_string();
            prop_assert_eq!(parse_target_time(&text, &Local).unwrap().moment, moment);
        }

        #[test]
        fn every_order_of_the_parts_means_the_same_day(seconds in 0_i64..4_000_000_000) {
            let moment = chrono::Utc.timestamp_opt(seconds, 0).unwrap();
            for form in [
                "%Y-%m-%dT%H:%M:%SZ", "%Y%m%d%H%M%SZ", "%a, %d %b %Y %T GMT", "%A, %B %d, %Y %I:%M:%S %p UTC",
                "%T %d %b %Y Z", "%m/%d/%Y %T Z", "%c +00:00",
            ] {
                let text = moment.format(form).to_string();
                prop_assert_eq!(parse_target_time(&text, &Local).map(|it| it.moment), Ok(moment.fixed_offset()), "{}", text);
            }
        }
    }
}
