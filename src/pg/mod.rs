//! Talking to PostgreSQL.

pub mod conninfo;
