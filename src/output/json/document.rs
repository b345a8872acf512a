use std::borrow::Cow;
use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter};
use serde_json::{Map, Value, json};

use crate::catalog::py_literal::Literal;

/// The one JSON object that a command prints when it ends: its answers by key, and what it said, in lists.
#[derive(Debug, Default)]
pub struct Document(Map<String, Value>);

impl Document {
    /// Puts an answer under a key, most often the name of a server.
    pub fn insert(&mut self, key: &str, answer: Value) {
        self.0.insert(key.to_owned(), answer);
    }

    /// Adds to the messages of a kind: `_INFO`, `_WARNING`, `_ERROR`, `_DEBUG`.
    pub fn say(&mut self, kind: &str, text: &str) {
        let messages = self.0.entry(kind).or_insert_with(|| json!([]));
        if let Some(messages) = messages.as_array_mut() {
            messages.push(text.into());
        }
    }

    /// Writes the document on one line as Python does: keys sorted, a blank after comma and colon, only ASCII.
    /// Every text goes through `redact`, which removes passwords.
    pub fn write(self, redact: fn(&str) -> Cow<'_, str>) -> String {
        let mut document = Value::Object(self.0);
        document.sort_all_objects();
        redact_all(&mut document, redact);
        let mut bytes = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Python);
        // A value of strings and numbers always has a form, and memory takes every byte.
        let _ = document.serialize(&mut serializer);
        bytes.push(b'\n');
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn redact_all(value: &mut Value, redact: fn(&str) -> Cow<'_, str>) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(redacted) = redact(text) {
                *text = redacted;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact_all(item, redact)),
        Value::Object(entries) => entries.values_mut().for_each(|entry| redact_all(entry, redact)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The form of Python's `json.dumps`.
struct Python;

impl Formatter for Python {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        write!(writer, "{}", Literal::Float(value))
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        for c in text.chars() {
            if c.is_ascii() && c != '\x7f' {
                writer.write_all(&[c as u8])?;
            } else if c == '\x7f' {
                writer.write_all(b"\x7f")?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::AsciiControl(byte) => write!(writer, "\\u{byte:04x}"),
            CharEscape::Quote => writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => writer.write_all(b"\\\\"),
            CharEscape::Solidus => writer.write_all(b"\\/"),
            CharEscape::Backspace => writer.write_all(b"\\b"),
            CharEscape::FormFeed => writer.write_all(b"\\f"),
            CharEscape::LineFeed => writer.write_all(b"\\n"),
            CharEscape::CarriageReturn => writer.write_all(b"\\r"),
            CharEscape::Tab => writer.write_all(b"\\t"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(text: &str) -> Cow<'_, str> {
        if text.contains("secret") { Cow::Owned(text.replace("secret", "*")) } else { Cow::Borrowed(text) }
    }

    #[test]
    fn the_document_is_written_as_python_writes_it() {
        let mut document = Document::default();
        document.insert("main", json!({"b": 1.0, "a": [1, null, true], "c": 1e-7}));
        document.say("_INFO", "caf\u{e9} \u{1f600}\t\"x\"\n");
        document.say("_INFO", "second");
        assert_eq!(
            document.write(hide),
            "{\"_INFO\": [\"caf\\u00e9 \\ud83d\\ude00\\t\\\"x\\\"\\n\", \"second\"], \
             \"main\": {\"a\": [1, null, true], \"b\": 1.0, \"c\": 1e-07}}\n"
        );
    }

    #[test]
    fn a_command_that_says_nothing_gives_an_empty_object() {
        assert_eq!(Document::default().write(hide), "{}\n");
    }

    #[test]
    fn passwords_are_removed_wherever_they_stand() {
        let mut document = Document::default();
        document.insert("main", json!({"conninfo": ["secret"]}));
        document.say("_ERROR", "a secret");
        assert_eq!(document.write(hide), "{\"_ERROR\": [\"a *\"], \"main\": {\"conninfo\": [\"*\"]}}\n");
    }
}
