//! Compression as streams, told apart by magic numbers.
//!
//! What a file is, its first bytes say; the identifier in xlog.db or in the configuration is what somebody once
//! asked for. gzip and bzip2 are built in, under all the identifiers that Barman has for them. The others are
//! recognised and named, so that a file is never taken for what it is not.
//!
//! Everything streams: memory stays the same for a segment of 1 MiB and of 1 GiB.

mod compression;
mod decode;
mod detect;
mod encode;

pub use compression::{Compression, Level};
pub use decode::{decode, same_bytes};
pub use detect::{Detector, is_encrypted};
pub use encode::Encoder;

/// A stream that could not be encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The format is known, but this version neither writes nor reads it.
    #[error("compression '{0}' is not available in this version")]
    Unavailable(Compression),
    /// Reading failed, or the content is damaged.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
