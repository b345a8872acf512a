//! JSON as Python writes it: keys sorted where Barman sorts them, only ASCII, a blank after comma and colon, numbers in its notation.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use crate::catalog::py_literal::Literal;

/// A document on one line, with its line feed.
pub fn one_line(value: Value) -> String {
    write_sorted(value, OneLine)
}

/// A document with four blanks for each level, and a line feed at its end.
pub fn indented(value: Value) -> String {
    write_sorted(value, PrettyFormatter::with_indent(INDENT))
}

/// A value that stands `level` levels deep in such a document, its keys in the order that they have.
pub fn indented_at(level: usize, value: &impl Serialize) -> String {
    let indent = String::from_utf8_lossy(INDENT).repeat(level);
    // No text has a line feed in it: it would be `\n` there.
    write(value, PrettyFormatter::with_indent(INDENT)).replace('\n', &format!("\n{indent}"))
}

/// A text in its quotation marks.
pub fn quoted(text: &str) -> String {
    write(&text, OneLine)
}

const INDENT: &[u8] = b"    ";

fn write_sorted(mut value: Value, layout: impl Formatter) -> String {
    value.sort_all_objects();
    write(&value, layout) + "\n"
}

fn write(value: &impl Serialize, layout: impl Formatter) -> String {
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, Python(layout));
    value.serialize(&mut serializer).expect("a JSON value can be written into memory");
    String::from_utf8(text).expect("JSON is text")
}

/// What `json.dumps` puts between values by default.
struct OneLine;

impl Formatter for OneLine {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

/// Python's texts and numbers in the layout of another formatter.
struct Python<L>(L);

impl<L: Formatter> Formatter for Python<L> {
    fn write_f64<W: ?Sized + Write>(&mut self, out: &mut W, number: f64) -> io::Result<()> {
        write!(out, "{}", Literal::Float(number))
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        // Nearly always.
        if text.is_ascii() {
            return out.write_all(text.as_bytes());
        }
        let mut units = [0; 2];
        for c in text.chars() {
            match c {
                ' '..='\x7f' => write!(out, "{c}")?,
                _ => c.encode_utf16(&mut units).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))?,
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_written_as_python_does() {
        let value =
            serde_json::json!({"b": [1, 2.0, 1e-7, "é \u{1f418}\t\u{7f}\n"], "a": {"z": null, "y": {}}});
        let line = "{\"a\": {\"y\": {}, \"z\": null}, \"b\": [1, 2.0, 1e-07, \"\\u00e9 \\ud83d\\udc18\\t\u{7f}\\n\"]}\n";
        assert_eq!(one_line(value.clone()), line);
        let text = r#"{
    "a": {
        "y": {},
        "z": null
    },
    "b": [
        1,
        2.0,
        1e-07,
        "\u00e9 \ud83d\udc18\tX\n"
    ]
}
"#;
        assert_eq!(indented(value), text.replace('X', "\u{7f}"));
    }
}
