//! The SQL session that the rest of the program uses.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::connect::{Attempted, Failure, connect};
use super::conninfo::{Conninfo, Keyword, Settings, Surroundings, TargetSession};
use super::error::Error;
use super::features::{Features, OLDEST, parse_version};
use super::session::{NoAnswer, Request, Session};
use super::stream::Stream;
use crate::sys::{Cancel, Cancelled, Files};
use crate::types::PgVersion;

/// The name under which the server shows our sessions, unless the connection string gives one.
const APPLICATION_NAME: &str = "barman";

/// A session with a server. It may be used from several threads, and is closed when dropped.
///
/// It is never connected anew: a backup that was started on it can be stopped on it, or is given up by the server.
/// Once the cancel token is set it answers nothing any more; dropping it then ends a backup that was started.
pub struct Client {
    session: Session,
    version: PgVersion,
    features: Features,
}

impl Client {
    /// Connects as libpq would with the same string in the same environment.
    ///
    /// Setting `cancel` breaks the attempt, and later every wait for the server, with a cancel request.
    pub fn connect(conninfo: &Conninfo, cancel: &Cancel) -> Result<Self, Error> {
        cancel.check()?;
        let files = Files::default();
        let conninfo = conninfo.with_default(Keyword::ApplicationName, APPLICATION_NAME);
        let mut settings = conninfo.resolve(&Surroundings::of_process(&files))?;
        if settings.replication {
            return Err(Error::Local("parameter 'replication' cannot be used for SQL".into()));
        }
        // Nobody else's functions and operators stand in for those of our queries.
        let options = settings.options.take().map_or_else(String::new, |options| options + " ");
        settings.options = Some(options + "-csearch_path=");
        let mut name_is_unknown = false;
        let connected = connect(&settings, &files, cancel, |stream, attempted| {
            let started = Self::start(stream, &settings, attempted, cancel);
            started.inspect_err(|failure| name_is_unknown |= matches!(failure, Failure::NameUnknown(_)))
        });
        if connected.is_ok() || !name_is_unknown {
            return connected;
        }
        // As libpq does: once more without a name.
        settings.application_name = None;
        connect(&settings, &files, cancel, |stream, attempted| {
            Self::start(stream, &settings, attempted, cancel)
        })
    }

    fn start(
        stream: Stream,
        settings: &Settings,
        attempted: &Attempted<'_>,
        cancel: &Cancel,
    ) -> Result<Self, Failure> {
        let session = Session::start(stream, settings, attempted, cancel)?;
        let text = session.server_version();
        let unknown = || Failure::Final(format!("the server has a version that is not known: '{text}'"));
        let version = parse_version(text).ok_or_else(unknown)?;
        let client = Self { session, version, features: Features::of(version) };
        client.check_role(attempted.session)?;
        Ok(client)
    }

    /// Checks that the server is what `target_session_attrs` asks for.
    fn check_role(&self, wanted: TargetSession) -> Result<(), Failure> {
        if matches!(wanted, TargetSession::Any) {
            return Ok(());
        }
        let role = || {
            let sql = format!(
                "SELECT {} AS standby, pg_catalog.current_setting('transaction_read_only') = 'on' AS read_only",
                self.features.sql.is_in_recovery
            );
            let row = self.row("find out what the server is", Request::plain(sql))?;
            Ok::<_, Error>((row.get("standby")?, row.get("read_only")?))
        };
        let (standby, read_only): (bool, bool) = role().map_err(|error| Failure::Final(error.to_string()))?;
        let (fits, reason) = match wanted {
            TargetSession::Any => (true, ""),
            TargetSession::ReadWrite => (!read_only, "session is read-only"),
            TargetSession::ReadOnly => (read_only, "session is not read-only"),
            TargetSession::Primary => (!standby, "server is in hot standby mode"),
            TargetSession::Standby | TargetSession::PreferStandby => {
                (standby, "server is not in hot standby mode")
            }
        };
        if fits { Ok(()) } else { Err(Failure::OtherHost(reason.into())) }
    }

    /// The server's version.
    pub fn version(&self) -> PgVersion {
        self.version
    }

    /// The server's version in its own words: `15.18`, `18beta1`.
    pub fn version_text(&self) -> &str {
        self.session.server_version().split_whitespace().next().unwrap_or_default()
    }

    /// What servers of this version have and how they call it.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The server in libpq's words: `server at "db" (192.0.2.1), port 5432`.
    pub fn server(&self) -> String {
        self.session.server()
    }

    /// Why the connection was lost, when it was; noticed at once, also while nothing is asked.
    pub fn lost(&self) -> Option<String> {
        self.session.lost()
    }

    /// Keeps the connection in use from now on: a trivial query every `interval`, for firewalls that forget
    /// connections on which nothing happens. Zero does nothing.
    pub fn keep_alive(&self, interval: Duration) {
        if !interval.is_zero() {
            self.session.keep_alive(interval);
        }
    }

    /// Fails for a server older than Barman works with.
    pub fn ensure_supported(&self) -> Result<(), Error> {
        if self.version < OLDEST { Err(Error::TooOld(self.version)) } else { Ok(()) }
    }

    /// Asks for exactly one row. The purpose goes after "cannot" in errors.
    pub(super) fn row(&self, purpose: &'static str, request: Request) -> Result<Record<'_>, Error> {
        let rows = self.rows(purpose, request)?;
        self.single(purpose, rows)
    }

    /// Asks for any number of rows.
    pub(super) fn rows(&self, purpose: &'static str, request: Request) -> Result<Vec<Record<'_>>, Error> {
        let [rows] = self.batch(purpose, [request])?;
        Ok(rows)
    }

    /// Asks several things in one round trip, in order.
    pub(super) fn batch<const N: usize>(
        &self,
        purpose: &'static str,
        requests: [Request; N],
    ) -> Result<[Vec<Record<'_>>; N], Error> {
        let answers = self.session.ask(requests.into()).map_err(|error| self.error(purpose, error))?;
        let record = |row| Record { client: self, purpose, row };
        let answers: Vec<Vec<_>> =
            answers.into_iter().map(|rows| rows.into_iter().map(record).collect()).collect();
        answers.try_into().map_err(|_| self.unexpected(purpose, "an answer is missing".into()))
    }

    /// The only row of an answer.
    pub(super) fn single<'a>(
        &self,
        purpose: &'static str,
        mut rows: Vec<Record<'a>>,
    ) -> Result<Record<'a>, Error> {
        match (rows.pop(), rows.is_empty()) {
            (Some(row), true) => Ok(row),
            _ => Err(self.unexpected(purpose, "not exactly one row".into())),
        }
    }

    fn error(&self, purpose: &'static str, error: NoAnswer) -> Error {
        let server = self.server();
        match error {
            NoAnswer::Refused { message, sqlstate } => Error::Refused { server, purpose, message, sqlstate },
            NoAnswer::Lost(reason) => Error::Lost { server, reason },
            NoAnswer::Unexpected(reason) => Error::UnexpectedAnswer { server, purpose, reason },
            NoAnswer::Cancelled => Error::Cancelled(Cancelled),
        }
    }

    /// What servers of this version do not have.
    pub(super) fn lacks(&self, what: &'static str) -> Error {
        Error::Lacking { server: self.server(), version: self.version, what }
    }

    fn unexpected(&self, purpose: &'static str, reason: String) -> Error {
        Error::UnexpectedAnswer { server: self.server(), purpose, reason }
    }
}

/// A row, which knows what it is the answer to.
pub(super) struct Record<'a> {
    client: &'a Client,
    purpose: &'static str,
    row: Row,
}

impl Record<'_> {
    /// The value of a column.
    pub(super) fn get<'s, T: FromSql<'s>>(&'s self, column: &str) -> Result<T, Error> {
        self.row.try_get(column).map_err(|error| self.unexpected(format!("column {column}: {error}")))
    }

    /// The value of a text column, as one of our types; NULL is `None`.
    pub(super) fn parse<T: FromStr<Err: Display>>(&self, column: &str) -> Result<Option<T>, Error> {
        let text: Option<&str> = self.get(column)?;
        text.map(|text| text.parse().map_err(|error: T::Err| self.unexpected(error.to_string()))).transpose()
    }

    /// What the answer should have been and is not.
    pub(super) fn unexpected(&self, reason: String) -> Error {
        self.client.unexpected(self.purpose, reason)
    }
}
