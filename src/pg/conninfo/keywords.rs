//! The keywords of a connection string, as PostgreSQL 18's libpq knows them.

use std::fmt;

/// One keyword. Those that libpq no longer knows (`tty`, `authtype`, `requiressl`) are unknown here too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::pg) enum Keyword {
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
const TABLE: [(Keyword, &str, Option<&str>); 51] = [
    (Keyword::Service, "service", Some("PGSERVICE")),
    (Keyword::ServiceFile, "servicefile", Some("PGSERVICEFILE")),
    (Keyword::User, "user", Some("PGUSER")),
    (Keyword::Password, "password", Some("PGPASSWORD")),
    (Keyword::PassFile, "passfile", Some("PGPASSFILE")),
    (Keyword::ChannelBinding, "channel_binding", Some("PGCHANNELBINDING")),
    (Keyword::ConnectTimeout, "connect_timeout", Some("PGCONNECT_TIMEOUT")),
    (Keyword::DbName, "dbname", Some("PGDATABASE")),
    (Keyword::Host, "host", Some("PGHOST")),
    (Keyword::HostAddr, "hostaddr", Some("PGHOSTADDR")),
    (Keyword::Port, "port", Some("PGPORT")),
    (Keyword::ClientEncoding, "client_encoding", Some("PGCLIENTENCODING")),
    (Keyword::Options, "options", Some("PGOPTIONS")),
    (Keyword::ApplicationName, "application_name", Some("PGAPPNAME")),
    (Keyword::FallbackApplicationName, "fallback_application_name", None),
    (Keyword::Keepalives, "keepalives", None),
    (Keyword::KeepalivesIdle, "keepalives_idle", None),
    (Keyword::KeepalivesInterval, "keepalives_interval", None),
    (Keyword::KeepalivesCount, "keepalives_count", None),
    (Keyword::TcpUserTimeout, "tcp_user_timeout", None),
    (Keyword::SslMode, "sslmode", Some("PGSSLMODE")),
    (Keyword::SslNegotiation, "sslnegotiation", Some("PGSSLNEGOTIATION")),
    (Keyword::SslCompression, "sslcompression", Some("PGSSLCOMPRESSION")),
    (Keyword::SslCert, "sslcert", Some("PGSSLCERT")),
    (Keyword::SslKey, "sslkey", Some("PGSSLKEY")),
    (Keyword::SslKeyLogFile, "sslkeylogfile", None),
    (Keyword::SslCertMode, "sslcertmode", Some("PGSSLCERTMODE")),
    (Keyword::SslPassword, "sslpassword", None),
    (Keyword::SslRootCert, "sslrootcert", Some("PGSSLROOTCERT")),
    (Keyword::SslCrl, "sslcrl", Some("PGSSLCRL")),
    (Keyword::SslCrlDir, "sslcrldir", Some("PGSSLCRLDIR")),
    (Keyword::SslSni, "sslsni", Some("PGSSLSNI")),
    (Keyword::RequirePeer, "requirepeer", Some("PGREQUIREPEER")),
    (Keyword::RequireAuth, "require_auth", Some("PGREQUIREAUTH")),
    (Keyword::MinProtocolVersion, "min_protocol_version", Some("PGMINPROTOCOLVERSION")),
    (Keyword::MaxProtocolVersion, "max_protocol_version", Some("PGMAXPROTOCOLVERSION")),
    (Keyword::SslMinProtocolVersion, "ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION")),
    (Keyword::SslMaxProtocolVersion, "ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION")),
    (Keyword::GssEncMode, "gssencmode", Some("PGGSSENCMODE")),
    (Keyword::KrbSrvName, "krbsrvname", Some("PGKRBSRVNAME")),
    (Keyword::GssLib, "gsslib", Some("PGGSSLIB")),
    (Keyword::GssDelegation, "gssdelegation", Some("PGGSSDELEGATION")),
    (Keyword::Replication, "replication", None),
    (Keyword::TargetSessionAttrs, "target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    (Keyword::LoadBalanceHosts, "load_balance_hosts", Some("PGLOADBALANCEHOSTS")),
    (Keyword::ScramClientKey, "scram_client_key", None),
    (Keyword::ScramServerKey, "scram_server_key", None),
    (Keyword::OauthIssuer, "oauth_issuer", None),
    (Keyword::OauthClientId, "oauth_client_id", None),
    (Keyword::OauthClientSecret, "oauth_client_secret", None),
    (Keyword::OauthScope, "oauth_scope", None),
];

/// Keywords whose values are never shown.
pub(super) const SECRETS: [&str; 5] =
    ["password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"];

impl Keyword {
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

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_keyword_stands_in_its_own_row_of_the_table() {
        for key in Keyword::all() {
            assert_eq!(Keyword::find(key.name()), Some(key));
            assert_eq!(key.row().0, key);
        }
    }
}
