//! The use cases: each answers with a value or sends events, none prints.

pub mod archive_wal;
pub mod retention;
