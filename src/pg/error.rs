use std::io;

use tokio_postgres::error::SqlState;

use super::connect::Failure;
use super::conninfo::{self, Host, Place};
use super::socket::{Address, describe};
use crate::sys::Cancelled;
use crate::types::PgVersion;

/// What can go wrong with PostgreSQL. Passwords of ours are not in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection string, or what stands behind it, cannot be used.
    #[error(transparent)]
    Conninfo(#[from] conninfo::Error),
    /// No server could be used; one entry for each that was tried, in order.
    #[error("{}", lines(.0))]
    Connect(Vec<Attempt>),
    /// The connection could not be made for a reason of this machine.
    #[error("cannot start a connection to PostgreSQL: {0}")]
    Local(String),
    /// The server refused a request.
    #[error("{server}: cannot {purpose}: {message}")]
    Refused {
        /// The server, in libpq's words.
        server: String,
        /// What was asked for.
        purpose: &'static str,
        /// The server's words, severity first.
        message: String,
        /// The error code of the server (PostgreSQL manual, appendix A), such as `42501`.
        sqlstate: String,
    },
    /// The connection broke, now or before.
    #[error("connection to {server} was lost: {reason}")]
    Lost {
        /// The server, in libpq's words.
        server: String,
        /// What was noticed.
        reason: String,
    },
    /// The server gave another answer than a PostgreSQL of its version gives.
    #[error("{server}: cannot {purpose}: unexpected answer: {reason}")]
    UnexpectedAnswer {
        /// The server, in libpq's words.
        server: String,
        /// What was asked for.
        purpose: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The server is older than any that Barman works with.
    #[error("PostgreSQL server is too old ({0} < 8.4)")]
    TooOld(PgVersion),
    /// Servers of this version do not have what was asked for.
    #[error("{server}: PostgreSQL {version} has no {what}")]
    Lacking {
        /// The server, in libpq's words.
        server: String,
        /// Its version.
        version: PgVersion,
        /// What it has not.
        what: &'static str,
    },
    /// We were asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Error {
    /// Whether the server refused a request with this error code.
    pub(super) fn has_code(&self, code: &SqlState) -> bool {
        matches!(self, Self::Refused { sqlstate, .. } if sqlstate == code.code())
    }
}

/// One server that was tried, and why it was not taken, in libpq's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Attempt(String);

impl Attempt {
    pub(super) fn failed(address: &Address, failure: &Failure) -> Self {
        let (Failure::Unreachable(reason)
        | Failure::Tls(reason)
        | Failure::Refused(reason)
        | Failure::OtherHost(reason)
        | Failure::NameUnknown(reason)
        | Failure::Final(reason)) = failure;
        Self(format!("connection to {address} failed: {reason}"))
    }

    pub(super) fn unresolved(host: &Host, error: &io::Error) -> Self {
        let name = match &host.place {
            Place::Name(name) | Place::Unix(name) => name.clone(),
            Place::Address { address, .. } => address.to_string(),
        };
        let reason = describe(error);
        let reason = reason.trim_start_matches("failed to lookup address information: ");
        Self(format!("could not translate host name \"{name}\" to address: {reason}"))
    }
}

fn lines(attempts: &[Attempt]) -> String {
    attempts.iter().map(Attempt::to_string).collect::<Vec<_>>().join("\n")
}
