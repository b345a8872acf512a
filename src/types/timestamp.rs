use chrono::{DateTime, Datelike, Duration, FixedOffset, NaiveDate, NaiveDateTime, Offset, TimeZone};

use super::ParseError;
use super::utc_offset::parse_utc_offset;
use super::wall_clock::moments_of;

/// A moment with the offset it was written with, as PostgreSQL and the catalogue give it.
pub type Timestamp = DateTime<FixedOffset>;

/// Reads a date as people and programs write it; one without an offset is meant in `zone`.
///
/// Understood are `2026-01-02 03:04:05.678+01:00` and its shorter forms (`T` for the blank, no fraction, no
/// seconds, no time, digits without separators), the form of `ctime(3)`, and the offsets `Z`, `UTC`, `GMT`,
/// `+HH`, `+HHMM`, `+HH:MM` and `+HH:MM:SS`.
pub fn parse_timestamp(text: &str, zone: &impl TimeZone) -> Result<Timestamp, ParseError> {
    let text = text.trim();
    let (wall, offset) = split_offset(text);
    let at = parse_wall_clock(wall.trim_end()).and_then(|wall| match offset {
        Some(offset) => offset.from_local_datetime(&wall).single(),
        None => in_zone(wall, zone),
    });
    at.ok_or_else(|| ParseError::new("date", text))
}

/// Writes a moment as PostgreSQL and Python do: `2026-01-02 03:04:05.678000+01:00`, without the fraction when
/// there is none. Parts of a second below the microsecond are dropped.
pub fn timestamp_text(at: Timestamp) -> String {
    let fraction = if at.timestamp_subsec_micros() == 0 { "" } else { "%.6f" };
    let offset = if at.offset().local_minus_utc() % 60 == 0 { "%:z" } else { "%::z" };
    at.format(&format!("%Y-%m-%d %H:%M:%S{fraction}{offset}")).to_string()
}

/// Writes a moment in the form of ISO 8601: as [`timestamp_text`] does, with a `T` for the blank.
pub fn iso_text(at: Timestamp) -> String {
    timestamp_text(at).replacen(' ', "T", 1)
}

/// Writes the wall clock of a moment as `ctime(3)` does: `Fri Jan  2 03:04:05 2026`.
pub fn ctime_text(at: Timestamp) -> String {
    at.format("%a %b %e %H:%M:%S %Y").to_string()
}

/// Takes the offset off the end of a date.
fn split_offset(text: &str) -> (&str, Option<FixedOffset>) {
    for name in ["Z", "UTC", "GMT"] {
        if let Some(wall) = text.strip_suffix(name) {
            return (wall, Some(chrono::Utc.fix()));
        }
    }
    // A `-` also stands between year, month and day: only behind a time of day is it a sign.
    let sign = text.find(':').and_then(|colon| Some(colon + text[colon..].find(['+', '-'])?));
    match sign.and_then(|at| Some((&text[..at], parse_utc_offset(&text[at..])?))) {
        Some((wall, offset)) => (wall, Some(offset)),
        None => (text, None),
    }
}

fn parse_wall_clock(text: &str) -> Option<NaiveDateTime> {
    const DATE_TIMES: [&str; 7] = [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M",
        "%Y%m%dT%H%M%S",
        "%a %b %e %H:%M:%S %Y",
        "%b %e %H:%M:%S %Y",
    ];
    const DATES: [&str; 2] = ["%Y-%m-%d", "%Y%m%d"];
    let date_time = DATE_TIMES.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let date = || DATES.iter().find_map(|form| NaiveDate::parse_from_str(text, form).ok());
    let found = date_time.or_else(|| date()?.and_hms_opt(0, 0, 0));
    found.filter(|wall| (1..=9999).contains(&wall.year()))
}

/// The moment at which clocks in `zone` show `wall`: the first of two, and one hour later for a time that is
/// left out in spring, when the clocks are put forward.
fn in_zone(wall: NaiveDateTime, zone: &impl TimeZone) -> Option<Timestamp> {
    let at = |wall: NaiveDateTime| moments_of(wall, zone).first().copied();
    at(wall).or_else(|| Some(at(wall - Duration::hours(1))? + Duration::hours(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Option<String> {
        let zone = FixedOffset::east_opt(7200).unwrap();
        parse_timestamp(text, &zone).ok().map(timestamp_text)
    }

    #[test]
    fn dates_of_every_barman_are_understood() {
        let cases = [
            ("2026-01-02 03:04:05.123456+00:00", "2026-01-02 03:04:05.123456+00:00"),
            ("2014-08-21 10:15:01.204518+02:00", "2014-08-21 10:15:01.204518+02:00"),
            ("2026-01-02T03:04:05Z", "2026-01-02 03:04:05+00:00"),
            ("2026-01-02 03:04:05 UTC", "2026-01-02 03:04:05+00:00"),
            ("2026-01-02 03:04:05-0330", "2026-01-02 03:04:05-03:30"),
            ("2026-01-02 03:04+05", "2026-01-02 03:04:00+05:00"),
            ("1900-01-01 00:00:00+00:09:21", "1900-01-01 00:00:00+00:09:21"),
            ("2026-01-02 03:04:05.5", "2026-01-02 03:04:05.500000+02:00"),
            ("2026-01-02", "2026-01-02 00:00:00+02:00"),
            ("20260102T030405", "2026-01-02 03:04:05+02:00"),
            ("Fri Jan  2 03:04:05 2026", "2026-01-02 03:04:05+02:00"),
        ];
        for (text, read) in cases {
            assert_eq!(parse(text).as_deref(), Some(read), "{text:?}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in
            ["", "None", "2026", "2026-13-01", "2026-01-02 25:00:00", "2026-01-02 03:04:05+99:00", "é"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn ctime_pads_the_day_with_a_blank() {
        let at = parse_timestamp("2025-01-02 10:01:15.5+01:00", &chrono::Utc).unwrap();
        assert_eq!(ctime_text(at), "Thu Jan  2 10:01:15 2025");
    }

    proptest! {
        #[test]
        fn parsing_undoes_writing(micros in 0..4_000_000_000_000_000_i64, offset in -86_399..86_400_i32) {
            let at = DateTime::from_timestamp_micros(micros).unwrap()
                .with_timezone(&FixedOffset::east_opt(offset).unwrap());
            let back = parse_timestamp(&timestamp_text(at), &chrono::Utc).unwrap();
            prop_assert_eq!((back, back.offset()), (at, at.offset()));
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "\\PC{0,40}") {
            let _ = parse_timestamp(&text, &chrono::Utc);
        }

        #[test]
        fn anything_like_a_date_is_read_or_refused_without_panic(text in "[-+:.TZ0-9 é]{0,30}") {
            let _ = parse_timestamp(&text, &chrono::Utc);
        }
    }
}
