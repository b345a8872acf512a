//! The INI dialect of `barman.conf`: Python's `configparser`, not strict, line by line.
//!
//! A *logical line* is an option with the indented lines that continue it. The scanner keeps the number of each
//! option's first line, which neither Python's parser nor the usual crates do. Values come out as they are
//! written: `%` references are [`super::interpolation`]'s subject, quotes and `None` that of [`super::sources`].
//!
//! The judge is Python itself: `tests/config_golden/ini.json` holds what its parser made of some hundred texts.

use std::collections::HashMap;

/// The sections of one file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The options of `[DEFAULT]`, which every section of the file has too.
    pub defaults: Vec<Entry>,
    /// The other sections, in the order of their first headers.
    pub sections: Vec<Section>,
}

/// A section with all its options, however often its header stands in the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Section {
    /// What stands between the brackets, blanks included.
    pub name: String,
    /// The line of its first header, from 1.
    pub line: u32,
    /// Its options, in the order they first appear.
    pub entries: Vec<Entry>,
}

/// An option with its value.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in lower case.
    pub name: String,
    /// Its value; lines are joined with line feeds.
    pub text: String,
    /// The line its name stands on, from 1; of several the last, whose value holds.
    pub line: u32,
    /// The last line of its value.
    pub last_line: u32,
}

/// A text that is not of this dialect.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct SyntaxError {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What may be wrong with a line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Bytes that are no text.
    #[error("not UTF-8 text")]
    NotText,
    /// An option that belongs to no section: its name, since its value may be a secret.
    #[error("'{0}' stands before the first [section]")]
    OutsideSection(String),
    /// Neither a header nor an option.
    #[error("'{0}' is neither '[section]' nor 'option = value'")]
    NoDelimiter(String),
    /// A delimiter without a name before it.
    #[error("no option name before the delimiter")]
    NoName,
}

/// Reads a file; a byte order mark is passed over.
pub fn parse(bytes: &[u8]) -> Result<Document, SyntaxError> {
    let text = str::from_utf8(bytes).map_err(|error| SyntaxError {
        line: number(lines_of(&String::from_utf8_lossy(&bytes[..error.valid_up_to()])).count().max(1)),
        fault: Fault::NotText,
    })?;
    let mut scanner = Scanner::default();
    for (index, line) in lines_of(text.strip_prefix('\u{feff}').unwrap_or(text)).enumerate() {
        let line_number = number(index + 1);
        scanner.take(line, line_number).map_err(|fault| SyntaxError { line: line_number, fault })?;
    }
    Ok(scanner.finish())
}

/// Blank as Python means it: Unicode's white space and the four separators of ASCII.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// The lines with their ends, which are `\n`, `\r\n` or `\r`.
pub(super) fn lines_of(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let ending = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&text[end + ending..]);
        Some(&text[..end + ending])
    })
}

fn number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

/// Where the option that a continuation belongs to stands.
#[derive(Clone, Copy)]
enum Place {
    Defaults,
    Section(usize),
}

#[derive(Default)]
struct Scanner {
    document: Document,
    /// Where the sections are, by their names.
    known: HashMap<String, usize>,
    section: Option<Place>,
    /// The option of the current section that an indented line continues.
    option: Option<usize>,
    /// How far the last line that was no continuation is indented, in characters.
    indent: usize,
}

impl Scanner {
    fn take(&mut self, line: &str, line_number: u32) -> Result<(), Fault> {
        let content = line.trim_matches(is_blank);
        if content.starts_with(['#', ';']) {
            return Ok(());
        }
        if content.is_empty() {
            self.continue_with("", None);
            return Ok(());
        }
        let indent = line.chars().take_while(|c| is_blank(*c)).count();
        if indent > self.indent && self.option.is_some() {
            self.continue_with(content, Some(line_number));
            return Ok(());
        }
        self.indent = indent;
        match header(content) {
            Some(name) => self.enter(name, line_number),
            None => self.set(content, line_number)?,
        }
        Ok(())
    }

    /// Adds a line to the current value, if there is one. What trails is cut in the end.
    fn continue_with(&mut self, line: &str, number: Option<u32>) {
        let Some(option) = self.option else { return };
        let entry = &mut self.entries()[option];
        entry.text.push('\n');
        entry.text.push_str(line);
        entry.last_line = number.unwrap_or(entry.last_line);
    }

    fn enter(&mut self, name: &str, line: u32) {
        self.option = None;
        if name == "DEFAULT" {
            self.section = Some(Place::Defaults);
            return;
        }
        let sections = &mut self.document.sections;
        let index = *self.known.entry(name.to_owned()).or_insert(sections.len());
        if index == sections.len() {
            sections.push(Section { name: name.to_owned(), line, entries: Vec::new() });
        }
        self.section = Some(Place::Section(index));
    }

    fn set(&mut self, content: &str, line: u32) -> Result<(), Fault> {
        let option = content.split_once(['=', ':']);
        if self.section.is_none() {
            let name = option.map_or(content, |(name, _)| name.trim_end_matches(is_blank));
            return Err(Fault::OutsideSection(name.to_owned()));
        }
        let Some((name, value)) = option else {
            return Err(Fault::NoDelimiter(content.to_owned()));
        };
        let name = name.trim_end_matches(is_blank).to_lowercase();
        if name.is_empty() {
            return Err(Fault::NoName);
        }
        let text = value.trim_start_matches(is_blank).to_owned();
        let entry = Entry { name, text, line, last_line: line };
        let entries = self.entries();
        let known = entries.iter().position(|known| known.name == entry.name);
        let index = known.unwrap_or(entries.len());
        match entries.get_mut(index) {
            Some(previous) => *previous = entry,
            None => entries.push(entry),
        }
        self.option = Some(index);
        Ok(())
    }

    fn entries(&mut self) -> &mut Vec<Entry> {
        match self.section {
            Some(Place::Section(index)) => &mut self.document.sections[index].entries,
            Some(Place::Defaults) | None => &mut self.document.defaults,
        }
    }

    fn finish(mut self) -> Document {
        let sections = self.document.sections.iter_mut().flat_map(|section| &mut section.entries);
        for entry in self.document.defaults.iter_mut().chain(sections) {
            entry.text.truncate(entry.text.trim_end_matches(is_blank).len());
        }
        self.document
    }
}

/// The name in `[name]`; what follows the last bracket does not count.
fn header(content: &str) -> Option<&str> {
    let inside = content.strip_prefix('[')?;
    let end = inside.rfind(']').filter(|end| *end > 0)?;
    Some(&inside[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn options_know_their_lines() {
        let document = parse(b"# head\n[a]\nx = 1\n  2\n\n[b]\ny = 3\n[a]\nX: 4\n").unwrap();
        let [a, b] = &document.sections[..] else { panic!("{document:?}") };
        assert_eq!((a.line, a.entries[0].line, a.entries[0].text.as_str()), (2, 9, "4"));
        assert_eq!((b.line, b.entries[0].line), (6, 7));
    }

    #[test]
    fn errors_name_the_line_and_its_text() {
        let said = |bytes: &[u8]| parse(bytes).unwrap_err().to_string();
        assert_eq!(said(b"\nx = 1\n"), "line 2: 'x' stands before the first [section]");
        assert_eq!(said(b"[a]\n  word\n"), "line 2: 'word' is neither '[section]' nor 'option = value'");
        assert_eq!(said(b"[a]\n= 1"), "line 2: no option name before the delimiter");
        assert_eq!(said(b"[a]\nx = \xff\n"), "line 2: not UTF-8 text");
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(parse("\u{feff}[a]\n".as_bytes()).unwrap().sections[0].name, "a");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_without_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn text_that_looks_like_ini_never_panics(text in "([\\[\\]=:;#a-c%  \t\r\n\u{a0}é]|\\[a\\]\n){0,60}") {
            let _ = parse(text.as_bytes());
        }
    }
}
