//! The kinds of values, and how text becomes a value of each.

use std::collections::BTreeSet;
use std::time::Duration;

use super::value::{OptionSet, Value, python_list};
use crate::sys::env;

/// What an option holds; decides how its text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true`, `yes`, `on` ...
    Bool,
    /// A whole number.
    Int,
    /// A whole number that is judged when the server is complete; what is none counts as nothing.
    LateInt,
    /// A span of time: `4 weeks`.
    Interval,
    /// An amount of bytes: `30Gi`.
    Size,
    /// Any text.
    Text,
    /// A path; a leading `~/` is the home directory.
    Path,
    /// A path that begins with `/`.
    AbsolutePath,
    /// A path or the address of an object store.
    PathOrUrl,
    /// A name PostgreSQL takes for a replication slot.
    SlotName,
    /// One word out of a list.
    Word(&'static WordKind),
    /// Any of the words of a list, with commas between them.
    Set(&'static SetKind),
    /// Texts with commas between them.
    List,
    /// `low`, `medium`, `high` or a number.
    CompressionLevel,
    /// `name:kB` for each tablespace, with blanks between them.
    TablespaceLimits,
    /// `REDUNDANCY 3`, `RECOVERY WINDOW OF 4 WEEKS`.
    Retention,
}

/// The words of an option that is one of them.
#[derive(Debug, PartialEq, Eq)]
pub struct WordKind {
    /// The words.
    pub words: &'static [&'static str],
    /// Whether case matters.
    pub exact: bool,
    /// The word that says the same as not setting the option.
    pub unset: Option<&'static str>,
    /// Whether an empty value sets the option to nothing instead of being refused.
    pub empty: bool,
    /// What is said of another value, `{}` being that value.
    refusal: &'static str,
}

/// The words of an option that may hold several.
#[derive(Debug, PartialEq, Eq)]
pub struct SetKind {
    /// The name that `show-servers` gives the set.
    pub name: &'static str,
    /// The words.
    pub words: &'static [&'static str],
    /// Two words that exclude one another.
    exclusive: Option<[&'static str; 2]>,
}

const fn words(words: &'static [&'static str], refusal: &'static str) -> WordKind {
    WordKind { words, exact: false, unset: None, empty: false, refusal }
}

const fn exact_words(words: &'static [&'static str], refusal: &'static str) -> WordKind {
    WordKind { words, exact: true, unset: None, empty: false, refusal }
}

pub(super) const AWS_ENCRYPTION: WordKind =
    exact_words(&["AES256", "aws:kms"], "Invalid value '{}' (must be one in: ['AES256', 'aws:kms'])");

pub(super) const BACKUP_COMPRESSION: WordKind = words(
    &["gzip", "lz4", "zstd", "none"],
    "Invalid value '{}'(must be one in: ['gzip', 'lz4', 'zstd', 'none'])",
);

pub(super) const BACKUP_COMPRESSION_FORMAT: WordKind =
    words(&["plain", "tar"], "Invalid value (must be either `plain` or `tar`)");

pub(super) const BACKUP_COMPRESSION_LOCATION: WordKind =
    words(&["client", "server"], "Invalid value (must be either `client` or `server`)");

pub(super) const BACKUP_METHOD: WordKind = words(
    &["rsync", "postgres", "local-rsync", "snapshot", "local-to-cloud"],
    "Invalid value (must be one in: 'rsync', 'postgres', 'local-rsync', 'snapshot', 'local-to-cloud')",
);

pub(super) const COMBINE_MODE: WordKind = words(
    &["copy", "link", "clone", "copy-file-range"],
    "Invalid value: {} (options are: copy, link, clone, copy-file-range)",
);

pub(super) const COMPRESSION: WordKind = WordKind {
    empty: true,
    ..words(
        &["gzip", "bzip2", "pygzip", "pybzip2", "pigz", "xz", "zstd", "lz4", "snappy", "custom"],
        "Invalid value: '{}' (must be one in: gzip, bzip2, pygzip, pybzip2, pigz, xz, zstd, lz4, snappy, custom)",
    )
};

pub(super) const CREATE_SLOT: WordKind = words(&["manual", "auto"], "Invalid value (use 'manual' or 'auto')");

pub(super) const ENCRYPTION: WordKind = WordKind {
    unset: Some("none"),
    ..words(&["none", "gpg"], "Invalid encryption value '{}'. Allowed values are: none, gpg.")
};

pub(super) const REUSE_BACKUP: WordKind =
    words(&["copy", "link", "off"], "Invalid value (use 'copy', 'link' or 'off')");

pub(super) const STAGING_LOCATION: WordKind =
    exact_words(&["local", "remote"], "Invalid value: {} (options are: local, remote)");

/// The words of `backup_options`.
pub static BACKUP_OPTIONS: SetKind = SetKind {
    name: "BackupOptions",
    words: &["concurrent_backup", "exclusive_backup", "external_configuration"],
    exclusive: Some(["exclusive_backup", "concurrent_backup"]),
};

/// The words of `recovery_options`.
pub static RECOVERY_OPTIONS: SetKind =
    SetKind { name: "RecoveryOptions", words: &["delta-restore", "get-wal"], exclusive: None };

/// Where a text stands, for the messages that say so themselves.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub option: &'a str,
    /// `[main] section`, `DEFAULTS`.
    pub place: &'a str,
}

impl Kind {
    /// Reads `text`. `None` means that the text sets nothing, so that the next level decides; an empty
    /// [`Value::Text`] is an option set to nothing.
    ///
    /// # Errors
    /// Why the text is refused, in Barman's words.
    pub(super) fn parse(self, text: &str, asked: Asked<'_>) -> Result<Option<Value>, String> {
        let as_text = || Value::Text(text.to_owned());
        let refused = |reason: &str| reason.replace("{}", text);
        match self {
            Self::Text | Self::LateInt | Self::TablespaceLimits | Self::Retention => Ok(Some(as_text())),
            Self::Bool => match parse_bool(text) {
                Some(flag) => Ok(Some(Value::Bool(flag))),
                None => Err(INVALID_BOOL.to_owned()),
            },
            Self::Int => match parse_int(text) {
                Some(number) => Ok(Some(Value::Int(number))),
                None => Err(refused("invalid literal for int() with base 10: '{}'")),
            },
            Self::Interval | Self::Size | Self::Path | Self::PathOrUrl if text.is_empty() => Ok(None),
            Self::Interval => match parse_interval(text) {
                Some(span) => Ok(Some(Value::Interval(span))),
                None => Err(refused("Invalid value for a time interval {}")),
            },
            Self::Size => match parse_size(text) {
                Some(bytes) => Ok(Some(Value::Size(bytes))),
                None => Err(refused("Invalid value for a number {}")),
            },
            Self::Path => Ok(Some(expanded(text))),
            Self::AbsolutePath if text.starts_with('/') => Ok(Some(as_text())),
            Self::AbsolutePath => Err(refused("Invalid value : '{}' (must be an absolute path)")),
            Self::PathOrUrl if !text.contains("://") => Ok(Some(expanded(text))),
            Self::PathOrUrl if is_object_store(text) => Ok(Some(as_text())),
            Self::PathOrUrl => {
                Err("The URL is not compatible with any of the supported cloud providers".to_owned())
            }
            Self::SlotName => parse_slot_name(text).map(|name| Some(Value::Text(name))),
            Self::Word(kind) => kind.parse(text),
            Self::Set(kind) => kind.parse(text, asked).map(|set| Some(Value::Set(set))),
            Self::List => {
                let items: Vec<&str> = text.split(',').collect();
                if items.contains(&"") {
                    return Err(python_list(&items));
                }
                Ok(Some(Value::List(items.into_iter().map(str::to_owned).collect())))
            }
            Self::CompressionLevel => parse_level(text).map(Some),
        }
    }
}

impl WordKind {
    fn parse(&self, text: &str) -> Result<Option<Value>, String> {
        if text.is_empty() && self.empty {
            return Ok(Some(Value::Text(String::new())));
        }
        let word = if self.exact { text.to_owned() } else { text.to_lowercase() };
        if self.unset == Some(&word) {
            return Ok(None);
        }
        match self.words.contains(&word.as_str()) {
            true => Ok(Some(Value::Text(word))),
            false => Err(self.refusal.replace("{}", text)),
        }
    }
}

impl SetKind {
    /// Looks at the words in their sorted order, as Barman does: the first that is wrong is named.
    fn parse(&'static self, text: &str, asked: Asked<'_>) -> Result<OptionSet, String> {
        let mut set = OptionSet { kind: self, words: BTreeSet::new() };
        if text.is_empty() {
            return Ok(set);
        }
        let mut items: Vec<&str> = text.split(',').collect();
        items.sort_unstable();
        for item in items {
            let item = item.trim().to_lowercase();
            let refused = |reason: &str| {
                let Asked { option, place } = asked;
                format!("Invalid configuration value '{item}' for key {option} in {place}: {reason}")
            };
            let Some(word) = self.words.iter().find(|word| **word == item) else {
                return Err(refused("Unknown option"));
            };
            if let Some(other) = self.excluded_by(word).filter(|other| set.contains(other)) {
                let both = format!("cannot contain both '{item}' and '{other}'.");
                return Err(refused(&format!("{both}Configuration directive ignored.")));
            }
            set.words.insert(word);
        }
        Ok(set)
    }

    fn excluded_by(&self, word: &str) -> Option<&'static str> {
        let [one, other] = self.exclusive?;
        match word {
            word if word == one => Some(other),
            word if word == other => Some(one),
            _ => None,
        }
    }
}

/// What is said of a text that is no boolean.
pub(super) const INVALID_BOOL: &str =
    "Invalid boolean representation (must be one in: true|t|yes|1|on | false|f|no|0|off)";

/// Reads `true t yes 1 on` and `false f no 0 off` in any case.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 5]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_one_of(["true", "t", "yes", "1", "on"]) {
        Some(true)
    } else if is_one_of(["false", "f", "no", "0", "off"]) {
        Some(false)
    } else {
        None
    }
}

/// Reads a number as Python's `int` does: blanks around it, a sign, single underscores between digits.
pub(super) fn parse_int(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let well_formed = digits.split('_').all(is_digits);
    well_formed.then(|| text.replace('_', "").parse().ok()).flatten()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn parse_interval(text: &str) -> Option<Duration> {
    const HOUR: u64 = 3600;
    let mut words = text.split_whitespace();
    let (count, unit, None) = (words.next()?, words.next()?, words.next()) else { return None };
    let unit = unit.to_ascii_lowercase();
    let seconds = match unit.strip_suffix('s').unwrap_or(&unit) {
        "hour" => HOUR,
        "day" => 24 * HOUR,
        "week" => 7 * 24 * HOUR,
        "month" => 31 * 24 * HOUR,
        _ => return None,
    };
    let count: u64 = is_digits(count).then(|| count.parse().ok()).flatten()?;
    count.checked_mul(seconds).map(Duration::from_secs)
}

fn parse_size(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let factor: u64 = match suffix.trim() {
        "" => 1,
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

fn parse_slot_name(text: &str) -> Result<String, String> {
    let name = text.to_lowercase();
    let is_allowed = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'_');
    if !name.is_empty() && name.bytes().all(is_allowed) {
        return Ok(name);
    }
    Err("Replication slot names may only contain lower case letters, numbers, and the underscore character."
        .to_owned())
}

fn parse_level(text: &str) -> Result<Value, String> {
    let word = text.to_lowercase();
    if text.is_empty() || ["low", "medium", "high"].contains(&word.as_str()) {
        return Ok(Value::Text(word));
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let number = is_digits(digits).then(|| text.parse().ok()).flatten();
    number.map(Value::Int).ok_or_else(|| {
        format!("Invalid value: '{text}' (must be one in [low, medium, high] or an acceptable integer)")
    })
}

fn expanded(path: &str) -> Value {
    Value::Text(match path.starts_with("~/") {
        true => env::expand_home(path).to_string_lossy().into_owned(),
        false => path.to_owned(),
    })
}

/// Whether a URL names a bucket or container of one of the known object stores.
fn is_object_store(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_bucket = |rest: &str| rest.split('/').next().is_some_and(|bucket| !bucket.is_empty());
    match scheme.to_lowercase().as_str() {
        "s3" | "gs" => is_bucket(rest),
        "https" if host == "console.cloud.google.com" => {
            path.strip_prefix("storage/browser/").is_some_and(is_bucket)
        }
        _ => host.ends_with("blob.core.windows.net") && host.len() < rest.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ASKED: Asked<'_> = Asked { option: "option", place: "[main] section" };

    #[test]
    fn addresses_of_object_stores_are_known_from_others() {
        for (url, known) in [
            ("s3://bucket/path", true),
            ("S3://bucket", true),
            ("gs://bucket", true),
            ("https://console.cloud.google.com/storage/browser/bucket/path", true),
            ("https://account.blob.core.windows.net/container", true),
            ("https://example.org/bucket", false),
        ] {
            assert_eq!(Kind::PathOrUrl.parse(url, ASKED).is_ok(), known, "{url}");
        }
    }

    #[test]
    fn numbers_too_large_to_hold_are_refused() {
        assert!(Kind::Int.parse("99999999999999999999", ASKED).is_err());
        assert!(Kind::Size.parse("99999999999Ti", ASKED).is_err());
        assert!(Kind::Interval.parse("99999999999999999 weeks", ASKED).is_err());
    }

    #[test]
    fn paths_start_at_home_when_they_say_so() {
        let home = env::home().unwrap();
        let Ok(Some(Value::Text(path))) = Kind::Path.parse("~/barman", ASKED) else { panic!() };
        assert_eq!(std::path::Path::new(&path), home.join("barman"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "\\PC{0,20}|[0-9_+-]{0,8}[a-zA-Z ]{0,6}") {
            for kind in [
                Kind::Bool, Kind::Int, Kind::Interval, Kind::Size, Kind::PathOrUrl, Kind::SlotName,
                Kind::Word(&COMPRESSION), Kind::Set(&BACKUP_OPTIONS), Kind::List, Kind::CompressionLevel,
            ] {
                let _ = kind.parse(&text, ASKED);
            }
        }
    }
}
