use std::str::FromStr;

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::codec::hex;
use crate::types::ParseError;

/// How a checksum is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// It is not.
    None,
    Crc32c,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// PostgreSQL takes the names in upper and lower case.
impl FromStr for Algorithm {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.to_ascii_uppercase().as_str() {
            "NONE" => Ok(Self::None),
            "CRC32C" => Ok(Self::Crc32c),
            "SHA224" => Ok(Self::Sha224),
            "SHA256" => Ok(Self::Sha256),
            "SHA384" => Ok(Self::Sha384),
            "SHA512" => Ok(Self::Sha512),
            _ => Err(ParseError::new("checksum algorithm", text)),
        }
    }
}

/// A checksum in the making.
pub enum Checksum {
    None,
    Crc32c(u32),
    Sha224(Sha224),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Checksum {
    /// The checksum of nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::None => Self::None,
            Algorithm::Crc32c => Self::Crc32c(0),
            Algorithm::Sha224 => Self::Sha224(Sha224::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha384 => Self::Sha384(Sha384::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::None => {}
            Self::Crc32c(sum) => *sum = crc32c::crc32c_append(*sum, bytes),
            Self::Sha224(sum) => sum.update(bytes),
            Self::Sha256(sum) => sum.update(bytes),
            Self::Sha384(sum) => sum.update(bytes),
            Self::Sha512(sum) => sum.update(bytes),
        }
    }

    /// The checksum in hexadecimal digits, as a manifest has it; nothing of no algorithm.
    pub fn finish(self) -> String {
        match self {
            Self::None => String::new(),
            // PostgreSQL writes the number as it lies in memory.
            Self::Crc32c(sum) => hex(&sum.to_le_bytes()),
            Self::Sha224(sum) => hex(&sum.finalize()),
            Self::Sha256(sum) => hex(&sum.finalize()),
            Self::Sha384(sum) => hex(&sum.finalize()),
            Self::Sha512(sum) => hex(&sum.finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_gives_what_its_standard_says() {
        let sum = |name: &str| {
            let mut sum = Checksum::new(name.parse().unwrap());
            sum.update(b"12345");
            sum.update(b"6789");
            sum.finish()
        };
        assert_eq!(sum("none"), "");
        assert_eq!(sum("CRC32C"), "839206e3");
        assert_eq!(sum("SHA224"), "9b3e61bf29f17c75572fae2e86e17809a4513d07c8a18152acf34521");
        assert_eq!(sum("sha256"), "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
        assert!(sum("SHA384").starts_with("eb455d56d2c1a69d"));
        assert!(sum("SHA512").starts_with("d9e6762dd1c8eaf6"));
        assert!("MD5".parse::<Algorithm>().is_err());
    }
}
