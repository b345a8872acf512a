//! How much is logged and in which form, in the terms of Python's logging.

use std::str::FromStr;

use crate::types::ParseError;

/// The least severe messages that are logged, as Python numbers them: INFO is 20.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogLevel(pub u32);

impl LogLevel {
    /// Everything for those who look for a fault.
    pub const DEBUG: Self = Self(10);
    /// Each step; the default.
    pub const INFO: Self = Self(20);
    /// What may need attention.
    pub const WARNING: Self = Self(30);
    /// What did not work.
    pub const ERROR: Self = Self(40);
    /// What ended the program.
    pub const CRITICAL: Self = Self(50);
}

/// A name in any case, or a number; `NOTSET` is everything.
impl FromStr for LogLevel {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.to_ascii_uppercase().as_str() {
            "NOTSET" => Ok(Self(0)),
            "DEBUG" => Ok(Self::DEBUG),
            "INFO" => Ok(Self::INFO),
            "WARNING" | "WARN" => Ok(Self::WARNING),
            "ERROR" => Ok(Self::ERROR),
            "CRITICAL" | "FATAL" => Ok(Self::CRITICAL),
            number => number.parse().map(Self).map_err(|_| ParseError::new("log level", text)),
        }
    }
}

/// The form of a log line: texts and fields in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFormat(pub Vec<LogPiece>);

/// A part of a log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPiece {
    /// Stands as it is.
    Text(String),
    /// Is filled in.
    Field {
        /// With what.
        field: LogField,
        /// The least number of characters.
        width: usize,
        /// What a shorter value is filled up with, and on which side.
        fill: LogFill,
    },
}

/// How a value that is too short becomes wide enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFill {
    /// Blanks before it.
    Right,
    /// Blanks after it.
    Left,
    /// Zeros before it.
    Zeros,
}

/// What a log line can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogField {
    /// `asctime`: local time with milliseconds, `2026-01-31 10:00:00,123`.
    Time,
    /// `msecs`: the milliseconds of that time.
    Milliseconds,
    /// `name`: the part of the program that speaks.
    Name,
    /// `module`: the last word of that name.
    Module,
    /// `levelname`.
    Level,
    /// `levelno`.
    LevelNumber,
    /// `process`: the process id.
    Process,
    /// `processName`.
    ProcessName,
    /// `thread`: its number.
    Thread,
    /// `threadName`.
    ThreadName,
    /// `filename`: the source file.
    File,
    /// `pathname`: its path.
    Path,
    /// `lineno`: the line in it.
    Line,
    /// `funcName`.
    Function,
    /// `message`.
    Message,
}

impl LogField {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "asctime" => Self::Time,
            "msecs" => Self::Milliseconds,
            "name" => Self::Name,
            "module" => Self::Module,
            "levelname" => Self::Level,
            "levelno" => Self::LevelNumber,
            "process" => Self::Process,
            "processName" => Self::ProcessName,
            "thread" => Self::Thread,
            "threadName" => Self::ThreadName,
            "filename" => Self::File,
            "pathname" => Self::Path,
            "lineno" => Self::Line,
            "funcName" => Self::Function,
            "message" => Self::Message,
            _ => return None,
        })
    }
}

/// `%(name)s`, also with a width as in `%(levelname)-8s` or `%(msecs)03d`, and `%%`.
impl FromStr for LogFormat {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            plain.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                plain.push('%');
                rest = after;
                continue;
            }
            let (field, after) = field(after).ok_or_else(|| ParseError::new("log format", text))?;
            if !plain.is_empty() {
                pieces.push(LogPiece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(field);
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(LogPiece::Text(plain));
        }
        Ok(Self(pieces))
    }
}

/// Reads `(name)`, flags, a width, and the letter of a conversion.
fn field(text: &str) -> Option<(LogPiece, &str)> {
    let (name, rest) = text.strip_prefix('(')?.split_once(')')?;
    let field = LogField::named(name)?;
    let (fill, rest) = match rest.as_bytes().first()? {
        b'-' => (LogFill::Left, &rest[1..]),
        b'0' => (LogFill::Zeros, &rest[1..]),
        _ => (LogFill::Right, rest),
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let width = if digits == 0 { 0 } else { rest[..digits].parse().ok().filter(|width| *width < 1000)? };
    let rest = rest[digits..].strip_prefix(['s', 'd'])?;
    Some((LogPiece::Field { field, width, fill }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece(field: LogField, width: usize, fill: LogFill) -> LogPiece {
        LogPiece::Field { field, width, fill }
    }

    #[test]
    fn formats_are_read_as_python_reads_them() {
        let format: LogFormat = "%(asctime)s [%(process)d] %(levelname)-8s%% %(msecs)03d".parse().unwrap();
        assert_eq!(
            format.0,
            [
                piece(LogField::Time, 0, LogFill::Right),
                LogPiece::Text(" [".into()),
                piece(LogField::Process, 0, LogFill::Right),
                LogPiece::Text("] ".into()),
                piece(LogField::Level, 8, LogFill::Left),
                LogPiece::Text("% ".into()),
                piece(LogField::Milliseconds, 3, LogFill::Zeros),
            ]
        );
        for text in ["%", "%(asctime)", "%(asctime)x", "%(nothing)s", "%Y", "%(name)99999s"] {
            assert!(text.parse::<LogFormat>().is_err(), "{text}");
        }
    }

    #[test]
    fn levels_are_names_in_any_case_or_numbers() {
        assert_eq!("debug".parse(), Ok(LogLevel::DEBUG));
        assert_eq!("15".parse(), Ok(LogLevel(15)));
        assert!("loud".parse::<LogLevel>().is_err() && "".parse::<LogLevel>().is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "([%()sd0-9-]|name|é){0,20}") {
            let _ = text.parse::<LogFormat>();
        }
    }
}
