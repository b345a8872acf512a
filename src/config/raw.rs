//! What one file says, in either format, before anything is made of it.

use std::path::Path;
use std::sync::Arc;

use super::error::Error;
use super::interpolation::{Found, Pass, expand};
use super::place::Place;
use super::schema::Key;
use super::{ini, toml};

/// A section of a file.
pub(super) struct RawSection {
    pub name: String,
    pub place: Place,
    pub entries: Vec<RawEntry>,
}

/// An option of a file.
pub(super) struct RawEntry {
    pub name: String,
    pub text: RawText,
    pub place: Place,
}

/// What an option is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RawText {
    /// Text of an INI file after the first expansion of its percent signs.
    Ini(String),
    /// Text as it is meant.
    Literal(String),
    /// A TOML value of a type that the option does not have.
    Mistyped { shown: String, reason: &'static str },
}

impl RawText {
    /// What stands in the file, more or less: enough to tell whether two say the same.
    pub fn content(&self) -> &str {
        match self {
            Self::Ini(text) | Self::Literal(text) | Self::Mistyped { shown: text, .. } => text,
        }
    }
}

/// How a file is written; its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Ini,
    Toml,
}

impl Format {
    pub fn of(path: &Path) -> Self {
        match path.extension() {
            Some(extension) if extension == "toml" => Self::Toml,
            _ => Self::Ini,
        }
    }

    /// Reads the sections of a file, in their order.
    pub fn read(self, path: &Path, bytes: &[u8]) -> Result<Vec<RawSection>, Error> {
        match self {
            Self::Ini => read_ini(path, bytes),
            Self::Toml => toml::read(path, bytes),
        }
    }
}

fn read_ini(path: &Path, bytes: &[u8]) -> Result<Vec<RawSection>, Error> {
    let document = ini::parse(bytes).map_err(|error| Error::Ini { path: path.to_owned(), error })?;
    let file: Arc<Path> = path.into();
    let sections = document.sections.iter();
    sections.map(|section| first_pass(section, &document.defaults, &file)).collect()
}

/// The section with the options of `[DEFAULT]`, all expanded with the section's own.
fn first_pass(
    section: &ini::Section,
    defaults: &[ini::Entry],
    file: &Arc<Path>,
) -> Result<RawSection, Error> {
    let own = |name: &str| section.entries.iter().find(|entry| entry.name == name);
    let inherited = defaults.iter().filter(|entry| own(&entry.name).is_none());
    let find = |name: &str| own(name).or_else(|| defaults.iter().find(|entry| entry.name == name));

    let read = |entry: &ini::Entry| {
        let place = Place::new(file, entry.line);
        let text = expand_in_file(entry, &find).map_err(|fault| Error::Interpolation {
            place: place.clone(),
            section: section.name.clone(),
            option: entry.name.clone(),
            fault,
        })?;
        Ok(RawEntry { name: entry.name.clone(), text: RawText::Ini(text), place })
    };
    let entries = inherited.chain(&section.entries).map(read).collect::<Result<_, Error>>()?;
    Ok(RawSection { name: section.name.clone(), place: Place::new(file, section.line), entries })
}

/// References to what another file or the program may set are left for later.
fn expand_in_file<'a>(
    entry: &ini::Entry,
    find: &dyn Fn(&str) -> Option<&'a ini::Entry>,
) -> Result<String, super::interpolation::Fault> {
    if !entry.text.contains('%') {
        return Ok(entry.text.clone());
    }
    expand(&entry.text, Pass::File, &|name| match find(name) {
        Some(other) => Found::Raw(&other.text),
        None if entry.name == "log_format" || is_known(name) => Found::Kept,
        None => Found::Missing,
    })
}

/// Whether a server has something under that name.
pub(super) fn is_known(name: &str) -> bool {
    name == "name" || Key::find(name).is_some()
}
