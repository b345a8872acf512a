//! From text to parameters, by the grammar of libpq: keywords and values, or a URI.

use std::collections::BTreeMap;

use super::error::Error;
use super::keywords::Keyword;

/// The parameters a text gives; the last of several with one keyword counts.
pub(super) type Parameters = BTreeMap<Keyword, String>;

/// The beginnings that make a text a URI.
pub(super) const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];

/// Whether the text is a URI.
pub(super) fn is_uri(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

/// Reads either form. An empty text has no parameters.
pub(super) fn parse(text: &str) -> Result<Parameters, Error> {
    if text.contains('\0') {
        return Err(Error::NulByte);
    }
    match SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme)) {
        Some(rest) => parse_uri(rest),
        None => parse_keywords(text),
    }
}

/// Reads `keyword = value …`; blanks around `=` are allowed, `'` quotes, `\` takes the next character as it is.
fn parse_keywords(text: &str) -> Result<Parameters, Error> {
    let mut parameters = Parameters::new();
    let mut after_secret = false;
    let mut rest = skip_blanks(text);
    while !rest.is_empty() {
        let position = text.len() - rest.len() + 1;
        let name_end = rest.find(|c| c == '=' || is_blank(c)).unwrap_or(rest.len());
        let name = &rest[..name_end];
        let after_name = skip_blanks(&rest[name_end..]);
        let Some(value) = after_name.strip_prefix('=') else { return Err(Error::MissingEquals { position }) };
        // What follows a password that should have been quoted may be the rest of it: it is not shown.
        let shown = || if after_secret { "…".to_owned() } else { name.to_owned() };
        let key = Keyword::find(name).ok_or_else(|| Error::UnknownKeyword { name: shown(), position })?;
        let value = skip_blanks(value);
        let (value, after) = match value.strip_prefix('\'') {
            Some(quoted) => {
                read_value(quoted, |c| c == '\'').ok_or(Error::UnterminatedQuote { key: key.into() })?
            }
            None => read_value(value, is_blank).unwrap_or_else(|| (unescape(value), "")),
        };
        parameters.insert(key, value);
        after_secret = key.is_secret();
        rest = skip_blanks(after);
    }
    Ok(parameters)
}

/// Reads up to the character that ends the value; gives what comes after that one. `None` when none ends it.
fn read_value(text: &str, ends: impl Fn(char) -> bool) -> Option<(String, &str)> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if ends(c) {
            return Some((unescape(&text[..at]), chars.as_str()));
        }
    }
    None
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

/// What C's `isspace` takes for a blank.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches(is_blank)
}

/// Reads what follows the scheme: `user:password@host:port,host:port/dbname?keyword=value&…`.
fn parse_uri(text: &str) -> Result<Parameters, Error> {
    let mut parameters = Parameters::new();
    let mut rest = text;
    if let Some(at) = text.find(['@', '/']).filter(|at| text.as_bytes()[*at] == b'@') {
        let (user, password) = text[..at].split_once(':').unwrap_or((&text[..at], ""));
        store_unless_empty(&mut parameters, Keyword::User, user)?;
        store_unless_empty(&mut parameters, Keyword::Password, password)?;
        rest = &text[at + 1..];
    }
    let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (hosts, ports) = parse_authority(&rest[..authority_end])?;
    store_unless_empty(&mut parameters, Keyword::Host, &hosts)?;
    store_unless_empty(&mut parameters, Keyword::Port, &ports)?;
    let (path, query) = match rest[authority_end..].split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (&rest[authority_end..], None),
    };
    // An empty name would force the default; left out, PGDATABASE still counts.
    store_unless_empty(&mut parameters, Keyword::DbName, path.strip_prefix('/').unwrap_or(path))?;
    let query = query.filter(|query| !query.is_empty()).map(|query| query.strip_suffix('&').unwrap_or(query));
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        store_query(&mut parameters, pair)?;
    }
    Ok(parameters)
}

/// Splits `host:port,[v6]:port` into the lists that the keywords host and port take.
fn parse_authority(authority: &str) -> Result<(String, String), Error> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for place in authority.split(',') {
        let (host, port) = match place.strip_prefix('[') {
            Some(bracketed) => {
                let (address, after) = bracketed.split_once(']').ok_or(Error::UnterminatedBracket)?;
                let port = if after.is_empty() { Some("") } else { after.strip_prefix(':') };
                match port {
                    Some(port) if !address.is_empty() => (address, port),
                    _ => return Err(Error::UnterminatedBracket),
                }
            }
            None => place.split_once(':').unwrap_or((place, "")),
        };
        hosts.push(host);
        ports.push(port);
    }
    Ok((hosts.join(","), ports.join(",")))
}

fn store_query(parameters: &mut Parameters, pair: &str) -> Result<(), Error> {
    let (name, value) = pair.split_once('=').ok_or(Error::MalformedQuery)?;
    if value.contains('=') {
        return Err(Error::MalformedQuery);
    }
    let (name, value) = (decode(name)?, decode(value)?);
    let (key, value) = match (name.as_str(), value.as_str()) {
        // What JDBC writes.
        ("ssl", "true") => (Some(Keyword::SslMode), "require".to_owned()),
        _ => (Keyword::find(&name), value),
    };
    let key = key.ok_or(Error::UnknownQuery { name })?;
    parameters.insert(key, value);
    Ok(())
}

fn store_unless_empty(parameters: &mut Parameters, key: Keyword, encoded: &str) -> Result<(), Error> {
    if !encoded.is_empty() {
        parameters.insert(key, decode(encoded)?);
    }
    Ok(())
}

/// Undoes the percent-encoding.
fn decode(text: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = after.get(..2).and_then(|two| str::from_utf8(two).ok());
        let hex = digits.filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if byte != 0 => bytes.push(byte),
            _ => return Err(Error::MalformedEncoding),
        }
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| Error::MalformedEncoding)
}

/// Writes a value so that a keyword string can hold it.
pub(super) fn quote(value: &str) -> String {
    if !value.is_empty() && !value.contains(|c| is_blank(c) || matches!(c, '\'' | '\\')) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Writes a value so that the query of a URI can hold it.
pub(super) fn encode(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
