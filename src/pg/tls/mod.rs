//! TLS with openssl, set up as libpq does.
//!
//! OpenSSL and not a stricter library: the self-signed server certificate that PostgreSQL's manual tells how to
//! make, given as `sslrootcert`, has to work.

mod names;

use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    HandshakeError, Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslMode as Behaviour,
    SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::X509VerifyResult;
use openssl::x509::store::X509Lookup;
use openssl::x509::verify::X509VerifyFlags;

use self::names::CertificateNames;
use super::conninfo::{CertificateMode, OptionalFile, Roots, SslMode, TlsSettings, TlsVersion};
use super::socket;
use crate::sys::{Files, fs};

/// The protocol that servers from 17 on want to see named in the handshake.
const ALPN: &[u8] = b"postgresql";

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{source}: {}", socket::describe(&source.source))]
    File { source: fs::Error },
    #[error("{what} '{path}' cannot be used: {reason}")]
    Unusable { what: &'static str, path: PathBuf, reason: String },
    #[error(
        "root certificate file '{0}' does not exist; provide it, use the system's trusted roots with \
         sslrootcert=system, or change sslmode to disable server certificate verification"
    )]
    NoRoots(PathBuf),
    #[error("there is no home directory to find root certificate file '.postgresql/root.crt' in")]
    NoHome,
    #[error("{0}")]
    Library(String),
    #[error("SSL error: certificate verify failed: {0}")]
    Untrusted(&'static str),
    #[error("host name must be specified for a verified SSL connection")]
    NoHostName,
    #[error("server certificate for {names} does not match host name \"{host}\"")]
    WrongName { names: String, host: String },
    #[error("direct SSL connection was established without ALPN protocol negotiation extension")]
    NoAlpn,
}

/// Makes TLS connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connector {
    context: SslContext,
    direct: bool,
    server_name: bool,
    verify_name: bool,
}

impl Connector {
    /// Reads the certificates, keys and lists that the settings name or that lie in `~/.postgresql`.
    pub(super) fn new(settings: &TlsSettings, files: &Files) -> Result<Self, Error> {
        let mut builder = SslContextBuilder::new(SslMethod::tls_client())?;
        builder.set_mode(Behaviour::ENABLE_PARTIAL_WRITE | Behaviour::ACCEPT_MOVING_WRITE_BUFFER);
        builder.set_min_proto_version(settings.min_version.map(version))?;
        builder.set_max_proto_version(settings.max_version.map(version))?;
        builder.set_alpn_protos(&[&[ALPN.len() as u8], ALPN].concat())?;
        if load_roots(&mut builder, settings, files)? {
            load_revoked(&mut builder, settings, files)?;
            builder.set_verify(SslVerifyMode::PEER);
        } else {
            builder.set_verify(SslVerifyMode::NONE);
        }
        if settings.certificate_mode == CertificateMode::WhenAsked {
            load_identity(&mut builder, settings, files)?;
        }
        Ok(Self {
            context: builder.build(),
            direct: settings.direct,
            server_name: settings.server_name,
            verify_name: settings.mode == SslMode::VerifyFull,
        })
    }

    /// Whether the handshake begins without asking the server for TLS first.
    pub(super) fn is_direct(&self) -> bool {
        self.direct
    }

    /// Encrypts a connection; `host` is what the connection string calls the server.
    pub(super) fn handshake(
        &self,
        socket: TcpStream,
        host: Option<&str>,
    ) -> Result<SslStream<TcpStream>, Error> {
        let mut ssl = Ssl::new(&self.context)?;
        let is_address = |host: &str| host.parse::<std::net::IpAddr>().is_ok();
        if let Some(host) = host.filter(|host| self.server_name && !is_address(host)) {
            ssl.set_hostname(host)?;
        }
        let stream = ssl.connect(socket).map_err(handshake_error)?;
        if self.direct && stream.ssl().selected_alpn_protocol() != Some(ALPN) {
            return Err(Error::NoAlpn);
        }
        if self.verify_name {
            let host = host.ok_or(Error::NoHostName)?;
            let names = stream.ssl().peer_certificate().map(|certificate| CertificateNames::of(&certificate));
            let names = names.unwrap_or_default();
            if !names.cover(host) {
                return Err(Error::WrongName { names: names.to_string(), host: host.into() });
            }
        }
        Ok(stream)
    }
}

fn version(version: TlsVersion) -> SslVersion {
    match version {
        TlsVersion::V1_0 => SslVersion::TLS1,
        TlsVersion::V1_1 => SslVersion::TLS1_1,
        TlsVersion::V1_2 => SslVersion::TLS1_2,
        TlsVersion::V1_3 => SslVersion::TLS1_3,
    }
}

/// Trusts the certificates of the settings; tells whether there are any. When there are, the server's certificate
/// is checked in every mode: so does libpq, and that is how `root.crt` turns `require` into `verify-ca`.
fn load_roots(builder: &mut SslContextBuilder, settings: &TlsSettings, files: &Files) -> Result<bool, Error> {
    let must_verify = settings.mode >= SslMode::VerifyCa;
    let path = match &settings.roots {
        Roots::System => {
            builder.set_default_verify_paths()?;
            return Ok(true);
        }
        Roots::File(Some(path)) => path,
        Roots::File(None) if must_verify => return Err(Error::NoHome),
        Roots::File(None) => return Ok(false),
    };
    if exists(path, files)? {
        let unusable = |error: ErrorStack| unusable("root certificate file", path, &error);
        builder.set_ca_file(path).map_err(unusable)?;
        return Ok(true);
    }
    if must_verify { Err(Error::NoRoots(path.clone())) } else { Ok(false) }
}

/// Refuses the certificates that the lists of the settings revoke.
///
/// libpq passes over a list that it cannot load even when it was named; here that is an error, since whoever
/// names a list means it.
fn load_revoked(builder: &mut SslContextBuilder, settings: &TlsSettings, files: &Files) -> Result<(), Error> {
    const WHAT: &str = "certificate revocation list";
    let mut check = false;
    let store = builder.cert_store_mut();
    if let Some(OptionalFile { path, named }) = &settings.crl
        && (*named || exists(path, files)?)
    {
        let lookup = store.add_lookup(X509Lookup::file())?;
        lookup.load_crl_file(path, SslFiletype::PEM).map_err(|error| unusable(WHAT, path, &error))?;
        check = true;
    }
    if let Some(directory) = &settings.crl_dir {
        let name = directory.to_str().filter(|_| files.is_dir(directory));
        let name = name.ok_or_else(|| reject(WHAT, directory, "it is not a directory"))?;
        let lookup = store.add_lookup(X509Lookup::hash_dir())?;
        lookup.add_dir(name, SslFiletype::PEM).map_err(|error| unusable(WHAT, directory, &error))?;
        check = true;
    }
    if check {
        store.set_flags(X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL)?;
    }
    Ok(())
}

/// Loads the client's certificate and key. As in libpq, a certificate that does not exist is none.
fn load_identity(
    builder: &mut SslContextBuilder,
    settings: &TlsSettings,
    files: &Files,
) -> Result<(), Error> {
    let Some(OptionalFile { path: certificate, .. }) = &settings.certificate else { return Ok(()) };
    if !exists(certificate, files)? {
        return Ok(());
    }
    let unusable_certificate = |error: ErrorStack| unusable("certificate file", certificate, &error);
    builder.set_certificate_chain_file(certificate).map_err(unusable_certificate)?;
    let path = settings.key.as_ref().ok_or(Error::NoHome)?;
    let key = load_key(path, settings, files)?;
    let unusable_key = |error: ErrorStack| unusable("private key file", path, &error);
    builder.set_private_key(&key).map_err(unusable_key)?;
    builder.check_private_key().map_err(unusable_key)
}

fn load_key(path: &Path, settings: &TlsSettings, files: &Files) -> Result<PKey<Private>, Error> {
    const WHAT: &str = "private key file";
    if !exists(path, files)? {
        return Err(reject(WHAT, path, "it does not exist, and there is a certificate that needs it"));
    }
    let metadata = files.metadata(path)?;
    if !metadata.is_file() {
        return Err(reject(WHAT, path, "it is not a regular file"));
    }
    // A key of root's may be shared with a group, as Debian's ssl-cert does.
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden != 0 {
        return Err(reject(
            WHAT,
            path,
            "it has group or world access; permissions must be 0600 or less, or 0640 or less when root owns it",
        ));
    }
    let bytes = files.read(path)?;
    let passphrase = settings.key_password.as_ref().map_or("", |secret| secret.expose());
    let pem = PKey::private_key_from_pem_callback(&bytes, |buffer| {
        let length = passphrase.len().min(buffer.len());
        buffer[..length].copy_from_slice(&passphrase.as_bytes()[..length]);
        Ok(length)
    });
    pem.or_else(|error| PKey::private_key_from_der(&bytes).map_err(|_| unusable(WHAT, path, &error)))
}

/// Whether there is something; a parent that is no directory means that there is nothing.
fn exists(path: &Path, files: &Files) -> Result<bool, Error> {
    match files.metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) if error.source.kind() == std::io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn reject(what: &'static str, path: &Path, reason: impl Into<String>) -> Error {
    Error::Unusable { what, path: path.into(), reason: reason.into() }
}

fn unusable(what: &'static str, path: &Path, error: &ErrorStack) -> Error {
    reject(what, path, reason(error))
}

/// What OpenSSL says of a connection.
pub(super) fn describe(error: &openssl::ssl::Error) -> String {
    let reason = match (error.ssl_error(), error.io_error()) {
        (Some(stack), _) => reason(stack),
        (None, Some(io)) if io.kind() == std::io::ErrorKind::WouldBlock => "timeout expired".into(),
        (None, Some(io)) => socket::describe(io),
        (None, None) => "the server closed the connection".into(),
    };
    format!("SSL error: {reason}")
}

/// What OpenSSL says first, without codes and source files: the rest follows from it.
fn reason(stack: &ErrorStack) -> String {
    let Some(error) = stack.errors().first() else { return "unknown reason".into() };
    let reason = error.reason().unwrap_or("unknown reason");
    error.data().map_or_else(|| reason.to_owned(), |data| format!("{reason} ({data})"))
}

fn handshake_error(error: HandshakeError<TcpStream>) -> Error {
    let handshake = match error {
        HandshakeError::SetupFailure(stack) => return stack.into(),
        HandshakeError::Failure(handshake) | HandshakeError::WouldBlock(handshake) => handshake,
    };
    let verified = handshake.ssl().verify_result();
    if verified != X509VerifyResult::OK {
        return Error::Untrusted(verified.error_string());
    }
    Error::Library(describe(handshake.error()))
}

impl From<ErrorStack> for Error {
    fn from(stack: ErrorStack) -> Self {
        Self::Library(format!("SSL error: {}", reason(&stack)))
    }
}

impl From<fs::Error> for Error {
    fn from(source: fs::Error) -> Self {
        Self::File { source }
    }
}
