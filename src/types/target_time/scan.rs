//! Takes a text apart into date, time of day, offset and the words between them.

use chrono::{FixedOffset, Month, NaiveDateTime, NaiveTime, Offset, Weekday};

use super::TargetTimeError;
use super::date::{self, Part};
use crate::types::utc_offset::parse_utc_offset;

/// What a text says.
#[derive(Debug)]
pub struct Spelled {
    /// What the clock on the wall shows.
    pub wall: NaiveDateTime,
    /// How far that clock is from UTC, when the text says it.
    pub offset: Option<FixedOffset>,
    /// Whether the numbers of the date could be meant in another order.
    pub is_order_assumed: bool,
}

/// Reads a text from left to right.
pub fn read(text: &str) -> Result<Spelled, TargetTimeError> {
    let mut scanner = Scanner { rest: text.trim(), ..Scanner::default() };
    while let Some(next) = scanner.rest.chars().next() {
        match next {
            '0'..='9' => scanner.number()?,
            '+' | '-' if scanner.time.is_some() && !scanner.is_after_date => scanner.offset()?,
            '(' if scanner.offset.is_some() && scanner.rest.ends_with(')') => scanner.rest = "",
            _ if next.is_ascii_alphabetic() => scanner.word()?,
            _ => scanner.separator(next)?,
        }
    }
    scanner.finish()
}

#[derive(Debug, Default)]
struct Scanner<'a> {
    rest: &'a str,
    parts: Vec<Part>,
    weekday: Option<Weekday>,
    time: Option<Clock>,
    offset: Option<FixedOffset>,
    /// Whether what was read last is a part of the date: then `-` separates.
    is_after_date: bool,
    /// Whether a time of day must follow.
    expects_time: bool,
}

/// A time of day as it stands in the text.
#[derive(Debug, Clone, Copy, Default)]
struct Clock {
    hour: u32,
    minute: u32,
    second: u32,
    micros: u32,
    half: Option<Half>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Am,
    Pm,
}

impl Clock {
    fn to_time(self) -> Option<NaiveTime> {
        let hour = match (self.half, self.hour) {
            (None, hour) => hour,
            (Some(_), 13..) => return None,
            (Some(Half::Am), hour) => hour % 12,
            (Some(Half::Pm), hour) => hour % 12 + 12,
        };
        // chrono counts a leap second as a fraction beyond a second; PostgreSQL's clock has none.
        NaiveTime::from_hms_micro_opt(hour, self.minute, self.second, self.micros)
    }
}

impl<'a> Scanner<'a> {
    fn finish(self) -> Result<Spelled, TargetTimeError> {
        if self.expects_time || self.parts.is_empty() && self.time.is_none() && self.weekday.is_none() {
            return Err(TargetTimeError::Unknown);
        }
        let (date, is_order_assumed) = date::resolve(&self.parts)?;
        date::check_weekday(date, self.weekday)?;
        let time =
            self.time.unwrap_or_default().to_time().ok_or(TargetTimeError::Impossible("time of day"))?;
        Ok(Spelled { wall: date.and_time(time), offset: self.offset, is_order_assumed })
    }

    /// Blanks and commas stand anywhere; the others between the parts of a date, and before a time.
    fn separator(&mut self, next: char) -> Result<(), TargetTimeError> {
        let stands_here = match next {
            ',' | ';' => true,
            '-' | '/' | '.' => self.is_after_date,
            '\'' => !self.is_after_date,
            _ => next.is_whitespace(),
        };
        self.rest = &self.rest[next.len_utf8()..];
        self.is_after_date = false;
        if stands_here { Ok(()) } else { Err(TargetTimeError::Unknown) }
    }

    fn number(&mut self) -> Result<(), TargetTimeError> {
        let digits = self.take_while(|c| c.is_ascii_digit());
        let has_date = self.parts.len() == 3;
        if self.rest.starts_with(':') {
            return self.clock(digits);
        }
        match digits.len() {
            1 | 2 if self.hours_and_units(digits)? => Ok(()),
            1 | 2 | 4 if !has_date => self.date_part(digits),
            8 if self.parts.is_empty() => self.compact_date(digits),
            12 | 14 if self.parts.is_empty() => {
                self.compact_date(&digits[..8])?;
                self.compact_time(&digits[8..])
            }
            1 | 2 | 4 | 6 if has_date => self.compact_time(digits),
            _ => Err(TargetTimeError::Unknown),
        }
    }

    fn date_part(&mut self, digits: &str) -> Result<(), TargetTimeError> {
        self.parts.push(Part::Number { value: value_of(digits)?, digits: digits.len() });
        let is_ordinal =
            ["st", "nd", "rd", "th"].iter().any(|suffix| self.next_word().eq_ignore_ascii_case(suffix));
        if is_ordinal {
            self.rest = &self.rest[2..];
        }
        self.is_after_date = true;
        Ok(())
    }

    fn compact_date(&mut self, digits: &str) -> Result<(), TargetTimeError> {
        for part in [&digits[..4], &digits[4..6], &digits[6..]] {
            self.date_part(part)?;
        }
        Ok(())
    }

    /// `HHMMSS`, with a fraction, `HHMM` or `HH`.
    fn compact_time(&mut self, digits: &str) -> Result<(), TargetTimeError> {
        let part = |at: usize| digits.get(at..at + 2).map_or(Ok(0), value_of);
        if digits.len() == 1 {
            return self.set_time(Clock { hour: value_of(digits)?, ..Clock::default() });
        }
        let micros = if digits.len() == 6 { self.fraction()? } else { 0 };
        let clock = Clock { hour: part(0)?, minute: part(2)?, second: part(4)?, micros, half: None };
        self.set_time(clock)
    }

    /// `H:M`, `H:M:S` and `H:M:S.f`, with am or pm behind.
    fn clock(&mut self, hour: &str) -> Result<(), TargetTimeError> {
        let minute = self.after_colon()?.ok_or(TargetTimeError::Unknown)?;
        let second = self.after_colon()?;
        let micros = if second.is_some() { self.fraction()? } else { 0 };
        if hour.len() > 2 || self.rest.starts_with(':') {
            return Err(TargetTimeError::Unknown);
        }
        let half = self.take_half();
        self.set_time(Clock { hour: value_of(hour)?, minute, second: second.unwrap_or(0), micros, half })
    }

    fn after_colon(&mut self) -> Result<Option<u32>, TargetTimeError> {
        let Some(rest) = self.rest.strip_prefix(':') else { return Ok(None) };
        self.rest = rest;
        let digits = self.take_while(|c| c.is_ascii_digit());
        if digits.len() > 2 {
            return Err(TargetTimeError::Unknown);
        }
        value_of(digits).map(Some)
    }

    /// The digits behind a point or comma as microseconds; further ones do not count, as in PostgreSQL's clock.
    fn fraction(&mut self) -> Result<u32, TargetTimeError> {
        let Some(rest) = self.rest.strip_prefix(['.', ',']) else { return Ok(0) };
        if !rest.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(0);
        }
        self.rest = rest;
        let digits = self.take_while(|c| c.is_ascii_digit());
        value_of(&format!("{digits:0<6}")[..6])
    }

    /// `10h`, `10h30`, `10h30m15.5s`, `10 pm`; false when the number is something else.
    fn hours_and_units(&mut self, hour: &str) -> Result<bool, TargetTimeError> {
        if let Some(half) = self.take_half() {
            self.set_time(Clock { hour: value_of(hour)?, half: Some(half), ..Clock::default() })?;
            return Ok(true);
        }
        if !self.take_unit("h") {
            return Ok(false);
        }
        let mut clock = Clock { hour: value_of(hour)?, ..Clock::default() };
        let minute = self.take_while(|c| c.is_ascii_digit());
        if !minute.is_empty() {
            clock.minute = value_of(minute)?;
            if self.take_unit("m") {
                let second = self.take_while(|c| c.is_ascii_digit());
                if !second.is_empty() {
                    clock.second = value_of(second)?;
                    clock.micros = self.fraction()?;
                    self.take_unit("s");
                }
            }
        }
        self.set_time(clock)?;
        Ok(true)
    }

    fn set_time(&mut self, clock: Clock) -> Result<(), TargetTimeError> {
        self.is_after_date = false;
        self.expects_time = false;
        match self.time.replace(clock) {
            None => Ok(()),
            Some(_) => Err(TargetTimeError::Unknown),
        }
    }

    fn offset(&mut self) -> Result<(), TargetTimeError> {
        let text = self.rest;
        let end = text[1..].find(|c: char| !c.is_ascii_digit() && c != ':').map_or(text.len(), |at| at + 1);
        let offset = parse_utc_offset(&text[..end]).ok_or(TargetTimeError::Unknown)?;
        self.rest = &text[end..];
        self.set_offset(offset)
    }

    fn set_offset(&mut self, offset: FixedOffset) -> Result<(), TargetTimeError> {
        match self.offset.replace(offset) {
            None => Ok(()),
            Some(_) => Err(TargetTimeError::Unknown),
        }
    }

    fn word(&mut self) -> Result<(), TargetTimeError> {
        let word = self.next_word();
        let rest = &self.rest[word.len()..];
        let is = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        if is(&["t"]) && !self.parts.is_empty() {
            self.expects_time = self.time.is_none();
        } else if is(&["z", "utc", "gmt"]) && self.time.is_some() {
            if rest.trim_start().starts_with(['+', '-']) {
                return Err(self.zone_name());
            }
            self.set_offset(chrono::Utc.fix())?;
        } else if let Some(month) = find_month(word) {
            self.parts.push(Part::Month(month));
            self.is_after_date = true;
            self.rest = rest;
            return Ok(());
        } else if let Some(weekday) = find_weekday(word) {
            self.weekday = Some(weekday);
            self.rest = rest.strip_prefix('.').unwrap_or(rest);
            return Ok(());
        } else if !is(&["at", "on", "of", "and", "ad"]) {
            return Err(if self.time.is_some() { self.zone_name() } else { TargetTimeError::Unknown });
        }
        self.is_after_date = false;
        self.rest = rest;
        Ok(())
    }

    /// The word here, in whose place an offset is wanted.
    fn zone_name(&self) -> TargetTimeError {
        let name = self.rest.split_whitespace().next().unwrap_or_default();
        TargetTimeError::ZoneName(name.to_owned())
    }

    /// The letters that follow.
    fn next_word(&self) -> &'a str {
        let end = self.rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest.len());
        &self.rest[..end]
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let (taken, rest) = self.rest.split_at(self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Takes `h`, `m` or `s` and the blanks around it.
    fn take_unit(&mut self, unit: &str) -> bool {
        let rest = self.rest.trim_start();
        let word = Scanner { rest, ..Scanner::default() }.next_word();
        let is_unit = word.eq_ignore_ascii_case(unit);
        if is_unit {
            self.rest = rest[unit.len()..].trim_start();
        }
        is_unit
    }

    /// Takes `am`, `PM`, `a.m.` or `p` and the blanks before it.
    fn take_half(&mut self) -> Option<Half> {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphabetic() && c != '.').unwrap_or(rest.len());
        let half = match rest[..end].to_ascii_lowercase().as_str() {
            "a" | "am" | "a.m." | "a.m" => Half::Am,
            "p" | "pm" | "p.m." | "p.m" => Half::Pm,
            _ => return None,
        };
        self.rest = &rest[end..];
        Some(half)
    }
}

fn value_of(digits: &str) -> Result<u32, TargetTimeError> {
    digits.parse().map_err(|_| TargetTimeError::Unknown)
}

/// The month of a whole name or its first three letters.
fn find_month(word: &str) -> Option<u32> {
    let word = if word.eq_ignore_ascii_case("sept") { "sep" } else { word };
    word.parse::<Month>().ok().map(|month| month.number_from_month())
}

/// The day of a whole name or its first three letters.
fn find_weekday(word: &str) -> Option<Weekday> {
    word.parse().ok()
}
