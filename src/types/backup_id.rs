use std::fmt;
use std::str::FromStr;

use super::{ParseError, Timestamp};

/// The name of a backup: its local start time, `20260101T100000`. Order of names is order of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupId(String);

impl BackupId {
    /// The identifier of a backup that starts `at` this moment, in the moment's own offset.
    pub fn at(at: Timestamp) -> Self {
        Self(at.format("%Y%m%dT%H%M%S").to_string())
    }

    /// The text, fifteen characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Eight digits, `T`, six digits. Whether they are a date is not asked: other programs do not ask either.
impl FromStr for BackupId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fits = |(at, byte): (usize, u8)| if at == 8 { byte == b'T' } else { byte.is_ascii_digit() };
        let valid = text.len() == 15 && text.bytes().enumerate().all(fits);
        if valid { Ok(Self(text.to_owned())) } else { Err(ParseError::new("backup identifier", text)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_form_is_an_identifier() {
        assert_eq!("20260101T100000".parse::<BackupId>().unwrap().as_str(), "20260101T100000");
        for text in
            ["", "latest", "20260101t100000", "20260101T1000000", "2026010TT100000", "20260101T10000\n"]
        {
            assert!(text.parse::<BackupId>().is_err(), "{text:?}");
        }
    }
}
