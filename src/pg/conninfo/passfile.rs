//! The password file (PostgreSQL manual, "The Password File").

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Secret;
use crate::sys::Files;
use crate::types::with_causes;

/// The socket directory of Debian's libpq; the file knows it by the name `localhost`.
pub(super) const DEFAULT_SOCKET_DIRECTORY: &str = "/var/run/postgresql";

/// The entries of a password file, or why there are none.
pub(super) enum PassFile {
    Lines(Vec<u8>),
    Missing,
    /// Not used, for this reason: another user may have read or written it, it is no file, or it cannot be read.
    Refused(String),
}

impl PassFile {
    /// Reads the file. One that cannot be read is no error, as in libpq: most servers want no password, and `su` and
    /// `setpriv` leave the home directory of another user in the environment.
    pub(super) fn load(path: &Path, files: &Files) -> Self {
        let metadata = match files.metadata(path) {
            Err(error) if error.is_not_found() => return Self::Missing,
            Err(error) => return Self::Refused(with_causes(&error)),
            Ok(metadata) => metadata,
        };
        if !metadata.is_file() {
            return Self::Refused("it is not a plain file".into());
        }
        if metadata.mode() & 0o077 != 0 {
            return Self::Refused("it has group or world access; permissions should be 0600 or less".into());
        }
        files.read(path).map_or_else(|error| Self::Refused(with_causes(&error)), Self::Lines)
    }

    /// The password of the first line that fits. `host` is the name, the address or the socket directory.
    pub(super) fn find(&self, host: &str, port: &str, dbname: &str, user: &str) -> Option<Secret> {
        let Self::Lines(bytes) = self else { return None };
        let host = if host == DEFAULT_SOCKET_DIRECTORY { "localhost" } else { host };
        let wanted = [host, port, dbname, user].map(str::as_bytes);
        let password = bytes.split(|byte| *byte == b'\n').find_map(|line| password_of(line, wanted))?;
        String::from_utf8(password).ok().map(Secret::new)
    }
}

/// The last field of a line whose first four fit.
fn password_of(line: &[u8], wanted: [&[u8]; 4]) -> Option<Vec<u8>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() || line.starts_with(b"#") {
        return None;
    }
    let mut rest = line;
    for expected in wanted {
        let (field, after) = read_field(rest)?;
        if field != expected && !rest.starts_with(b"*:") {
            return None;
        }
        rest = after;
    }
    Some(unescape(rest))
}

/// Reads up to the next colon without a backslash before it.
fn read_field(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b':' => return Some((unescape(&text[..at]), &text[at + 1..])),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.as_slice().first()) {
            (b'\\', Some(escaped)) => {
                plain.push(*escaped);
                bytes.next();
            }
            _ => plain.push(*byte),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    fn find(text: &str, host: &str, port: &str, dbname: &str, user: &str) -> Option<String> {
        let file = PassFile::Lines(text.into());
        file.find(host, port, dbname, user).map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn the_first_line_that_fits_gives_the_password() {
        let text = "# host:5432:db:me:comment\nother:*:*:*:1\nhost:5432:db:*:2\r\n*:*:*:me:3\n";
        assert_eq!(find(text, "host", "5432", "db", "me").as_deref(), Some("2"));
        assert_eq!(find(text, "host", "5433", "db", "me").as_deref(), Some("3"));
        assert_eq!(find(text, "host", "5433", "db", "you"), None);
    }

    #[test]
    fn colons_and_backslashes_are_escaped_in_every_field() {
        let text = "\\:\\:1:5432:d\\\\b:u\\:x:p\\:w\\\\:rest\\";
        assert_eq!(find(text, "::1", "5432", "d\\b", "u:x").as_deref(), Some("p:w\\:rest\\"));
    }

    #[test]
    fn the_default_socket_directory_is_localhost_and_others_are_themselves() {
        let text = "localhost:*:*:*:default\n/tmp/pg:*:*:*:own";
        assert_eq!(find(text, "/var/run/postgresql", "5432", "d", "u").as_deref(), Some("default"));
        assert_eq!(find(text, "/tmp/pg", "5432", "d", "u").as_deref(), Some("own"));
        assert_eq!(find(text, "/run/other", "5432", "d", "u"), None);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pgpass");
        fs::write(&path, "*:*:*:*:secret").unwrap();
        for (mode, used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let file = PassFile::load(&path, &Files::default());
            assert_eq!(file.find("h", "1", "d", "u").is_some(), used, "{mode:o}");
            assert_eq!(matches!(file, PassFile::Refused(_)), !used, "{mode:o}");
        }
        assert!(matches!(PassFile::load(dir.path(), &Files::default()), PassFile::Refused(_)));
        // An error like any other, such as that of a home directory that nobody else may enter.
        let below_a_file = PassFile::load(&path.join("none"), &Files::default());
        assert!(matches!(below_a_file, PassFile::Refused(_)));
        let missing = PassFile::load(&dir.path().join("none"), &Files::default());
        assert!(matches!(missing, PassFile::Missing));
    }

    proptest! {
        #[test]
        fn any_bytes_are_searched_without_panic(bytes: Vec<u8>) {
            PassFile::Lines(bytes).find("h", "1", "d", "u");
        }

        #[test]
        fn escaped_fields_are_found(host in "[^\n\r*#\0]{1,8}", password in "[^\n\r\0]{1,12}") {
            let escape = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:");
            let text = format!("{}:*:*:*:{}", escape(&host), escape(&password));
            prop_assert_eq!(find(&text, &host, "1", "d", "u"), Some(password));
        }
    }
}
