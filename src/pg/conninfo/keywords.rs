//! The keywords of a connection string, as PostgreSQL 18's libpq knows them.

use std::fmt;

/// One keyword. Those that libpq no longer knows (`tty`, `authtype`, `requiressl`) are unknown here too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::pg) enum Key {
    Service,
    ServiceFile,
    User,
    Password,
    PassFile,
    ChannelBinding,
    ConnectTimeout,
    DbName,
    Host,
    HostAddr,
    Port,
    ClientEncoding,
    Options,
    ApplicationName,
    FallbackApplicationName,
    Keepalives,
    KeepalivesIdle,
    KeepalivesInterval,
    KeepalivesCount,
    TcpUserTimeout,
    SslMode,
    SslNegotiation,
    SslCompression,
    SslCert,
    SslKey,
    SslKeyLogFile,
    SslCertMode,
    SslPassword,
    SslRootCert,
    SslCrl,
    SslCrlDir,
    SslSni,
    RequirePeer,
    RequireAuth,
    MinProtocolVersion,
    MaxProtocolVersion,
    SslMinProtocolVersion,
    SslMaxProtocolVersion,
    GssEncMode,
    KrbSrvName,
    GssLib,
    GssDelegation,
    Replication,
    TargetSessionAttrs,
    LoadBalanceHosts,
    ScramClientKey,
    ScramServerKey,
    OauthIssuer,
    OauthClientId,
    OauthClientSecret,
    OauthScope,
}

/// Every keyword with its name and the environment variable that stands in for it.
const TABLE: [(Key, &str, Option<&str>); 51] = [
    (Key::Service, "service", Some("PGSERVICE")),
    (Key::ServiceFile, "servicefile", Some("PGSERVICEFILE")),
    (Key::User, "user", Some("PGUSER")),
    (Key::Password, "password", Some("PGPASSWORD")),
    (Key::PassFile, "passfile", Some("PGPASSFILE")),
    (Key::ChannelBinding, "channel_binding", Some("PGCHANNELBINDING")),
    (Key::ConnectTimeout, "connect_timeout", Some("PGCONNECT_TIMEOUT")),
    (Key::DbName, "dbname", Some("PGDATABASE")),
    (Key::Host, "host", Some("PGHOST")),
    (Key::HostAddr, "hostaddr", Some("PGHOSTADDR")),
    (Key::Port, "port", Some("PGPORT")),
    (Key::ClientEncoding, "client_encoding", Some("PGCLIENTENCODING")),
    (Key::Options, "options", Some("PGOPTIONS")),
    (Key::ApplicationName, "application_name", Some("PGAPPNAME")),
    (Key::FallbackApplicationName, "fallback_application_name", None),
    (Key::Keepalives, "keepalives", None),
    (Key::KeepalivesIdle, "keepalives_idle", None),
    (Key::KeepalivesInterval, "keepalives_interval", None),
    (Key::KeepalivesCount, "keepalives_count", None),
    (Key::TcpUserTimeout, "tcp_user_timeout", None),
    (Key::SslMode, "sslmode", Some("PGSSLMODE")),
    (Key::SslNegotiation, "sslnegotiation", Some("PGSSLNEGOTIATION")),
    (Key::SslCompression, "sslcompression", Some("PGSSLCOMPRESSION")),
    (Key::SslCert, "sslcert", Some("PGSSLCERT")),
    (Key::SslKey, "sslkey", Some("PGSSLKEY")),
    (Key::SslKeyLogFile, "sslkeylogfile", None),
    (Key::SslCertMode, "sslcertmode", Some("PGSSLCERTMODE")),
    (Key::SslPassword, "sslpassword", None),
    (Key::SslRootCert, "sslrootcert", Some("PGSSLROOTCERT")),
    (Key::SslCrl, "sslcrl", Some("PGSSLCRL")),
    (Key::SslCrlDir, "sslcrldir", Some("PGSSLCRLDIR")),
    (Key::SslSni, "sslsni", Some("PGSSLSNI")),
    (Key::RequirePeer, "requirepeer", Some("PGREQUIREPEER")),
    (Key::RequireAuth, "require_auth", Some("PGREQUIREAUTH")),
    (Key::MinProtocolVersion, "min_protocol_version", Some("PGMINPROTOCOLVERSION")),
    (Key::MaxProtocolVersion, "max_protocol_version", Some("PGMAXPROTOCOLVERSION")),
    (Key::SslMinProtocolVersion, "ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION")),
    (Key::SslMaxProtocolVersion, "ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION")),
    (Key::GssEncMode, "gssencmode", Some("PGGSSENCMODE")),
    (Key::KrbSrvName, "krbsrvname", Some("PGKRBSRVNAME")),
    (Key::GssLib, "gsslib", Some("PGGSSLIB")),
    (Key::GssDelegation, "gssdelegation", Some("PGGSSDELEGATION")),
    (Key::Replication, "replication", None),
    (Key::TargetSessionAttrs, "target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    (Key::LoadBalanceHosts, "load_balance_hosts", Some("PGLOADBALANCEHOSTS")),
    (Key::ScramClientKey, "scram_client_key", None),
    (Key::ScramServerKey, "scram_server_key", None),
    (Key::OauthIssuer, "oauth_issuer", None),
    (Key::OauthClientId, "oauth_client_id", None),
    (Key::OauthClientSecret, "oauth_client_secret", None),
    (Key::OauthScope, "oauth_scope", None),
];

/// Keywords whose values are never shown.
pub(super) const SECRETS: [&str; 5] =
    ["password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"];

impl Key {
    /// The keyword that is spelled `name`.
    pub(super) fn find(name: &str) -> Option<Self> {
        TABLE.iter().find(|(_, spelling, _)| *spelling == name).map(|(key, ..)| *key)
    }

    /// The spelling in a connection string.
    pub(in crate::pg) fn name(self) -> &'static str {
        self.row().1
    }

    /// The environment variable that stands in for it.
    pub(super) fn variable(self) -> Option<&'static str> {
        self.row().2
    }

    /// Every keyword.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(key, ..)| *key)
    }

    /// Whether its value must never be shown.
    pub(super) fn is_secret(self) -> bool {
        SECRETS.contains(&self.name())
    }

    fn row(self) -> &'static (Self, &'static str, Option<&'static str>) {
        &TABLE[self as usize]
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_keyword_stands_in_its_own_row_of_the_table() {
        for key in Key::all() {
            assert_eq!(Key::find(key.name()), Some(key));
            assert_eq!(key.row().0, key);
        }
    }
}
