use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::str::FromStr;

use crate::sys::fs::Metadata;
use crate::types::{ParseError, PythonFloat, WalName};

/// A line of xlog.db: one file of the archive.
///
/// Written with five fields, read with the three or four that earlier releases wrote. `FromStr` and `Display`
/// are inverses but for that.
#[derive(Debug, Clone, PartialEq)]
pub struct XlogDbEntry {
    /// The file's name; not always one that we know as a WAL file's.
    pub name: String,
    /// Bytes of the file as it lies in the archive.
    pub size: u64,
    /// The last change of the original file, in seconds since 1970.
    pub time: f64,
    /// The identifier of the compression that was asked for; what the file really is, its first bytes tell.
    pub compression: Option<String>,
    /// The identifier of the encryption.
    pub encryption: Option<String>,
}

impl XlogDbEntry {
    /// What the archive holds under the name, when it is a name that we know.
    pub fn wal_name(&self) -> Option<WalName> {
        self.name.parse().ok()
    }
}

impl fmt::Display for XlogDbEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |field: &Option<String>| field.clone().unwrap_or_else(|| "None".into());
        let (compression, encryption) = (or_none(&self.compression), or_none(&self.encryption));
        let time = PythonFloat(self.time);
        write!(f, "{}\t{}\t{time}\t{compression}\t{encryption}", self.name, self.size)
    }
}

impl FromStr for XlogDbEntry {
    type Err = ParseError;

    fn from_str(line: &str) -> Result<Self, ParseError> {
        let fields =
            Fields::parse(line.as_bytes()).ok_or_else(|| ParseError::new("line of xlog.db", line))?;
        Ok(fields.to_entry())
    }
}

/// A line as slices of its text: what reading millions of lines can afford.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    pub name: &'a str,
    pub size: u64,
    pub time: f64,
    compression: Option<&'a str>,
    encryption: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// Takes a line without its line feed apart; `None` when it has another number of fields or no numbers.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
        let (name, size, time) = (fields.next()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let label = |field: Option<&'a str>| field.filter(|text| *text != "None");
        let (compression, encryption) = (label(fields.next()), label(fields.next()));
        fields.next().is_none().then_some(Self { name, size, time, compression, encryption })
    }

    pub fn to_entry(self) -> XlogDbEntry {
        XlogDbEntry {
            name: self.name.to_owned(),
            size: self.size,
            time: self.time,
            compression: self.compression.map(str::to_owned),
            encryption: self.encryption.map(str::to_owned),
        }
    }
}

/// The time of the last change as xlog.db has it: the sum of seconds and nanoseconds as Python makes it.
pub(super) fn modified_seconds(metadata: &Metadata) -> f64 {
    metadata.mtime() as f64 + 1e-9 * metadata.mtime_nsec() as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(line: &str) -> XlogDbEntry {
        line.parse().unwrap()
    }

    #[test]
    fn lines_of_every_generation_are_read_and_written_with_five_fields() {
        let today = "000000010000000000000001\t4096\t1767225660.0\tgzip\tNone";
        assert_eq!(entry(today).to_string(), today);
        assert_eq!(entry("000000010000000000000001\t4096\t1767225660.0\tgzip").to_string(), today);
        assert_eq!(
            entry("000000010000000000000001 4096 1767225660.12").to_string(),
            "000000010000000000000001\t4096\t1767225660.12\tNone\tNone"
        );
        assert_eq!(entry(&format!("{}gpg", &today[..today.len() - 4])).encryption.as_deref(), Some("gpg"));
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            "",
            "000000010000000000000001",
            "000000010000000000000001\t4096",
            "000000010000000000000001\tmany\t1767225660.0\tgzip\tNone",
            "000000010000000000000001\t-1\t1767225660.0\tgzip\tNone",
            "000000010000000000000001\t4096\tnever\tgzip\tNone",
            "000000010000000000000001\t4096\t1767225660.0\tgzip\tNone\tmore",
        ] {
            assert!(line.parse::<XlogDbEntry>().is_err(), "{line:?}");
        }
    }

    #[test]
    fn a_name_that_is_no_wal_file_is_kept() {
        let other = entry("README\t1\t2.5\tNone\tNone");
        assert_eq!((other.wal_name(), other.to_string()), (None, "README\t1\t2.5\tNone\tNone".to_owned()));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(
            name in "[!-~]{1,40}", size: u64, time: f64, gzip: bool, gpg: bool,
        ) {
            prop_assume!(!time.is_nan());
            let label = |set: bool, text: &str| set.then(|| text.to_owned());
            let entry = XlogDbEntry {
                name, size, time, compression: label(gzip, "gzip"), encryption: label(gpg, "gpg"),
            };
            prop_assert_eq!(entry.to_string().parse(), Ok(entry));
        }

        #[test]
        fn any_bytes_are_read_or_refused_without_panic(line: Vec<u8>) {
            let _ = Fields::parse(&line);
        }
    }
}
