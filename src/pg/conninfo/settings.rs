//! A connection string with everything laid under it, checked and typed.

use std::time::Duration;

use super::Surroundings;
use super::error::Error;
use super::hosts::Host;
use super::keywords::Keyword;
use super::overlay::Overlay;
use super::tls_settings::TlsSettings;

/// All that is needed to connect.
#[derive(Debug, Clone)]
pub(in crate::pg) struct Settings {
    /// At least one, in the order in which they are tried.
    pub(in crate::pg) hosts: Vec<Host>,
    /// Hosts, and addresses of one name, are tried in random order.
    pub(in crate::pg) random_order: bool,
    pub(in crate::pg) user: String,
    pub(in crate::pg) dbname: String,
    pub(in crate::pg) options: Option<String>,
    pub(in crate::pg) application_name: Option<String>,
    /// The time for one address, from the first packet to the end of authentication.
    pub(in crate::pg) connect_timeout: Option<Duration>,
    pub(in crate::pg) keepalive: Option<Keepalive>,
    pub(in crate::pg) tcp_user_timeout_ms: Option<u32>,
    pub(in crate::pg) tls: TlsSettings,
    pub(in crate::pg) channel_binding: ChannelBinding,
    pub(in crate::pg) auth: AuthPolicy,
    /// The system user that must own the server at the other end of a unix socket.
    pub(in crate::pg) require_peer: Option<String>,
    pub(in crate::pg) session: TargetSession,
    /// The string asks for the replication protocol.
    pub(in crate::pg) replication: bool,
}

/// How the kernel finds out that a silent TCP connection is dead; `None` is the system's default.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::pg) struct Keepalive {
    pub(in crate::pg) idle_secs: Option<u32>,
    pub(in crate::pg) interval_secs: Option<u32>,
    pub(in crate::pg) count: Option<u32>,
}

/// Whether SCRAM is tied to the TLS session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pg) enum ChannelBinding {
    Disable,
    Prefer,
    Require,
}

/// The ways to authenticate that a server may ask for; `None` allows all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pg) struct AuthPolicy(Option<Vec<AuthMethod>>);

/// A way to authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pg) enum AuthMethod {
    None,
    Password,
    Md5,
    Gss,
    Sspi,
    ScramSha256,
    Oauth,
}

/// What the server must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pg) enum TargetSession {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

impl AuthMethod {
    const NAMES: [(&'static str, Self); 7] = [
        ("none", Self::None),
        ("password", Self::Password),
        ("md5", Self::Md5),
        ("gss", Self::Gss),
        ("sspi", Self::Sspi),
        ("scram-sha-256", Self::ScramSha256),
        ("oauth", Self::Oauth),
    ];

    /// The word that `require_auth` has for it.
    pub(in crate::pg) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, method)| *method == self).map_or("", |(name, _)| name)
    }
}

impl AuthPolicy {
    /// Whether the server may ask for `method`.
    pub(in crate::pg) fn allows(&self, method: AuthMethod) -> bool {
        self.0.as_ref().is_none_or(|allowed| allowed.contains(&method))
    }

    /// Either a list of what is allowed, or one of what is not, each word with `!`.
    fn parse(overlay: &Overlay) -> Result<Self, Error> {
        let Some(words) = overlay.list(Keyword::RequireAuth) else { return Ok(Self(None)) };
        let words: Vec<&str> = words.into_iter().map(str::trim).collect();
        let negative = words.iter().all(|word| word.starts_with('!'));
        let find = |word: &&str| {
            let name = if negative { &word[1..] } else { word };
            let method = AuthMethod::NAMES.iter().find(|(spelling, _)| *spelling == name);
            method.map(|(_, method)| *method).ok_or_else(|| overlay.invalid(Keyword::RequireAuth))
        };
        let named = words.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let allowed = AuthMethod::NAMES.iter().map(|(_, method)| *method);
        Ok(Self(Some(allowed.filter(|method| named.contains(method) != negative).collect())))
    }
}

impl Settings {
    /// Checks and types what the overlay gives, and looks up passwords.
    pub(super) fn of(overlay: &Overlay, around: &Surroundings<'_>) -> Result<Self, Error> {
        refuse_unsupported(overlay)?;
        let user = overlay.text(Keyword::User).unwrap_or(&around.user).to_owned();
        let dbname = overlay.text(Keyword::DbName).unwrap_or(&user).to_owned();
        let session = overlay.choice(
            Keyword::TargetSessionAttrs,
            &[
                ("any", TargetSession::Any),
                ("read-write", TargetSession::ReadWrite),
                ("read-only", TargetSession::ReadOnly),
                ("primary", TargetSession::Primary),
                ("standby", TargetSession::Standby),
                ("prefer-standby", TargetSession::PreferStandby),
            ],
        )?;
        let random_order = overlay
            .choice(Keyword::LoadBalanceHosts, &[("disable", false), ("random", true)])?
            .unwrap_or(false);
        let channel_binding = overlay.choice(
            Keyword::ChannelBinding,
            &[
                ("disable", ChannelBinding::Disable),
                ("prefer", ChannelBinding::Prefer),
                ("require", ChannelBinding::Require),
            ],
        )?;
        Ok(Self {
            hosts: Host::list(overlay, around, &user, &dbname)?,
            random_order,
            options: overlay.text(Keyword::Options).map(str::to_owned),
            application_name: overlay.text(Keyword::ApplicationName).map(str::to_owned),
            connect_timeout: connect_timeout(overlay)?,
            keepalive: Keepalive::parse(overlay)?,
            tcp_user_timeout_ms: positive(overlay, Keyword::TcpUserTimeout)?,
            tls: TlsSettings::parse(overlay, around)?,
            channel_binding: channel_binding.unwrap_or(ChannelBinding::Prefer),
            auth: AuthPolicy::parse(overlay)?,
            require_peer: overlay.text(Keyword::RequirePeer).map(str::to_owned),
            session: session.unwrap_or(TargetSession::Any),
            replication: overlay.text(Keyword::Replication).is_some_and(|value| !is_false(value)),
            user,
            dbname,
        })
    }
}

/// What PostgreSQL takes for a false boolean.
fn is_false(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "0" | "f" | "false" | "n" | "no" | "of" | "off")
}

/// Less than two seconds are not enough to tell a dead host from a slow one: libpq rounds up.
fn connect_timeout(overlay: &Overlay) -> Result<Option<Duration>, Error> {
    let seconds = positive(overlay, Keyword::ConnectTimeout)?;
    Ok(seconds.map(|seconds| Duration::from_secs(u64::from(seconds.max(2)))))
}

/// A number above zero; zero and less ask for the default.
fn positive(overlay: &Overlay, key: Keyword) -> Result<Option<u32>, Error> {
    Ok(overlay.integer(key)?.and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0))
}

/// Refuses what asks for a mechanism or protection that only a libpq with GSSAPI or OAuth, or a newer protocol, has.
fn refuse_unsupported(overlay: &Overlay) -> Result<(), Error> {
    const GSSAPI: &str = "GSSAPI is not supported";
    let refuse = |key: Keyword, reason, asks: fn(&str) -> bool| match overlay.text(key) {
        Some(value) if asks(value) => Err(overlay.not_supported(key, reason)),
        _ => Ok(()),
    };
    refuse(Keyword::GssEncMode, "GSSAPI encryption is not supported", |mode| mode == "require")?;
    overlay.choice(Keyword::GssEncMode, &[("disable", ()), ("prefer", ())])?;
    refuse(Keyword::KrbSrvName, GSSAPI, |_| true)?;
    refuse(Keyword::GssLib, GSSAPI, |_| true)?;
    refuse(Keyword::GssDelegation, GSSAPI, |value| value != "0")?;
    for key in [Keyword::OauthIssuer, Keyword::OauthClientId, Keyword::OauthClientSecret, Keyword::OauthScope]
    {
        refuse(key, "OAuth is not supported", |_| true)?;
    }
    for key in [Keyword::ScramClientKey, Keyword::ScramServerKey] {
        refuse(key, "SCRAM pass-through is not supported; give a password", |_| true)?;
    }
    refuse(Keyword::SslKeyLogFile, "TLS secrets are never written to a file", |_| true)?;
    refuse(Keyword::MinProtocolVersion, "only protocol version 3.0 is supported", |version| {
        version != "3.0"
    })?;
    overlay.choice(Keyword::MaxProtocolVersion, &[("3.0", ()), ("3.2", ()), ("latest", ())]).map(drop)
}

impl Keepalive {
    /// On unless switched off.
    fn parse(overlay: &Overlay) -> Result<Option<Self>, Error> {
        let times = Self {
            idle_secs: positive(overlay, Keyword::KeepalivesIdle)?,
            interval_secs: positive(overlay, Keyword::KeepalivesInterval)?,
            count: positive(overlay, Keyword::KeepalivesCount)?,
        };
        let on = overlay.integer(Keyword::Keepalives)?.is_none_or(|value| value != 0);
        Ok(on.then_some(times))
    }
}
