//! From a new stream to an authenticated connection, and what it means when that fails.

use std::error::Error as _;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Runtime;
use tokio_postgres::config::{ChannelBinding as Binding, SslMode, SslNegotiation};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Connection};

use super::auth::Gate;
use super::connect::{Attempted, Failure};
use super::conninfo::{ChannelBinding, Password, Settings};
use super::socket::{describe, timed_out};
use super::stream::Stream;
use super::wire::{Established, Wire};

/// Sends the start-up packet and authenticates.
pub(super) fn authenticate(
    runtime: &Runtime,
    stream: Stream,
    settings: &Settings,
    attempted: &Attempted<'_>,
) -> Result<(Client, Connection<Wire, Wire>), Failure> {
    let secret = attempted.password.secret();
    let gate = Arc::new(Mutex::new(Gate::new(settings.auth.clone(), secret.is_some())));
    let mut config = config(settings);
    if let Some(secret) = secret {
        config.password(secret.expose());
    }
    let left = attempted.deadline.left()?;
    let result = runtime.block_on(async {
        let wire = Wire::new(stream, Some(gate.clone()))?;
        let connecting = config.connect_raw(wire, Established);
        match left {
            Some(left) => {
                tokio::time::timeout(left, connecting).await.map_err(|_| Failure::from(timed_out()))
            }
            None => Ok(connecting.await),
        }
    })?;
    let passed = gate.lock().unwrap_or_else(PoisonError::into_inner).is_passed();
    result.map_err(|error| match error.code() {
        Some(&SqlState::UNDEFINED_OBJECT) if settings.application_name.is_some() => {
            Failure::NameUnknown(reason(&error))
        }
        _ => refusal(&error, attempted.password, passed),
    })
}

fn config(settings: &Settings) -> Config {
    let mut config = Config::new();
    config.user(&settings.user).dbname(&settings.dbname);
    // TLS is there already, or not wanted: see `Established`.
    config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    config.channel_binding(match settings.channel_binding {
        ChannelBinding::Disable => Binding::Disable,
        ChannelBinding::Prefer => Binding::Prefer,
        ChannelBinding::Require => Binding::Require,
    });
    if let Some(options) = &settings.options {
        config.options(options);
    }
    if let Some(name) = &settings.application_name {
        config.application_name(name);
    }
    config
}

/// What a failed start-up means for the search of a server.
fn refusal(error: &tokio_postgres::Error, password: &Password, authenticated: bool) -> Failure {
    let mut text = reason(error);
    match password {
        Password::FromFile { path, .. } if error.code() == Some(&SqlState::INVALID_PASSWORD) => {
            text.push_str(&format!("\npassword retrieved from file \"{}\"", path.display()));
        }
        Password::None { note: Some(note) } => text.push_str(&format!("; {note}")),
        _ => {}
    }
    match error.code() {
        Some(&SqlState::CANNOT_CONNECT_NOW) => Failure::OtherHost(text),
        Some(_) if !authenticated => Failure::Refused(text),
        _ => Failure::Final(text),
    }
}

/// The words for an error: the server's own with detail and hint, the system's, or those of the deepest cause.
pub(super) fn reason(error: &tokio_postgres::Error) -> String {
    if let Some(refusal) = error.as_db_error() {
        let mut text = format!("{}:  {}", refusal.severity(), refusal.message());
        let more = [("DETAIL", refusal.detail()), ("HINT", refusal.hint())];
        for (name, line) in more.into_iter().filter_map(|(name, line)| Some((name, line?))) {
            text.push_str(&format!("\n{name}:  {line}"));
        }
        return text;
    }
    if error.is_closed() {
        return "server closed the connection unexpectedly".into();
    }
    let Some(mut cause) = error.source() else { return error.to_string() };
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.downcast_ref::<io::Error>().map_or_else(|| cause.to_string(), describe)
}
