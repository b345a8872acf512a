//! All files together: the sections, and for each option the line that has the last word.

use std::collections::HashMap;

use super::error::Error;
use super::interpolation::{Found, Pass, expand};
use super::place::Place;
use super::raw::{Format, RawEntry, RawSection, RawText, is_known};
use super::schema::Key;

/// The name of the section about the installation.
pub(super) const GLOBAL: &str = "barman";

/// Which of the files a section comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The main file.
    Main,
    /// A file of the configuration directory.
    Included,
    /// The file that `config-update` writes.
    Automatic,
}

/// The sections of all files, in the order they first appear.
#[derive(Default)]
pub(super) struct Sections {
    list: Vec<Section>,
    by_name: HashMap<String, usize>,
}

/// A section, gathered from all files.
pub(super) struct Section {
    pub name: String,
    /// Its first header.
    pub place: Place,
    pub entries: Vec<Entry>,
    /// How it is written, but for what `config-update` adds.
    pub format: Format,
    /// Whether a TOML file has to do with it.
    pub is_toml: bool,
}

/// An option as it was set last.
pub(super) struct Entry {
    pub name: String,
    /// What it is, if it is an option at all.
    pub key: Option<Key>,
    pub place: Place,
    text: RawText,
}

/// A text as it will be read, or why it cannot be.
pub(super) enum Text {
    Plain(String),
    Mistyped { shown: String, reason: &'static str },
}

impl Sections {
    pub fn get(&self, name: &str) -> Option<&Section> {
        self.by_name.get(name).map(|index| &self.list[*index])
    }

    pub fn iter(&self) -> impl Iterator<Item = &Section> {
        self.list.iter()
    }

    /// Adds the sections of one more file, whose options hold over those before.
    ///
    /// # Errors
    /// When the file changes `[barman]`, which the program has already acted on, or when it has one half of a
    /// section in a format that the other half does not have. Of the automatic file that is to be expected:
    /// `config-update` writes INI.
    pub fn merge(&mut self, file: Vec<RawSection>, format: Format, origin: Origin) -> Result<(), Error> {
        for raw in file {
            match self.by_name.get(&raw.name) {
                Some(index) => self.list[*index].merge(raw, format, origin)?,
                None => self.add(raw, format),
            }
        }
        Ok(())
    }

    fn add(&mut self, raw: RawSection, format: Format) {
        self.by_name.insert(raw.name.clone(), self.list.len());
        self.list.push(Section {
            name: raw.name,
            place: raw.place,
            entries: raw.entries.into_iter().map(Entry::from).collect(),
            format,
            is_toml: format == Format::Toml,
        });
    }
}

impl Section {
    fn merge(&mut self, raw: RawSection, format: Format, origin: Origin) -> Result<(), Error> {
        if self.name == GLOBAL && origin != Origin::Main {
            return self.ensure_unchanged_by(raw);
        }
        if format != self.format && origin != Origin::Automatic {
            let [first, second] = [self.place.clone(), raw.place];
            return Err(Error::TwoFormats { section: raw.name, first, second });
        }
        self.is_toml |= format == Format::Toml;
        for entry in raw.entries.into_iter().map(Entry::from) {
            match self.entries.iter_mut().find(|known| known.name == entry.name) {
                Some(known) => *known = entry,
                None => self.entries.push(entry),
            }
        }
        Ok(())
    }

    /// A further file may say of the installation only what the main file says.
    fn ensure_unchanged_by(&self, raw: RawSection) -> Result<(), Error> {
        let differs =
            |entry: &RawEntry| self.entry(&entry.name).map(Entry::written) != Some(entry.text.content());
        match raw.entries.into_iter().find(differs) {
            Some(entry) => Err(Error::GlobalElsewhere { place: entry.place, option: entry.name }),
            None => Ok(()),
        }
    }

    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The text of one of the section's entries, as it is used: expanded, without its quotes, and empty for
    /// `None`. References that the section does not resolve are looked up with `find`.
    pub fn text(&self, entry: &Entry, find: &dyn Fn(&str) -> Option<String>) -> Result<Text, Error> {
        let raw = match &entry.text {
            RawText::Ini(raw) => raw,
            RawText::Literal(text) => return Ok(Text::Plain(text.clone())),
            RawText::Mistyped { shown, reason } => {
                return Ok(Text::Mistyped { shown: shown.clone(), reason });
            }
        };
        let expanded = match raw.contains('%') {
            true => Some(self.expand(entry, raw, find)?),
            false => None,
        };
        let text = unquoted(expanded.as_ref().unwrap_or(raw));
        Ok(Text::Plain(if text == "None" { String::new() } else { text.to_owned() }))
    }

    fn expand(
        &self,
        entry: &Entry,
        raw: &str,
        find: &dyn Fn(&str) -> Option<String>,
    ) -> Result<String, Error> {
        // The names in a log format are those of the log.
        let is_log_format = entry.name == "log_format";
        let lookup = |name: &str| match self.entry(name).map(|own| &own.text) {
            _ if is_log_format => Found::Kept,
            Some(RawText::Ini(raw)) => Found::Raw(raw),
            Some(RawText::Literal(text)) => Found::Final(text.clone()),
            Some(RawText::Mistyped { .. }) | None => match find(name) {
                Some(text) => Found::Final(text),
                None if is_known(name) => Found::Missing,
                None => Found::Kept,
            },
        };
        expand(raw, Pass::Use, &lookup).map_err(|fault| Error::Interpolation {
            place: entry.place.clone(),
            section: self.name.clone(),
            option: entry.name.clone(),
            fault,
        })
    }
}

impl Entry {
    /// Its text as it is written.
    pub fn written(&self) -> &str {
        self.text.content()
    }

    /// Whether its text means something else for every server.
    pub fn has_references(&self) -> bool {
        matches!(&self.text, RawText::Ini(raw) if raw.contains('%'))
    }
}

impl From<RawEntry> for Entry {
    fn from(raw: RawEntry) -> Self {
        let RawEntry { name, text, place } = raw;
        Self { key: Key::find(&name), name, text, place }
    }
}

/// Takes off one pair of quotes around a text of one line.
fn unquoted(text: &str) -> &str {
    let inside = ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    inside.filter(|inside| !inside.contains('\n')).unwrap_or(text)
}
