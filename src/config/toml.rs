//! The same options in TOML: a table for each section, and a type for each kind of option.

use std::path::Path;
use std::sync::Arc;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::error::Error;
use super::kind::Kind;
use super::place::Place;
use super::raw::{RawEntry, RawSection, RawText};
use super::schema::Key;

/// Reads the sections of a TOML file, in their order.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Vec<RawSection>, Error> {
    let lines = Lines { file: path.into(), bytes };
    let text = str::from_utf8(bytes)
        .map_err(|error| lines.fault(error.valid_up_to(), "not UTF-8 text".to_owned()))?;
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        lines.fault(at, error.message().to_owned())
    })?;
    let mut sections = Vec::new();
    for (name, value) in in_file_order(document.get_ref()) {
        let DeValue::Table(options) = value.get_ref() else {
            let message = format!("'{}' stands before the first [section]", name.get_ref());
            return Err(lines.fault(name.span().start, message));
        };
        let entries = in_file_order(options).into_iter().map(|(option, value)| entry(&lines, option, value));
        sections.push(RawSection {
            name: name.get_ref().to_string(),
            place: lines.place(name.span().start),
            entries: entries.collect(),
        });
    }
    Ok(sections)
}

fn entry(lines: &Lines<'_>, name: &Spanned<impl AsRef<str>>, value: &Spanned<DeValue<'_>>) -> RawEntry {
    let place = lines.place(name.span().start);
    let name = name.get_ref().as_ref().to_owned();
    let text = match Key::find(&name) {
        Some(key) => text_of(value.get_ref(), key.def().kind),
        None => RawText::Literal(shown(value.get_ref())),
    };
    RawEntry { name, text, place }
}

/// The text that an INI file would have, if the type fits the kind.
fn text_of(value: &DeValue<'_>, kind: Kind) -> RawText {
    let text = match (kind, value) {
        (Kind::Bool, DeValue::Boolean(_))
        | (Kind::Int | Kind::LateInt | Kind::Size | Kind::CompressionLevel, DeValue::Integer(_)) => {
            Some(shown(value))
        }
        (Kind::Bool | Kind::Int | Kind::LateInt, _) => None,
        (_, DeValue::String(text)) => Some(text.to_string()),
        (Kind::Set(_) | Kind::List, DeValue::Array(items)) => {
            let texts: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            texts.map(|texts| texts.join(","))
        }
        (Kind::TablespaceLimits, DeValue::Table(limits)) => {
            let rules = limits.iter().map(|(name, limit)| match limit.get_ref() {
                number @ DeValue::Integer(_) => Some(format!("{}:{}", name.get_ref(), shown(number))),
                _ => None,
            });
            rules.collect::<Option<Vec<_>>>().map(|rules| rules.join(" "))
        }
        _ => None,
    };
    match text {
        Some(text) => RawText::Literal(text),
        None => RawText::Mistyped { shown: shown(value), reason: expectation(kind) },
    }
}

fn expectation(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "expected true or false, without quotes",
        Kind::Int | Kind::LateInt => "expected a whole number, without quotes",
        Kind::Size => "expected a number of bytes, or a text such as \"30Gi\"",
        Kind::CompressionLevel => "expected \"low\", \"medium\", \"high\" or a whole number",
        Kind::Set(_) | Kind::List => "expected a list of texts",
        Kind::TablespaceLimits => "expected a table of whole numbers, or a text such as \"one:100 two:200\"",
        Kind::Interval
        | Kind::Text
        | Kind::Path
        | Kind::AbsolutePath
        | Kind::PathOrUrl
        | Kind::SlotName
        | Kind::Word(_)
        | Kind::Retention => "expected a text",
    }
}

/// A value for people: numbers in decimal digits, lists and tables only by what they are.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| number.to_string(), |number| number.to_string()),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(_) => "[...]".to_owned(),
        DeValue::Table(_) => "{...}".to_owned(),
    }
}

fn in_file_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t Spanned<::toml::de::DeString<'i>>, &'t Spanned<DeValue<'i>>)> {
    let mut items: Vec<_> = table.iter().collect();
    items.sort_by_key(|(name, _)| name.span().start);
    items
}

/// Turns positions in a file into lines.
struct Lines<'a> {
    file: Arc<Path>,
    bytes: &'a [u8],
}

impl Lines<'_> {
    fn place(&self, at: usize) -> Place {
        let before = &self.bytes[..at.min(self.bytes.len())];
        let breaks = before.iter().filter(|byte| **byte == b'\n').count();
        Place::new(&self.file, u32::try_from(breaks + 1).unwrap_or(u32::MAX))
    }

    fn fault(&self, at: usize, message: String) -> Error {
        Error::Toml { place: self.place(at), message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_text(text: &str) -> Result<Vec<RawSection>, Error> {
        read(Path::new("/etc/barman.toml"), text.as_bytes())
    }

    #[test]
    fn sections_and_options_come_in_their_order_with_their_lines() {
        let sections = read_text("[z]\nconninfo = 'host=a'\nactive = true\n\n[a]\n").unwrap();
        let names: Vec<_> = sections.iter().map(|s| (s.name.as_str(), s.place.line)).collect();
        assert_eq!(names, [("z", 1), ("a", 5)]);
        let options: Vec<_> = sections[0].entries.iter().map(|e| (e.name.as_str(), e.place.line)).collect();
        assert_eq!(options, [("conninfo", 2), ("active", 3)]);
    }

    #[test]
    fn each_kind_has_its_type() {
        let read_one = |line: &str| {
            let mut sections = read_text(&format!("[main]\n{line}\n")).unwrap();
            sections[0].entries.remove(0).text
        };
        for (line, text) in [
            ("active = false", "false"),
            ("parallel_jobs = 0x10", "16"),
            ("bandwidth_limit = 4_000", "4000"),
            ("last_backup_minimum_size = 10", "10"),
            ("last_backup_minimum_size = '10Ki'", "10Ki"),
            ("compression_level = -5", "-5"),
            ("compression_level = 'low'", "low"),
            (
                "backup_options = ['concurrent_backup', 'external_configuration']",
                "concurrent_backup,external_configuration",
            ),
            ("snapshot_disks = ['a', 'b']", "a,b"),
            ("tablespace_bandwidth_limit = { a = 1, b = 2 }", "a:1 b:2"),
            ("description = '100% %(name)s'", "100% %(name)s"),
            ("compression = ''", ""),
            ("unknown = 1.5", "1.5"),
        ] {
            assert_eq!(read_one(line), RawText::Literal(text.to_owned()), "{line}");
        }
        for line in [
            "active = 'on'",
            "parallel_jobs = '4'",
            "check_timeout = 1.5",
            "description = 3",
            "backup_options = [1]",
            "last_backup_maximum_age = 4",
            "aws_snapshot_lock_expiration_date = 2030-01-01",
            "conninfo = { host = 'a' }",
        ] {
            assert!(matches!(read_one(line), RawText::Mistyped { .. }), "{line}");
        }
    }

    #[test]
    fn errors_name_file_and_line() {
        let said = |text: &str| read_text(text).err().map(|error| error.to_string()).unwrap();
        assert_eq!(
            said("\nactive = true\n[main]\n"),
            "'/etc/barman.toml' line 2: 'active' stands before the first [section]"
        );
        assert!(said("[main]\nactive = \n").starts_with("'/etc/barman.toml' line 2: "));
        assert!(said("[main]\na = 1\na = 2\n").starts_with("'/etc/barman.toml' line 3: "));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_without_panic(bytes: Vec<u8>) {
            let _ = read(Path::new("x.toml"), &bytes);
        }

        #[test]
        fn text_that_looks_like_toml_never_panics(text in "(\\[a\\]\n|active = |1|true|'|\"|\\[|\\]|\\{|\\}|,|\n|é){0,30}") {
            let _ = read_text(&text);
        }
    }
}
