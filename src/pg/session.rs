//! One SQL session: `tokio_postgres` on a stream of ours, driven by a thread of its own.
//!
//! The thread polls the connection all the time, so that a loss is noticed while nobody asks anything. It starts
//! with the session and ends with it.

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::oneshot;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{CancelToken, Client, Connection, Row};

use super::connect::{Attempted, Failure, Route};
use super::conninfo::Settings;
use super::socket::{Deadline, describe, timed_out};
use super::startup::{authenticate, reason};
use super::stream::Stream;
use super::wire::{Established, Wire};
use crate::sys::{Cancel, Cancelled};

/// How long we wait for the server when it is asked to give up a request, and for the good-bye.
const PATIENCE: Duration = Duration::from_secs(5);

/// A session; it is closed when dropped.
pub(super) struct Session {
    /// `None` only while dropping.
    client: Option<Arc<Client>>,
    runtime: runtime::Handle,
    ended: Arc<Ended>,
    /// Dropped to end the thread.
    closing: Option<oneshot::Sender<()>>,
    driver: Option<JoinHandle<()>>,
    cancel: Cancel,
    route: Arc<Route>,
    server_version: String,
}

/// Why the connection ended, once it has.
#[derive(Default)]
struct Ended(Mutex<Option<String>>);

/// A request: SQL with `$1`, … as texts.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) sql: String,
    pub(super) parameters: Vec<String>,
}

impl Request {
    /// SQL without parameters.
    pub(super) fn plain(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), parameters: Vec::new() }
    }

    /// SQL with `$1`, … as texts.
    pub(super) fn with(sql: impl Into<String>, parameters: &[&str]) -> Self {
        Self { sql: sql.into(), parameters: parameters.iter().map(|text| (*text).to_owned()).collect() }
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    Refused { message: String, sqlstate: String },
    Lost(String),
    Unexpected(String),
    Cancelled,
}

impl Session {
    /// Authenticates on a new stream.
    pub(super) fn start(
        stream: Stream,
        settings: &Settings,
        attempted: &Attempted<'_>,
        cancel: &Cancel,
    ) -> Result<Self, Failure> {
        let local = |error: io::Error| Failure::Final(describe(&error));
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(local)?;
        let (client, connection) = authenticate(&runtime, stream, settings, attempted)?;
        let server_version = connection.parameter("server_version").unwrap_or_default().to_owned();
        let (ended, handle) = (Arc::<Ended>::default(), runtime.handle().clone());
        let (closing, closed) = oneshot::channel();
        let notice = ended.clone();
        let drive = move || runtime.block_on(drive(connection, notice, closed));
        let driver = thread::Builder::new().name("postgresql".into()).spawn(drive).map_err(local)?;
        Ok(Self {
            client: Some(Arc::new(client)),
            runtime: handle,
            ended,
            closing: Some(closing),
            driver: Some(driver),
            cancel: cancel.clone(),
            route: Arc::new(attempted.route.clone()),
            server_version,
        })
    }

    /// What the server says its version is, such as `15.18 (Debian 15.18-0+deb12u1)`.
    pub(super) fn server_version(&self) -> &str {
        &self.server_version
    }

    /// The server, in libpq's words.
    pub(super) fn server(&self) -> String {
        self.route.address.to_string()
    }

    /// Why the connection was lost, when it was.
    pub(super) fn lost(&self) -> Option<String> {
        self.ended.reason()
    }

    /// Sends all requests at once, in order, and waits for their rows; the first that fails decides.
    ///
    /// Each is a transaction of its own: the server goes on with the next one even after a failure.
    pub(super) fn ask(&self, requests: Vec<Request>) -> Result<Vec<Vec<Row>>, NoAnswer> {
        self.cancel.check()?;
        let client = self.client.clone().ok_or_else(|| NoAnswer::Lost("the session is closed".into()))?;
        let (token, route, runtime) = (client.cancel_token(), self.route.clone(), self.runtime.clone());
        let (sender, answers) = mpsc::channel();
        let asking = self.runtime.spawn(async move {
            let answers = all(requests.iter().map(|request| query(&client, request)).collect()).await;
            // Whoever asked waits: this only fails when they have gone with the whole session.
            let _ = sender.send(answers);
        });
        let asking = asking.abort_handle();
        let _breaker = self.cancel.break_with(move || {
            let (token, route, asking) = (token.clone(), route.clone(), asking.clone());
            // It is only a request: if the server does not follow it, the wait ends all the same.
            runtime.spawn_blocking(move || drop(request_cancel(&route, &token)));
            runtime.spawn(async move {
                tokio::time::sleep(PATIENCE).await;
                asking.abort();
            });
        });
        match answers.recv() {
            Ok(answers) => answers.into_iter().map(|answer| answer.map_err(|e| self.no_answer(&e))).collect(),
            Err(_) if self.cancel.is_cancelled() => Err(NoAnswer::Cancelled),
            Err(_) => Err(NoAnswer::Unexpected("the answer could not be read".into())),
        }
    }

    /// Keeps something going over the connection: a query every `interval`, as long as the session lives.
    pub(super) fn keep_alive(&self, interval: Duration) {
        let Some(client) = self.client.as_ref().map(Arc::downgrade) else { return };
        self.runtime.spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                let Some(client) = client.upgrade() else { return };
                if client.simple_query("SELECT 1").await.is_err() && client.is_closed() {
                    return;
                }
            }
        });
    }

    fn no_answer(&self, error: &tokio_postgres::Error) -> NoAnswer {
        if self.cancel.is_cancelled() {
            return NoAnswer::Cancelled;
        }
        match (error.as_db_error(), self.lost()) {
            (_, Some(reason)) => NoAnswer::Lost(reason),
            (Some(refusal), None) => {
                let sqlstate = refusal.code().code().to_owned();
                NoAnswer::Refused { message: reason(error), sqlstate }
            }
            (None, None) if error.is_closed() => NoAnswer::Lost(reason(error)),
            (None, None) => NoAnswer::Unexpected(reason(error)),
        }
    }
}

impl Drop for Session {
    /// Says good-bye to the server, waiting a moment for what is under way.
    fn drop(&mut self) {
        drop(self.client.take());
        drop(self.closing.take());
        if let Some(driver) = self.driver.take() {
            // The thread only waits for the connection, and that for no longer than it may.
            let _ = driver.join();
        }
    }
}

impl Ended {
    fn set(&self, reason: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    fn reason(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl From<Cancelled> for NoAnswer {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

/// Polls the connection until it ends, and answers requests on a dead one until the session is dropped.
async fn drive(connection: Connection<Wire, Wire>, ended: Arc<Ended>, closed: oneshot::Receiver<()>) {
    let polling = tokio::spawn(async move {
        if let Err(error) = connection.await {
            ended.set(reason(&error));
        }
    });
    // It is never sent anything, only dropped.
    let _ = closed.await;
    let _ = tokio::time::timeout(PATIENCE, polling).await;
}

/// Polls all futures together, always in order, until each has its result.
async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        for (future, result) in running.iter_mut().filter(|(_, result)| result.is_none()) {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                *result = Some(output);
            }
        }
        if running.iter().all(|(_, result)| result.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, result)| result).collect()
}

async fn query(client: &Client, request: &Request) -> Result<Vec<Row>, tokio_postgres::Error> {
    let typed = |text| (text as &(dyn ToSql + Sync), Type::TEXT);
    let parameters: Vec<_> = request.parameters.iter().map(typed).collect();
    client.query_typed(&request.sql, &parameters).await
}

/// Asks the server, over a connection of its own, to give up what it does for a session.
fn request_cancel(route: &Route, token: &CancelToken) -> Result<(), Failure> {
    let local = |error: io::Error| Failure::Final(describe(&error));
    let stream = route.dial_again(Deadline::after(Some(PATIENCE)))?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(local)?;
    runtime.block_on(async {
        let send = async {
            token.cancel_query_raw(Wire::new(stream, None)?, Established).await.map_err(io::Error::other)
        };
        tokio::time::timeout(PATIENCE, send).await.unwrap_or_else(|_| Err(timed_out())).map_err(local)
    })
}
