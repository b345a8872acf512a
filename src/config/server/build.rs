//! From the sections of the files to servers and models: who sets an option, and what it is then.

use std::collections::BTreeMap;

use super::super::error::Error;
use super::super::kind::{Asked, INVALID_BOOL, Kind, parse_bool};
use super::super::model::Model;
use super::super::notice::Notice;
use super::super::place::Source;
use super::super::schema::{Key, Scope};
use super::super::sections::{Entry, GLOBAL, Section, Sections, Text};
use super::super::value::Value;
use super::{ServerConfig, Setting};

/// What the sections turn into.
#[derive(Default)]
pub(in crate::config) struct Built {
    pub servers: BTreeMap<String, ServerConfig>,
    pub models: BTreeMap<String, Model>,
    pub notices: Vec<Notice>,
}

/// Makes servers and models of all sections but the one of the installation.
pub(in crate::config) fn build(sections: &Sections, barman_home: &str) -> Result<Built, Error> {
    let global = sections.get(GLOBAL);
    let mut builder = Builder {
        barman_home,
        global,
        inherited: global.map(options_of).unwrap_or_default(),
        common: vec![None; Key::COUNT],
        built: Built::default(),
    };
    builder.warn_about_global_options();
    for section in sections.iter().filter(|section| section.name != GLOBAL) {
        if section.name == "all" {
            let (place, name) = (section.place.clone(), section.name.clone());
            return Err(Error::Reserved { place, name });
        }
        if is_model(section)? {
            builder.add_model(section)?;
        } else {
            builder.add_server(section)?;
        }
    }
    Ok(builder.built)
}

/// The entry of each option.
type Options<'a> = Vec<Option<&'a Entry>>;

fn options_of(section: &Section) -> Options<'_> {
    let mut options = vec![None; Key::COUNT];
    for entry in &section.entries {
        if let Some(key) = entry.key {
            options[key.index()] = Some(entry);
        }
    }
    options
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

struct Builder<'a> {
    barman_home: &'a str,
    global: Option<&'a Section>,
    /// What `[barman]` sets.
    inherited: Options<'a>,
    /// What servers have that set nothing themselves, where it is the same for all of them.
    common: Vec<Option<Setting>>,
    built: Built,
}

impl Builder<'_> {
    fn warn_about_global_options(&mut self) {
        let Some(global) = self.global else { return };
        for entry in &global.entries {
            let notice = match entry.key.map(|key| key.def().scope) {
                Some(Scope::Global | Scope::Inherited | Scope::InheritedModel) => continue,
                Some(Scope::Server | Scope::ServerModel | Scope::Internal) => Notice::log_warning(format!(
                    "option '{}' has no effect in [barman]: only a server's own section can set it",
                    entry.name
                )),
                Some(Scope::Model) | None => invalid_option(entry, GLOBAL),
            };
            self.built.notices.push(notice.at(&entry.place));
        }
    }

    fn add_server(&mut self, section: &Section) -> Result<(), Error> {
        self.warn_about_unknown(section, Scope::is_of_servers);
        let own = options_of(section);
        let mut settings: Vec<Setting> = Vec::with_capacity(Key::COUNT);
        for key in Key::all() {
            settings.push(match key.def().scope.is_of_servers() {
                true => self.resolve(section, key, own[key.index()], &settings)?,
                false => Setting::default(),
            });
        }
        let is_toml = section.is_toml || self.global.is_some_and(|global| global.is_toml);
        let server = ServerConfig {
            name: section.name.clone(),
            place: section.place.clone(),
            settings,
            active_model: None,
            problems: Vec::new(),
            retention_fault: None,
            is_toml,
        };
        self.built.servers.insert(section.name.clone(), server);
        Ok(())
    }

    fn add_model(&mut self, section: &Section) -> Result<(), Error> {
        self.warn_about_unknown(section, Scope::is_of_models);
        let mut set = Vec::new();
        for (key, entry) in Key::all().zip(options_of(section)) {
            let scope = key.def().scope;
            let Some(entry) = entry.filter(|_| scope.is_of_models() && scope != Scope::Internal) else {
                continue;
            };
            let place = format!("[{}] section", section.name);
            if let Some(value) = self.read(section, key, entry, &place, &|_| None)?
                && value != Value::Null
            {
                set.push((key, Setting { value, source: Source::File(entry.place.clone()) }));
            }
        }
        let model = Model::new(section, set)?;
        self.built.models.insert(section.name.clone(), model);
        Ok(())
    }

    fn warn_about_unknown(&mut self, section: &Section, is_allowed: fn(Scope) -> bool) {
        let unknown =
            section.entries.iter().filter(|entry| !entry.key.is_some_and(|k| is_allowed(k.def().scope)));
        self.built.notices.extend(unknown.map(|entry| invalid_option(entry, &section.name).at(&entry.place)));
    }

    /// The first of the server's section, `[barman]` and the table that has a value for the option.
    fn resolve(
        &mut self,
        section: &Section,
        key: Key,
        own: Option<&Entry>,
        earlier: &[Setting],
    ) -> Result<Setting, Error> {
        let home = self.barman_home;
        let find = |name: &str| find(name, home, section, earlier);
        let scope = key.def().scope;
        if let Some(entry) = own.filter(|_| scope != Scope::Internal) {
            let place = format!("[{}] section", section.name);
            if let Some(value) = self.read(section, key, entry, &place, &find)? {
                return Ok(Setting { value, source: Source::File(entry.place.clone()) });
            }
        }
        if let Some(common) = &self.common[key.index()] {
            return Ok(common.clone());
        }
        let inherited = self.inherited[key.index()].filter(|_| scope.is_inherited());
        let default = key.def().default.unwrap_or_default();
        let is_common = !inherited.is_some_and(Entry::has_references) && !default.contains('%');
        let setting = match self.inherit(key, inherited, &find)? {
            Some(setting) => setting,
            None => Setting { value: self.default(key, &find), source: Source::Default },
        };
        if is_common {
            self.common[key.index()] = Some(setting.clone());
        }
        Ok(setting)
    }

    fn inherit(
        &mut self,
        key: Key,
        entry: Option<&Entry>,
        find: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Setting>, Error> {
        let (Some(entry), Some(global)) = (entry, self.global) else { return Ok(None) };
        let value = self.read(global, key, entry, "[barman] section", find)?;
        Ok(value.map(|value| Setting { value, source: Source::File(entry.place.clone()) }))
    }

    /// The value of an entry; `None` when the next level decides, after a warning if the text makes no sense.
    fn read(
        &mut self,
        section: &Section,
        key: Key,
        entry: &Entry,
        place: &str,
        find: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Value>, Error> {
        let (shown, reason) = match section.text(entry, find)? {
            Text::Plain(text) => match key.def().kind.parse(&text, Asked { option: key.name(), place }) {
                Ok(value) => return Ok(value.map(or_null)),
                Err(reason) => (text, reason),
            },
            Text::Mistyped { shown, reason } => (shown, reason.to_owned()),
        };
        let option = key.name();
        let warning =
            format!("Ignoring invalid configuration value '{shown}' for key {option} in {place}: {reason}");
        self.built.notices.push(Notice::warning(warning).at(&entry.place));
        Ok(None)
    }

    /// The default, with its references filled in; nothing when one of them is nothing.
    fn default(&self, key: Key, find: &dyn Fn(&str) -> Option<String>) -> Value {
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
}

/// What `%(name)s` may refer to besides the section's own options.
fn find(name: &str, barman_home: &str, section: &Section, earlier: &[Setting]) -> Option<String> {
    match name {
        "name" => Some(section.name.clone()),
        "barman_home" => Some(barman_home.to_owned()),
        _ => match earlier.get(Key::find(name)?.index())?.value {
            Value::Null => None,
            ref value => Some(value.to_string()),
        },
    }
}

fn invalid_option(entry: &Entry, section: &str) -> Notice {
    Notice::warning(format!("Invalid configuration option \"{}\" in [{section}] section.", entry.name))
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
