//! Models: settings that are laid over those of a server, one model at a time.

use std::fmt;

use super::error::Error;
use super::place::{Place, Source};
use super::schema::{Key, key};
use super::sections::Section;
use super::server::Setting;
use super::value::Value;

/// A section with `model = true`.
#[derive(Clone)]
pub struct Model {
    name: String,
    place: Place,
    is_toml: bool,
    /// What it sets, in the order of the table.
    set: Vec<(Key, Setting)>,
}

/// The name only: connection strings hold passwords.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Model {
    /// A model that sets `set`, which must have a cluster in it.
    pub(super) fn new(section: &Section, set: Vec<(Key, Setting)>) -> Result<Self, Error> {
        let (name, place) = (section.name.clone(), section.place.clone());
        if set.iter().all(|(key, _)| *key != key!("cluster")) {
            return Err(Error::Required { place, section: name, option: "cluster" });
        }
        Ok(Self { name, place, is_toml: section.is_toml, set })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its section begins.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The cluster whose servers it can be laid over.
    pub fn cluster(&self) -> &str {
        self.setting(key!("cluster")).and_then(|setting| setting.value.as_text()).unwrap_or_default()
    }

    /// Whether Python's Barman does not see it.
    pub fn is_toml(&self) -> bool {
        self.is_toml
    }

    /// The options it changes.
    pub fn overrides(&self) -> impl Iterator<Item = (Key, &Setting)> {
        let about_itself = [key!("cluster"), key!("model")];
        self.set
            .iter()
            .filter(move |(key, _)| !about_itself.contains(key))
            .map(|(key, setting)| (*key, setting))
    }

    /// All options a model can set, with what it sets them to, sorted.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, Value, Source)> {
        let options = Key::all().filter(|key| key.def().scope.is_of_models());
        options.map(|key| {
            let Setting { value, source } = self.setting(key).cloned().unwrap_or_default();
            (key.name(), value, source)
        })
    }

    fn setting(&self, key: Key) -> Option<&Setting> {
        self.set.iter().find(|(known, _)| *known == key).map(|(_, setting)| setting)
    }
}
