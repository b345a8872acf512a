//! The use cases.

pub mod archive_wal;
