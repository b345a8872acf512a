//! The catalogue of backups of one server.
pub mod py_literal;
