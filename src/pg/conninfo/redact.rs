//! Passwords out of any text.

use std::borrow::Cow;

use super::keywords::SECRETS;
use super::parse::{SCHEMES, is_blank};

/// What stands in the place of a password.
pub(super) const REPLACEMENT: &str = "*REDACTED*";

/// The text without the passwords in it: the values of `password=` and its like, and those in connection URIs.
///
/// Text may be anything: a message, a command line, several lines. Where it is not clear where a password ends,
/// more is taken out rather than less.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut redacted = String::new();
    let mut rest = text;
    while let Some((start, end)) = find_uri_password(rest).into_iter().chain(find_value(rest)).min() {
        redacted.push_str(&rest[..start]);
        redacted.push_str(REPLACEMENT);
        rest = &rest[end..];
    }
    if redacted.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(redacted + rest) }
}

/// The place of the first value of a secret keyword.
fn find_value(text: &str) -> Option<(usize, usize)> {
    let places = SECRETS.iter().flat_map(|name| text.match_indices(name).map(|(at, name)| at + name.len()));
    places.filter_map(|after_name| value_after(text, after_name)).min()
}

/// The place of the value, when `=` follows at `at`. A value that is redacted already is left alone.
fn value_after(text: &str, at: usize) -> Option<(usize, usize)> {
    let value = text[at..].trim_start_matches(is_blank).strip_prefix('=')?.trim_start_matches(is_blank);
    let start = text.len() - value.len();
    let len = match value.strip_prefix('\'') {
        Some(quoted) => 1 + unescaped_end(quoted, |c| c == '\'').map_or(quoted.len(), |end| end + 1),
        None => {
            let word = &value[..unescaped_end(value, is_blank).unwrap_or(value.len())];
            // Quotes and brackets at the end are those of the text around.
            word.trim_end_matches(['\'', '"', ')', ']', '}', ',', ';', '.']).len()
        }
    };
    (len > 0 && !value.starts_with(REPLACEMENT)).then_some((start, start + len))
}

/// Where the first character that `ends` stands without a backslash before it.
fn unescaped_end(text: &str, ends: impl Fn(char) -> bool) -> Option<usize> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if ends(c) {
            return Some(at);
        }
    }
    None
}

/// The place of the first password between `scheme://user:` and `@`.
fn find_uri_password(text: &str) -> Option<(usize, usize)> {
    let places = SCHEMES.iter().flat_map(|scheme| text.match_indices(scheme).map(|(at, s)| at + s.len()));
    let password = |start: usize| {
        let word_len = text[start..].find(|c| is_blank(c) || c == '"').unwrap_or(text.len() - start);
        // A password whose own `@` or `/` was not encoded ends at the last `@`.
        let end = start + text[start..start + word_len].rfind('@')?;
        let start = start + text[start..end].find(':')? + 1;
        (start < end && &text[start..end] != REPLACEMENT).then_some((start, end))
    };
    places.filter_map(password).min()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Conninfo, Keyword};
    use super::*;

    #[test]
    fn passwords_are_taken_out_of_any_text() {
        let cases = [
            ("host=a password=x", "host=a password=*REDACTED*"),
            ("conninfo: password=x\nnext: 1", "conninfo: password=*REDACTED*\nnext: 1"),
            ("password = 'a \\' b' user=me", "password = *REDACTED* user=me"),
            ("password=a\\ b'c user=me", "password=*REDACTED* user=me"),
            ("\"host=a password=x\" is wrong", "\"host=a password=*REDACTED*\" is wrong"),
            ("sslpassword=x password=", "sslpassword=*REDACTED* password="),
            ("password='open", "password=*REDACTED*"),
            ("postgresql://me:x@h/db", "postgresql://me:*REDACTED*@h/db"),
            ("postgres://me:a@b/c@h:1/db and more", "postgres://me:*REDACTED*@h:1/db and more"),
            ("postgresql://me@h:5432/db", "postgresql://me@h:5432/db"),
            ("postgres://h?password=a%20b&user=me", "postgres://h?password=*REDACTED*"),
            ("a password is needed", "a password is needed"),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_password_of_a_connection_string_is_left(
            password in "[a-z'\\\\\" @:/=.]{0,6}SECRET[a-z'\\\\\" @:/=.]{0,6}",
            form in prop::sample::select(vec!["host=a", "", "postgresql://h/d?user=u", "postgres://u@h"]),
        ) {
            let conninfo = form.parse::<Conninfo>().unwrap().with(Keyword::Password, &password);
            let message = format!("\"{}\" is no good: {}.", conninfo.text(), conninfo.text());
            prop_assert!(!redact(&message).contains("SECRET"), "{}", redact(&message));
        }

        #[test]
        fn any_text_is_redacted_without_panic(text in "(password|=|'|\\\\|\\PC|postgres://|:|@)*") {
            let _ = redact(&text);
        }
    }
}
