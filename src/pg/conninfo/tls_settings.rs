//! What a connection string says about TLS.

use std::path::PathBuf;

use super::error::Error;
use super::keywords::Keyword;
use super::overlay::Overlay;
use super::{Secret, Surroundings};

/// How much TLS is asked for, ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::pg) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// All that concerns TLS.
#[derive(Debug, Clone)]
pub(in crate::pg) struct TlsSettings {
    pub(in crate::pg) mode: SslMode,
    /// TLS from the first byte, without asking the server (17 and later).
    pub(in crate::pg) direct: bool,
    pub(in crate::pg) roots: Roots,
    pub(in crate::pg) crl: Option<OptionalFile>,
    pub(in crate::pg) crl_dir: Option<PathBuf>,
    pub(in crate::pg) certificate_mode: CertificateMode,
    pub(in crate::pg) certificate: Option<OptionalFile>,
    /// The private key; `None` without a home directory to have one in.
    pub(in crate::pg) key: Option<PathBuf>,
    pub(in crate::pg) key_password: Option<Secret>,
    pub(in crate::pg) server_name: bool,
    pub(in crate::pg) min_version: Option<TlsVersion>,
    pub(in crate::pg) max_version: Option<TlsVersion>,
}

/// The certificates that are trusted.
#[derive(Debug, Clone)]
pub(in crate::pg) enum Roots {
    /// Those of this machine.
    System,
    /// Those in a file, when it exists; `None` without a home directory to have one in.
    File(Option<PathBuf>),
}

/// A file that need not exist where libpq looks by itself.
#[derive(Debug, Clone)]
pub(in crate::pg) struct OptionalFile {
    pub(in crate::pg) path: PathBuf,
    /// A parameter names it.
    pub(in crate::pg) named: bool,
}

/// Whether a client certificate is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pg) enum CertificateMode {
    Never,
    WhenAsked,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::pg) enum TlsVersion {
    V1_0,
    V1_1,
    V1_2,
    V1_3,
}

impl TlsSettings {
    pub(super) fn parse(overlay: &Overlay, around: &Surroundings<'_>) -> Result<Self, Error> {
        let system_roots = overlay.text(Keyword::SslRootCert) == Some("system");
        let mode = overlay.choice(
            Keyword::SslMode,
            &[
                ("disable", SslMode::Disable),
                ("allow", SslMode::Allow),
                ("prefer", SslMode::Prefer),
                ("require", SslMode::Require),
                ("verify-ca", SslMode::VerifyCa),
                ("verify-full", SslMode::VerifyFull),
            ],
        )?;
        let mode = mode.unwrap_or(if system_roots { SslMode::VerifyFull } else { SslMode::Prefer });
        if system_roots && mode != SslMode::VerifyFull {
            return Err(overlay.contradiction(Keyword::SslMode, "sslrootcert=system needs 'verify-full'"));
        }
        let direct = overlay
            .choice(Keyword::SslNegotiation, &[("postgres", false), ("direct", true)])?
            .unwrap_or(false);
        if direct && mode < SslMode::Require {
            let reason = "sslnegotiation=direct needs 'require', 'verify-ca' or 'verify-full'";
            return Err(overlay.contradiction(Keyword::SslMode, reason));
        }
        let default = |name: &str| Some(around.home.as_ref()?.join(".postgresql").join(name));
        let path = |key: Keyword| overlay.text(key).map(PathBuf::from);
        let optional = |key: Keyword, name: &str| {
            let named = path(key).map(|path| OptionalFile { path, named: true });
            named.or_else(|| Some(OptionalFile { path: default(name)?, named: false }))
        };
        let (min_version, max_version) = version_range(overlay)?;
        Ok(Self {
            mode,
            direct,
            roots: if system_roots {
                Roots::System
            } else {
                Roots::File(path(Keyword::SslRootCert).or_else(|| default("root.crt")))
            },
            // libpq looks for its own list of revoked certificates only when no other is named.
            crl: optional(Keyword::SslCrl, "root.crl")
                .filter(|crl| crl.named || path(Keyword::SslCrlDir).is_none()),
            crl_dir: path(Keyword::SslCrlDir),
            certificate_mode: certificate_mode(overlay)?,
            certificate: optional(Keyword::SslCert, "postgresql.crt"),
            key: path(Keyword::SslKey).or_else(|| default("postgresql.key")),
            key_password: overlay.text(Keyword::SslPassword).map(|text| Secret::new(text.to_owned())),
            server_name: overlay.choice(Keyword::SslSni, &[("0", false), ("1", true)])?.unwrap_or(true),
            min_version,
            max_version,
        })
    }
}

fn certificate_mode(overlay: &Overlay) -> Result<CertificateMode, Error> {
    const MODES: [(&str, Option<CertificateMode>); 3] = [
        ("disable", Some(CertificateMode::Never)),
        ("allow", Some(CertificateMode::WhenAsked)),
        ("require", None),
    ];
    match overlay.choice(Keyword::SslCertMode, &MODES)? {
        None => Ok(CertificateMode::WhenAsked),
        Some(Some(mode)) => Ok(mode),
        Some(None) => Err(overlay
            .not_supported(Keyword::SslCertMode, "whether the server asked for a certificate is not known")),
    }
}

/// The oldest and the newest version allowed; TLS 1.2 is the oldest unless the string says otherwise.
fn version_range(overlay: &Overlay) -> Result<(Option<TlsVersion>, Option<TlsVersion>), Error> {
    let version = |key: Keyword| {
        let Some(text) = overlay.text(key) else { return Ok(None) };
        match text.to_ascii_lowercase().as_str() {
            "tlsv1" => Ok(Some(TlsVersion::V1_0)),
            "tlsv1.1" => Ok(Some(TlsVersion::V1_1)),
            "tlsv1.2" => Ok(Some(TlsVersion::V1_2)),
            "tlsv1.3" => Ok(Some(TlsVersion::V1_3)),
            _ => Err(overlay.invalid(key)),
        }
    };
    let min = version(Keyword::SslMinProtocolVersion)?.or(Some(TlsVersion::V1_2));
    let max = version(Keyword::SslMaxProtocolVersion)?;
    if max.is_some_and(|max| Some(max) < min) {
        return Err(
            overlay.contradiction(Keyword::SslMaxProtocolVersion, "it is below ssl_min_protocol_version")
        );
    }
    Ok((min, max))
}
