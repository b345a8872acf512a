//! The settings of a server, complete and checked.

pub(super) mod build;
mod choices;
mod finish;
mod rules;
mod settings;
mod staging;
mod support;
mod values;

use std::fmt;
use std::path::PathBuf;

use super::model::Model;
use super::place::{Place, Source};
use super::schema::{Key, key};
use super::value::Value;
pub use choices::{
    BackupMethod, Compression, CompressionLevel, HookEvent, HookPhase, ReuseBackup, StagingLocation,
};
pub(super) use finish::finish;
pub(super) use rules::check;
pub use settings::Setting;
use settings::Settings;
pub use staging::{Staging, StagingOptions};
pub use values::{BackupOptions, Encryption, Hooks, RecoveryOptions, Retry};

/// What a model changes of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The option.
    pub option: &'static str,
    /// Its value without the model.
    pub old: Value,
    /// Its value with the model.
    pub new: Value,
}

/// A server: every option has a value, and what cannot work is known.
///
/// The methods of this type that are named after an option give its value as the use cases need it; a value that
/// makes no sense there (a negative number of jobs) is the nearest one that does.
#[derive(Clone)]
pub struct ServerConfig {
    name: String,
    place: Place,
    settings: Settings,
    active_model: Option<String>,
    problems: Vec<String>,
    retention_fault: Option<String>,
    is_toml: bool,
}

/// The name only: connection strings hold passwords.
impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ServerConfig {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its section begins.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The name of the model that is laid over it.
    pub fn active_model(&self) -> Option<&str> {
        self.active_model.as_deref()
    }

    /// The file that names the active model.
    pub fn active_model_file(&self) -> PathBuf {
        self.backup_directory().join(".active-model.auto")
    }

    /// Whether some of its settings are in TOML, so that Python's Barman does not see the server as it is.
    pub fn is_toml(&self) -> bool {
        self.is_toml
    }

    /// Whether it is looked after at all.
    pub fn is_active(&self) -> bool {
        self.flag(key!("active"))
    }

    /// Whether it copies the backups of another node instead of taking its own.
    pub fn is_passive(&self) -> bool {
        self.value(key!("primary_ssh_command")) != &Value::Null
    }

    /// Whether its settings cannot work.
    pub fn is_disabled(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Why its settings cannot work, in Barman's words; commands that refuse say the first.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The value of an option.
    pub fn value(&self, key: Key) -> &Value {
        &self.settings.get(key).value
    }

    /// Who set an option.
    pub fn source(&self, key: Key) -> &Source {
        &self.settings.get(key).source
    }

    /// All options with their values, and the name, sorted: what `show-servers` lists.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, Value, Source)> {
        let options = Key::all().filter(|key| key.def().scope.is_of_servers());
        let listed = options.map(|key| {
            let Setting { value, source } = self.settings.get(key).clone();
            (key.name(), value, source)
        });
        let name = ("name", Value::Text(self.name.clone()), Source::Default);
        let mut listed: Vec<_> = listed.chain([name]).collect();
        listed.sort_by_key(|(name, ..)| *name);
        listed.into_iter()
    }

    /// What `model` would change.
    pub fn changes_by(&self, model: &Model) -> Vec<Change> {
        let set = model.overrides();
        let changed = set.filter(|(key, setting)| *self.value(*key) != setting.value);
        changed
            .map(|(key, setting)| {
                let (old, new) = (self.value(key).clone(), setting.value.clone());
                Change { option: key.name(), old, new }
            })
            .collect()
    }

    /// Lays `model` over the settings.
    pub(super) fn adopt(&mut self, model: &Model) {
        for (key, setting) in model.overrides() {
            self.settings.set(key, setting.clone());
        }
        self.active_model = Some(model.name().to_owned());
        self.is_toml |= model.is_toml();
    }

    /// Notes why the settings cannot work.
    pub(super) fn disable(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
        self.settings.replace(key!("disabled"), Value::Bool(true));
    }

    fn flag(&self, key: Key) -> bool {
        self.value(key) == &Value::Bool(true)
    }

    fn text(&self, key: Key) -> Option<&str> {
        self.value(key).as_text()
    }

    fn path(&self, key: Key) -> PathBuf {
        PathBuf::from(self.text(key).unwrap_or_default())
    }

    /// A number that is not negative.
    fn count(&self, key: Key) -> Option<u64> {
        match self.value(key) {
            Value::Int(number) => Some(u64::try_from(*number).unwrap_or(0)),
            Value::Size(bytes) => Some(*bytes),
            _ => None,
        }
    }
}
