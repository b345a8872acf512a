//! The service file: named groups of parameters (PostgreSQL manual, "The Connection Service File").

use std::path::{Path, PathBuf};

use ini::{Ini, ParseOption};

use super::Surroundings;
use super::error::Error;
use super::keywords::Keyword;
use super::parse::Parameters;

/// Where Debian's libpq looks when `PGSYSCONFDIR` is not set.
const SYSTEM_DIRECTORY: &str = "/etc/postgresql-common";

/// The parameters of `service` and the file they stand in: the file that `named` or `PGSERVICEFILE` gives, else
/// `~/.pg_service.conf`; and when that does not define the service, `pg_service.conf` in `PGSYSCONFDIR`.
pub(super) fn load_service(
    service: &str,
    named: Option<&str>,
    around: &Surroundings<'_>,
) -> Result<(PathBuf, Parameters), Error> {
    let mut searched = Vec::new();
    let named = named.map(PathBuf::from);
    let own = named.clone().or_else(|| Some(around.home.as_ref()?.join(".pg_service.conf")));
    let system = (around.variable)("PGSYSCONFDIR").map_or_else(|| SYSTEM_DIRECTORY.into(), PathBuf::from);
    for path in own.into_iter().chain([system.join("pg_service.conf")]) {
        match around.files.read_if_exists(&path)? {
            Some(bytes) => {
                if let Some(parameters) = parse_group(&bytes, service, &path)? {
                    return Ok((path, parameters));
                }
                searched.push(path);
            }
            None if named.as_ref() == Some(&path) => {
                return Err(malformed(&path, "not found"));
            }
            None => {}
        }
    }
    Err(Error::ServiceNotFound { service: service.into(), searched })
}

/// The parameters of one group; the first of several with one keyword counts. `None` when there is no such group.
fn parse_group(bytes: &[u8], service: &str, path: &Path) -> Result<Option<Parameters>, Error> {
    let text = str::from_utf8(bytes).map_err(|_| malformed(path, "not UTF-8"))?;
    // libpq knows no continuation lines, the INI reader always does: the blank takes the backslash its power
    // and is trimmed away with the value's other trailing blanks.
    let text = text.replace("\r\n", "\n").replace("\\\n", "\\ \n");
    let literal = ParseOption { enabled_quote: false, enabled_escape: false, ..ParseOption::default() };
    let file = Ini::load_from_str_opt(&text, literal)
        .map_err(|error| malformed(path, format!("line {}: not 'keyword=value'", error.line)))?;
    let Some(group) = file.section(Some(service)) else { return Ok(None) };
    let mut parameters = Parameters::new();
    for (name, value) in group {
        let key = Keyword::find(name)
            .ok_or_else(|| malformed(path, format!("service '{service}' has an unknown keyword '{name}'")))?;
        if matches!(key, Keyword::Service | Keyword::ServiceFile) {
            return Err(malformed(path, format!("service '{service}' names another service")));
        }
        parameters.entry(key).or_insert_with(|| value.to_owned());
    }
    Ok(Some(parameters))
}

fn malformed(path: &Path, reason: impl Into<String>) -> Error {
    Error::ServiceFile { path: path.into(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(text: &str) -> Option<Parameters> {
        parse_group(text.as_bytes(), "main", Path::new("/svc")).unwrap()
    }

    #[test]
    fn values_are_taken_as_they_stand() {
        let text = "# comment\n[other]\nhost=no\n\n[main]\nhost=db.example.org\n  port = 5433\npassword=a'b\"c\\x #;%20\\\n\
                    user=quo\\ted\nhost=second\n[later]\nuser=no\n";
        let found: Vec<_> = group(text).unwrap().into_iter().map(|(k, v)| (k.name(), v)).collect();
        let expected = [
            ("user", "quo\\ted"),
            ("password", "a'b\"c\\x #;%20\\"),
            ("host", "db.example.org"),
            ("port", "5433"),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn what_libpq_refuses_is_refused_with_the_file() {
        for (text, reason) in [
            ("[main]\nhots=x\n", "service file '/svc': service 'main' has an unknown keyword 'hots'"),
            ("[main]\nservice=x\n", "service file '/svc': service 'main' names another service"),
            ("[main]\nhost\n", "service file '/svc': line 3: not 'keyword=value'"),
        ] {
            let error = parse_group(text.as_bytes(), "main", Path::new("/svc")).unwrap_err();
            assert_eq!(error.to_string(), reason);
        }
        assert!(group("[Main]\nhost=x\n").is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_without_panic(bytes: Vec<u8>) {
            let _ = parse_group(&bytes, "main", Path::new("/svc"));
        }
    }
}
