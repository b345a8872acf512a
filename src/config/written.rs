//! What the files say and where: how `config-update` finds what it changes.

use std::path::{Path, PathBuf};

use super::kind::{Asked, parse_bool};
use super::raw::Format;
use super::schema::{Key, Scope};
use super::sections::{Entry, GLOBAL, Sections};

/// All files as they are written.
pub struct Written {
    sections: Sections,
    automatic_file: PathBuf,
}

/// What a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionKind {
    /// A server, or the installation.
    Server,
    /// A model.
    Model,
}

impl Written {
    pub(super) fn new(sections: Sections, automatic_file: PathBuf) -> Self {
        Self { sections, automatic_file }
    }

    /// What the section is, if there is one of that name.
    pub fn kind_of(&self, section: &str) -> Option<SectionKind> {
        let is_model = |entry: &Entry| parse_bool(entry.written()) == Some(true);
        self.sections.get(section).map(|section| match section.entry("model").is_some_and(is_model) {
            true => SectionKind::Model,
            false => SectionKind::Server,
        })
    }

    /// The text of an option in its own section.
    pub fn text(&self, section: &str, option: &str) -> Option<&str> {
        Some(self.sections.get(section)?.entry(option)?.written())
    }

    /// The file to change an option in: the one whose value counts, or that of `[barman]` where the section inherits
    /// it, or the one that is read last and that `config-update` has for itself, which is also for all that is written
    /// in TOML. `None` for an option of a `[barman]` in TOML: no other file can set it.
    pub fn file_for(&self, section: &str, option: &str) -> Option<&Path> {
        let own = self.sections.get(section);
        let is_ini = |entry: &&Entry| Format::of(&entry.place.file) == Format::Ini;
        if section == GLOBAL {
            return own.map(|own| &*own.place.file).filter(|file| Format::of(file) == Format::Ini);
        }
        if let Some(entry) = own.and_then(|own| own.entry(option)) {
            return Some(if is_ini(&entry) { &entry.place.file } else { &self.automatic_file });
        }
        let is_inherited = Key::find(option).is_some_and(|key| key.def().scope.is_inherited());
        let can_be_in_main_file = is_inherited && own.is_none_or(|own| own.format == Format::Ini);
        let inherited = self.sections.get(GLOBAL).and_then(|global| global.entry(option));
        let file =
            inherited.filter(|entry| can_be_in_main_file && is_ini(entry)).map(|entry| &*entry.place.file);
        Some(file.unwrap_or(&self.automatic_file))
    }
}

/// Checks a value that an option is to be set to.
///
/// # Errors
/// Why it cannot be, in Barman's words.
pub fn validate(kind: SectionKind, section: &str, option: &str, value: &str) -> Result<(), String> {
    let scope = match kind {
        SectionKind::Server => "server",
        SectionKind::Model => "model",
    };
    let may_stand = |it: Scope| match kind {
        SectionKind::Server => it.is_of_servers() && it != Scope::Internal,
        SectionKind::Model => it.is_of_models() && it != Scope::Internal,
    };
    let key = Key::find(option).filter(|key| may_stand(key.def().scope));
    let key = key.ok_or_else(|| format!("Invalid option '{option}' for {scope} '{section}'"))?;
    let place = format!("[{section}] section");
    match key.def().kind.parse(value, Asked { option, place: &place }) {
        Ok(_) => Ok(()),
        Err(reason) => Err(format!("Validation failed for {scope} '{section}': key '{option}' -> {reason}")),
    }
}
