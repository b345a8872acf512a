use std::fmt::Write as _;
use std::io::{self, Write};

use md5::Md5;
use sha2::{Digest as _, Sha256};

/// The kinds of checksums that a list can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Digest {
    /// SHA-256.
    Sha256,
    /// MD5, of old senders.
    Md5,
}

/// A checksum that grows with what is written to it.
pub(super) enum Hasher {
    Sha256(Sha256),
    Md5(Md5),
}

/// A line of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sum {
    /// In lower-case hexadecimal digits.
    pub hex: String,
    pub name: String,
}

impl Digest {
    /// The name of the list.
    pub const fn list_name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA256SUMS",
            Self::Md5 => "MD5SUMS",
        }
    }

    /// The kind of the list that is called `name`.
    pub(super) fn of_list(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Md5].into_iter().find(|digest| digest.list_name() == name)
    }

    pub(super) fn hasher(self) -> Hasher {
        match self {
            Self::Sha256 => Hasher::Sha256(Sha256::new()),
            Self::Md5 => Hasher::Md5(Md5::new()),
        }
    }

    const fn hex_digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Md5 => 32,
        }
    }

    /// Reads `<checksum> *<name>` or `<checksum>  <name>`.
    pub(super) fn parse_line(self, line: &str) -> Option<Sum> {
        let (hex, rest) = line.split_at_checked(self.hex_digits())?;
        let name = rest.strip_prefix(" *").or_else(|| rest.strip_prefix("  "))?;
        let name = name.strip_prefix("./").unwrap_or(name);
        let is_sum = hex.bytes().all(|digit| digit.is_ascii_hexdigit()) && !name.is_empty();
        is_sum.then(|| Sum { hex: hex.to_ascii_lowercase(), name: name.to_owned() })
    }
}

impl Hasher {
    /// The checksum in lower-case hexadecimal digits.
    pub fn finish(self) -> String {
        match self {
            Self::Sha256(hasher) => hex(&hasher.finalize()),
            Self::Md5(hasher) => hex(&hasher.finalize()),
        }
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Md5(hasher) => hasher.update(bytes),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
