//! Pure values: what a WAL segment, a backup identifier or a size is. No files, no clock, no servers.
//!
//! A value that has rules gets a type here. Text becomes a type once, where it enters the program; what is
//! inside never checks a string again. `FromStr` and `Display` are inverses.

mod backup_id;
mod backup_status;
mod byte_size;
mod causes;
mod copy_times;
mod human_duration;
mod lsn;
mod pg_version;
mod python_float;
mod recovery_target;
mod retention_policy;
mod retention_status;
mod segment_layout;
mod segment_size;
mod streaming_client;
mod target_time;
mod timeline;
mod timestamp;
mod utc_offset;
mod wal_name;
mod wal_segment;
mod wall_clock;

pub use backup_id::BackupId;
pub use backup_status::BackupStatus;
pub use byte_size::ByteSize;
pub use causes::with_causes;
pub use copy_times::CopyTimes;
pub use human_duration::HumanDuration;
pub use lsn::Lsn;
pub use pg_version::PgVersion;
pub use python_float::PythonFloat;
pub use recovery_target::{RecoveryTarget, TargetAction, TargetTimeline};
pub use retention_policy::{RecoveryWindow, RetentionPolicy, WindowUnit};
pub use retention_status::RetentionStatus;
pub use segment_layout::SegmentLayout;
pub use segment_size::SegmentSize;
pub use streaming_client::{StreamingClient, SyncStage, capitalized};
pub use target_time::{Assumed, TargetTime, TargetTimeError, parse_target_time};
pub use timeline::Timeline;
pub use timestamp::{Timestamp, ctime_text, iso_text, parse_timestamp, timestamp_text};
pub use wal_name::WalName;
pub use wal_segment::{SegmentRange, WalSegment};

/// The text that was meant to be a value and is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a valid {kind}")]
pub struct ParseError {
    kind: &'static str,
    text: String,
}

impl ParseError {
    /// Tells that `text` is not a `kind`, for example "WAL segment name".
    pub fn new(kind: &'static str, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// Reads exactly as many hexadecimal digits as `text` has (1 to 8); signs and blanks are refused.
fn hex_u32(text: &str) -> Option<u32> {
    let mut digits = text.bytes().map(|digit| char::from(digit).to_digit(16));
    let number = digits.try_fold(0, |number, digit| Some(number << 4 | digit?));
    number.filter(|_| (1..=8).contains(&text.len()))
}
