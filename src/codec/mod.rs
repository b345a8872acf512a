//! Compression and encryption as streams, told apart by magic numbers.
//!
//! What a file is, its first bytes say; the identifier in xlog.db or in the configuration is what somebody once
//! asked for. Six formats are built in, under all the identifiers that Barman has for them; the user's own filters
//! are run beside them. [`Codecs`] brings all together for one archive.
//!
//! What tar archives hold is given member by member, under names that are safe to unpack.
//!
//! Everything streams: memory stays the same for a segment of 1 MiB and of 1 GiB, and an encoder takes less than
//! 11 MiB at any level of any format. One gzip file at a time may be in memory as a whole, with 32 MiB at most.

mod codecs;
mod compression;
mod custom;
mod decode;
mod detect;
mod encode;
mod gpg;
mod gzip;
mod hex;
mod level;
mod lz4_frames;
mod plain;
mod tar_members;

pub use codecs::{Codecs, Origin};
pub use compression::{Compression, Format};
pub use custom::Custom;
pub use decode::same_bytes;
pub use detect::{Detector, is_encrypted};
pub use encode::Encoder;
pub use gpg::{Fault as GpgFault, GpgSettings};
pub use hex::{hex, unhex};
pub use level::Level;
pub use plain::SegmentHeader;
pub use tar_members::{Member, MemberKind, for_each_member};

use crate::sys::process;

/// A stream that could not be encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A filter of the user's is needed, and there is none.
    #[error("compression 'custom' needs '{option}', which is not set")]
    NoFilter {
        /// The option that would name it.
        option: &'static str,
    },
    /// The content is encrypted, and nobody said how to decrypt it.
    #[error("it is encrypted with gpg, and no 'encryption_passphrase_command' is configured")]
    Encrypted,
    /// gpg failed.
    #[error(transparent)]
    Gpg(#[from] GpgFault),
    /// A filter could not be started.
    #[error(transparent)]
    Filter(#[from] process::Error),
    /// Reading failed, or the content is damaged, or a filter failed.
    #[error(transparent)]
    Io(std::io::Error),
}

impl Error {
    /// What the person, who works as `user`, can do about an encryption.
    pub fn encryption_hint(&self, user: &str) -> Option<String> {
        match self {
            Self::Encrypted => Some(format!(
                "Please set 'encryption_passphrase_command' in the configuration of the server to a command that prints the \
                 passphrase of the private key (any word, when the key has none), and see that the keyring of user \
                 '{user}' has that key."
            )),
            Self::Gpg(fault) => Some(fault.hint(user)),
            Self::NoFilter { .. } | Self::Filter(_) | Self::Io(_) => None,
        }
    }

    /// Whether it is the encryption of a file that keeps us from looking into it.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Encrypted | Self::Gpg(_))
    }
}

/// An error that went through a stream comes out as it went in.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        error.downcast().unwrap_or_else(Self::Io)
    }
}
