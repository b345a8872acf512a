//! From the sections of the files to servers and models: who sets an option, and what it is then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::settings::Settings;
use super::{ServerConfig, Setting};
use crate::config::error::Error;
use crate::config::kind::{Asked, INVALID_BOOL, Kind, parse_bool};
use crate::config::model::Model;
use crate::config::notice::Notice;
use crate::config::place::Source;
use crate::config::schema::{Key, Scope};
use crate::config::sections::{Entry, GLOBAL, Section, Sections, Text};
use crate::config::value::Value;

/// What the sections turn into.
#[derive(Default)]
pub(in crate::config) struct Built {
    pub servers: BTreeMap<String, ServerConfig>,
    pub models: BTreeMap<String, Model>,
    pub notices: Vec<Notice>,
}

/// Makes servers and models of all sections but the one of the installation, `global`.
pub(in crate::config) fn build(
    sections: &Sections,
    global: &Section,
    barman_home: &str,
) -> Result<Built, Error> {
    let mut built = Built { notices: global_notices(global), ..Built::default() };
    let mut inheritance = Inheritance::new(global, barman_home)?;
    for section in sections.iter().filter(|section| section.name != GLOBAL) {
        let name = section.name.clone();
        if name == "all" {
            return Err(Error::Reserved { place: section.place.clone(), name });
        }
        if is_model(section)? {
            let model = build_model(section, &mut built.notices)?;
            built.models.insert(name, model);
        } else {
            let server = inheritance.build_server(section, &mut built.notices)?;
            built.servers.insert(name, server);
        }
    }
    Ok(built)
}

/// Complains of what servers do not inherit.
fn global_notices(global: &Section) -> Vec<Notice> {
    let notice = |entry: &Entry| {
        let notice = match entry.key.map(|key| key.def().scope) {
            Some(Scope::Global | Scope::Inherited | Scope::InheritedModel) => return None,
            Some(Scope::Server | Scope::ServerModel | Scope::Internal) => Notice::log_warning(format!(
                "option '{}' has no effect in [barman]: only a server's own section can set it",
                entry.name
            )),
            Some(Scope::Model) | None => invalid_option(entry, GLOBAL),
        };
        Some(notice.at(&entry.place))
    };
    global.entries.iter().filter_map(notice).collect()
}

fn invalid_options(section: &Section, is_allowed: fn(Scope) -> bool, notices: &mut Vec<Notice>) {
    let is_known = |entry: &&Entry| entry.key.is_some_and(|key| is_allowed(key.def().scope));
    let unknown = section.entries.iter().filter(|entry| !is_known(entry));
    notices.extend(unknown.map(|entry| invalid_option(entry, &section.name).at(&entry.place)));
}

fn invalid_option(entry: &Entry, section: &str) -> Notice {
    Notice::warning(format!("Invalid configuration option \"{}\" in [{section}] section.", entry.name))
}

/// Whether `model = true` makes the section a model.
fn is_model(section: &Section) -> Result<bool, Error> {
    let Some(entry) = section.entry("model") else { return Ok(false) };
    let (value, reason) = match section.text(entry, &|_| None)? {
        Text::Plain(text) => match parse_bool(&text) {
            Some(flag) => return Ok(flag),
            None => (text, INVALID_BOOL),
        },
        Text::Mistyped { shown, reason } => (shown, reason),
    };
    Err(Error::Value {
        place: entry.place.clone(),
        section: section.name.clone(),
        option: entry.name.clone(),
        value,
        reason: reason.to_owned(),
    })
}

/// A model has what its section sets, and nothing else.
fn build_model(section: &Section, notices: &mut Vec<Notice>) -> Result<Model, Error> {
    invalid_options(section, Scope::is_of_models, notices);
    let settable = |scope: Scope| scope.is_of_models() && scope != Scope::Internal;
    let mut set = Vec::new();
    for (key, entry) in options_of(section, settable) {
        let setting = read(section, key, entry, &|_| None)?.or_complain(notices);
        set.extend(setting.filter(|setting| setting.value != Value::Null).map(|setting| (key, setting)));
    }
    Model::new(section, set)
}

/// The options of a section, in the order of the table.
fn options_of(section: &Section, is_wanted: impl Fn(Scope) -> bool) -> BTreeMap<Key, &Entry> {
    let known = section.entries.iter().filter_map(|entry| Some((entry.key?, entry)));
    known.filter(|(key, _)| is_wanted(key.def().scope)).collect()
}

/// What servers have that their own sections do not set.
struct Inheritance<'a> {
    barman_home: &'a str,
    global: &'a Section,
    /// The options of `[barman]` that servers inherit.
    inherited: BTreeMap<Key, &'a Entry>,
    /// The values that are the same for all who inherit them.
    shared: Arc<[Setting]>,
    /// The options whose value has to be made for each server.
    individual: Vec<Key>,
    /// What is to be said when a server inherits a value of `[barman]` that makes no sense.
    faults: BTreeMap<Key, Notice>,
}

impl<'a> Inheritance<'a> {
    fn new(global: &'a Section, barman_home: &'a str) -> Result<Self, Error> {
        let inherited = options_of(global, Scope::is_inherited);
        let mut shared = vec![Setting::default(); Key::COUNT];
        let (mut individual, mut faults) = (Vec::new(), BTreeMap::new());
        for key in Key::all().filter(|key| key.def().scope.is_of_servers()) {
            let entry = inherited.get(&key);
            if entry.is_some_and(|entry| entry.has_references()) {
                individual.push(key);
                continue;
            }
            let reading = match entry {
                Some(entry) => read(global, key, entry, &|_| None)?,
                None => Reading::Unset,
            };
            match reading {
                Reading::Set(setting) => {
                    shared[key.index()] = setting;
                    continue;
                }
                Reading::Refused(notice) => drop(faults.insert(key, notice)),
                Reading::Unset => {}
            }
            match is_template(key) {
                true => individual.push(key),
                false => shared[key.index()].value = default(key, &|_| None),
            }
        }
        Ok(Self { barman_home, global, inherited, shared: shared.into(), individual, faults })
    }

    fn build_server(&mut self, section: &Section, notices: &mut Vec<Notice>) -> Result<ServerConfig, Error> {
        invalid_options(section, Scope::is_of_servers, notices);
        let own = options_of(section, |scope| scope.is_of_servers() && scope != Scope::Internal);
        let mut settings = Settings::new(Arc::clone(&self.shared));
        let keys: BTreeSet<Key> = own.keys().chain(&self.individual).copied().collect();
        for key in keys {
            let find = |name: &str| self.find(name, section, &settings);
            let mut setting = match own.get(&key) {
                Some(entry) => read(section, key, entry, &find)?.or_complain(notices),
                None => None,
            };
            if setting.is_none() && self.individual.contains(&key) {
                setting = Some(self.make(key, &find, notices)?);
            }
            if let Some(setting) = setting {
                settings.set(key, setting);
            }
        }
        let inherited_faults = self.faults.extract_if(.., |key, _| !settings.is_own(*key));
        notices.extend(inherited_faults.map(|(_, notice)| notice));
        Ok(ServerConfig {
            name: section.name.clone(),
            place: section.place.clone(),
            settings,
            active_model: None,
            problems: Vec::new(),
            retention_fault: None,
            is_toml: section.is_toml || self.global.is_toml,
        })
    }

    /// A value that refers to others of the same server.
    fn make(
        &self,
        key: Key,
        find: &dyn Fn(&str) -> Option<String>,
        notices: &mut Vec<Notice>,
    ) -> Result<Setting, Error> {
        let inherited = match self.inherited.get(&key) {
            Some(entry) => read(self.global, key, entry, find)?.or_complain(notices),
            None => None,
        };
        Ok(inherited.unwrap_or_else(|| Setting { value: default(key, find), source: Source::Default }))
    }

    /// What `%(name)s` may refer to besides the section's own options.
    fn find(&self, name: &str, section: &Section, settings: &Settings) -> Option<String> {
        match name {
            "name" => Some(section.name.clone()),
            "barman_home" => Some(self.barman_home.to_owned()),
            _ => match &settings.get(Key::find(name)?).value {
                Value::Null => None,
                value => Some(value.to_string()),
            },
        }
    }
}

/// What becomes of an entry.
enum Reading {
    /// It sets the option, maybe to nothing.
    Set(Setting),
    /// The next level decides.
    Unset,
    /// The next level decides, because the text makes no sense.
    Refused(Notice),
}

impl Reading {
    fn or_complain(self, notices: &mut Vec<Notice>) -> Option<Setting> {
        match self {
            Self::Set(setting) => Some(setting),
            Self::Unset => None,
            Self::Refused(notice) => {
                notices.push(notice);
                None
            }
        }
    }
}

fn read(
    section: &Section,
    key: Key,
    entry: &Entry,
    find: &dyn Fn(&str) -> Option<String>,
) -> Result<Reading, Error> {
    let (option, place) = (key.name(), format!("[{}] section", section.name));
    let (shown, reason) = match section.text(entry, find)? {
        Text::Plain(text) => match key.def().kind.parse(&text, Asked { option, place: &place }) {
            Ok(Some(value)) => {
                let source = Source::File(entry.place.clone());
                return Ok(Reading::Set(Setting { value: or_null(value), source }));
            }
            Ok(None) => return Ok(Reading::Unset),
            Err(reason) => (text, reason),
        },
        Text::Mistyped { shown, reason } => (shown, reason.to_owned()),
    };
    let warning =
        format!("Ignoring invalid configuration value '{shown}' for key {option} in {place}: {reason}");
    Ok(Reading::Refused(Notice::warning(warning).at(&entry.place)))
}

/// Whether the default refers to other options.
fn is_template(key: Key) -> bool {
    key.def().default.is_some_and(|default| default.contains('%'))
}

/// The default, with its references filled in; nothing when one of them is nothing.
fn default(key: Key, find: &dyn Fn(&str) -> Option<String>) -> Value {
    let kind = key.def().kind;
    let template = match (key.def().default, kind) {
        (Some(template), _) => template,
        (None, Kind::Set(_)) => "",
        (None, _) => return Value::Null,
    };
    let Some(text) = filled(template, find) else { return Value::Null };
    let asked = Asked { option: key.name(), place: "DEFAULTS" };
    kind.parse(&text, asked).ok().flatten().map_or(Value::Null, or_null)
}

/// An option that is set to nothing is not set.
fn or_null(value: Value) -> Value {
    match value.as_text() {
        Some("" | "None") => Value::Null,
        _ => value,
    }
}

/// Fills in the references of a default, whose only percent signs they are.
fn filled(template: &str, find: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("%(") {
        let (name, after) = after.split_once(")s")?;
        text.push_str(before);
        text.push_str(&find(name)?);
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::OPTIONS;

    #[test]
    fn every_default_is_a_value_of_its_kind() {
        for option in OPTIONS {
            let Some(text) = option.default.and_then(|text| filled(text, &|_| Some("/x".to_owned()))) else {
                continue;
            };
            let parsed = option.kind.parse(&text, Asked { option: option.name, place: "DEFAULTS" });
            assert!(matches!(parsed, Ok(Some(_))), "{}: {parsed:?}", option.name);
        }
    }

    #[test]
    fn defaults_refer_to_options_before_them() {
        for option in OPTIONS.iter().filter(|option| option.scope.is_of_servers()) {
            let names = option.default.unwrap_or_default().split("%(").skip(1);
            for name in names.map(|rest| rest.split(')').next().unwrap()) {
                assert!(matches!(name, "name" | "barman_home") || name < option.name, "{}", option.name);
            }
        }
    }
}
