//! Values in Python's notation, which Barman uses for the fields of a backup.info that are more than a word.

use std::fmt::{self, Write};
use std::str::FromStr;

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::types::PythonFloat;

mod parser;
#[cfg(test)]
mod tests;

/// A Python literal, as `ast.literal_eval` reads it. Written by `Display` as Python's `repr` does.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `None`
    None,
    /// `True`, `False`
    Bool(bool),
    /// `16387`; larger ones than fit are refused.
    Int(i128),
    /// `1.5`; not a number has no literal and is written `None`.
    Float(f64),
    /// `'text'`
    Str(String),
    /// `('a', 1)`
    Tuple(Vec<Literal>),
    /// `['a', 1]`
    List(Vec<Literal>),
    /// `{'a': 1}`, in the order written; keys are not compared.
    Dict(Vec<(Literal, Literal)>),
}

/// Text that is no literal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a Python literal: {expected} expected at character {at}")]
pub struct LiteralError {
    expected: &'static str,
    at: usize,
}

/// What JSON can say, Python can.
impl From<&serde_json::Value> for Literal {
    fn from(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::None,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => {
                let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
                whole.map_or_else(|| Self::Float(number.as_f64().unwrap_or(f64::NAN)), Self::Int)
            }
            Value::String(text) => Self::Str(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(fields) => {
                let pair = |(name, value)| (Self::Str(String::clone(name)), Self::from(value));
                Self::Dict(fields.iter().map(pair).collect())
            }
        }
    }
}

impl Literal {
    /// The text, when it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The number, whole or not.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// The elements of a list or tuple.
    pub fn as_sequence(&self) -> Option<&[Literal]> {
        match self {
            Self::Tuple(items) | Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The pairs of a dictionary.
    pub fn as_dict(&self) -> Option<&[(Literal, Literal)]> {
        match self {
            Self::Dict(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// What a dictionary holds under `key`; the last of several counts, as in Python.
    pub fn get(&self, key: &str) -> Option<&Literal> {
        self.as_dict()?.iter().rev().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    }
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl FromStr for Literal {
    type Err = LiteralError;

    fn from_str(text: &str) -> Result<Self, LiteralError> {
        parser::parse(text)
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => PythonFloat(*number).fmt(f),
            Self::Str(text) => write_str(f, text),
            Self::List(items) => write_items(f, '[', items, "]"),
            // One element needs the comma: without it the brackets only group.
            Self::Tuple(items) => write_items(f, '(', items, if items.len() == 1 { ",)" } else { ")" }),
            Self::Dict(pairs) => {
                f.write_char('{')?;
                for (at, (key, value)) in pairs.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{key}: {value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

fn write_items(f: &mut fmt::Formatter<'_>, open: char, items: &[Literal], close: &str) -> fmt::Result {
    f.write_char(open)?;
    for (at, item) in items.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(f, "{comma}{item}")?;
    }
    f.write_str(close)
}

/// Single quotes, unless the text has one and no double quote; what cannot be printed is escaped.
fn write_str(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    f.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            _ if c == quote => write!(f, "\\{c}")?,
            _ if is_printable(c) => f.write_char(c)?,
            _ => match u32::from(c) {
                code @ ..0x100 => write!(f, "\\x{code:02x}")?,
                code @ ..0x1_0000 => write!(f, "\\u{code:04x}")?,
                code => write!(f, "\\U{code:08x}")?,
            },
        }
    }
    f.write_char(quote)
}

/// Whether Python prints `c` as it is: not a control, format, private or unassigned character, nor a separator
/// other than the blank. The library's own debugging output follows the same rule, except that it escapes
/// a combining mark at the beginning of a text, hence the letter before it.
fn is_printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        ..'\u{a1}' => false,
        _ => format!("a{c}").escape_debug().count() == 2,
    }
}

/// Tuples become arrays; keys that are not text are written as Python writes them.
impl Serialize for Literal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(number) => match i64::try_from(*number) {
                Ok(number) => serializer.serialize_i64(number),
                Err(_) => serializer.serialize_i128(*number),
            },
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Str(text) => serializer.serialize_str(text),
            Self::Tuple(items) | Self::List(items) => serializer.collect_seq(items),
            Self::Dict(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    match key {
                        Self::Str(name) => map.serialize_entry(name, value)?,
                        other => map.serialize_entry(&other.to_string(), value)?,
                    }
                }
                map.end()
            }
        }
    }
}
