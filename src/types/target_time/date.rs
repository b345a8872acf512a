//! Which of the numbers in a date is the day, the month and the year.

use chrono::{Datelike, NaiveDate, Weekday};

use super::TargetTimeError;

/// A part of a date, as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A number with so many digits.
    Number { value: u32, digits: usize },
    /// A month by its name.
    Month(u32),
}

impl Part {
    fn is_month(self) -> bool {
        matches!(self, Self::Month(_))
    }

    fn value(self) -> u32 {
        match self {
            Self::Number { value, .. } | Self::Month(value) => value,
        }
    }

    /// Whether it can only be a year: four digits, or more than any month has days.
    fn is_year(self) -> bool {
        matches!(self, Self::Number { value, digits } if digits > 2 || value > 31)
    }

    /// The year of four digits, or of two, which lie between 1969 and 2068 as POSIX has it.
    fn year(self) -> u32 {
        match self {
            Self::Number { value, digits } if digits <= 2 => value + if value < 69 { 2000 } else { 1900 },
            _ => self.value(),
        }
    }
}

/// The day that three parts mean, and whether another one could be meant.
///
/// The order is that of python-dateutil, which reads the times that people give to Barman: a year is the number that
/// can be nothing else, and the last one otherwise; of the others the first is the month, unless it is too great.
pub fn resolve(parts: &[Part]) -> Result<(NaiveDate, bool), TargetTimeError> {
    let [first, second, third] = parts else { return Err(TargetTimeError::Partial(missing(parts))) };
    let (year, month, day) = match [first, second, third].map(|part| part.is_month()) {
        [false, _, false] if first.is_year() => (first, second, third),
        [false, true, false] => (third, second, first),
        [false, false, false] if first.value() > 12 => (third, second, first),
        [_, false, false] if !second.is_year() => (third, first, second),
        [true, false, false] => (second, first, third),
        _ => return Err(TargetTimeError::Unknown),
    };
    let order_can_differ = first.value() <= 12 && second.value() <= 12 && first.value() != second.value();
    let is_assumed =
        !year.is_year() || !parts.iter().any(|part| part.is_month()) && !first.is_year() && order_can_differ;
    let number = i32::try_from(year.year()).ok().filter(|number| *number > 0);
    let date = number.and_then(|number| NaiveDate::from_ymd_opt(number, month.value(), day.value()));
    date.map(|date| (date, is_assumed)).ok_or(TargetTimeError::Impossible("day"))
}

fn missing(parts: &[Part]) -> &'static str {
    match parts {
        [] => "the date",
        [one] if one.is_year() => "the day and the month",
        [_] => "the year",
        _ if parts.iter().any(|part| part.is_year()) => "the day",
        _ => "the year",
    }
}

/// Refuses a day of the week that the date is not: one of the two is a mistake.
pub fn check_weekday(date: NaiveDate, weekday: Option<Weekday>) -> Result<(), TargetTimeError> {
    match weekday {
        Some(weekday) if weekday != date.weekday() => {
            Err(TargetTimeError::WrongWeekday(NAMES[date.weekday().num_days_from_monday() as usize]))
        }
        _ => Ok(()),
    }
}

const NAMES: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
