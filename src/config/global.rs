//! The section about the installation, which the program acts on before it knows a server.

use std::path::{Path, PathBuf};

use super::error::Error;
use super::kind::{Asked, INVALID_BOOL, parse_bool};
use super::log_style::{LogFormat, LogLevel};
use super::notice::Notice;
use super::place::Source;
use super::schema::{Key, key};
use super::sections::{GLOBAL, Section, Text};
use super::value::Value;

/// The settings of the installation.
#[derive(Debug, Clone)]
pub struct Global {
    /// The main configuration file, by the path it was asked for.
    pub config_file: PathBuf,
    /// The directory of all servers.
    pub barman_home: PathBuf,
    /// The account to run as.
    pub barman_user: String,
    /// The log file; `None` is standard error.
    pub log_file: Option<PathBuf>,
    /// What is logged.
    pub log_level: LogLevel,
    /// The form of a log line.
    pub log_format: LogFormat,
    /// The directory of the lock files.
    pub lock_directory: PathBuf,
    /// Whether cron removes lock files that nobody holds.
    pub lock_directory_cleanup: bool,
    /// Where further configuration files are.
    pub configuration_files_directory: Option<PathBuf>,
    /// The file of changes that `config-update` still has to make.
    pub config_changes_queue: PathBuf,
    /// The section as it is written, and what the program assumes beyond that: for `diagnose`.
    pub settings: Vec<(String, Value, Source)>,
}

/// Reads the section; warnings go to `notices`.
pub(super) fn load(path: &Path, section: &Section, notices: &mut Vec<Notice>) -> Result<Global, Error> {
    let options = Options { section };
    let home = options.text(key!("barman_home"), None)?.ok_or_else(|| Error::Required {
        place: section.place.clone(),
        section: section.name.clone(),
        option: "barman_home",
    })?;
    let set = |key| options.text(key, Some(&home));
    let path_of = |key| Ok::<_, Error>(set(key)?.map(PathBuf::from));
    let or_home = |path: Option<PathBuf>| path.unwrap_or_else(|| PathBuf::from(&home));

    let mut global = Global {
        config_file: path.to_owned(),
        barman_home: PathBuf::from(&home),
        barman_user: set(key!("barman_user"))?.unwrap_or_default(),
        log_file: path_of(key!("log_file"))?,
        log_level: options.log_level(notices)?,
        log_format: options.log_format(notices)?,
        lock_directory: or_home(path_of(key!("barman_lock_directory"))?),
        lock_directory_cleanup: options.flag("lock_directory_cleanup")?.unwrap_or(true),
        configuration_files_directory: path_of(key!("configuration_files_directory"))?,
        config_changes_queue: or_home(path_of(key!("config_changes_queue"))?),
        settings: Vec::new(),
    };
    global.settings = listed(&options, &global);
    Ok(global)
}

/// The items of the section and the three that are always known, sorted.
fn listed(options: &Options<'_>, global: &Global) -> Vec<(String, Value, Source)> {
    let path = |path: &Path| Value::Text(path.to_string_lossy().into_owned());
    let known = [
        ("barman_lock_directory", path(&global.lock_directory)),
        ("config_changes_queue", path(&global.config_changes_queue)),
        ("lock_directory_cleanup", Value::Bool(global.lock_directory_cleanup)),
    ];
    let mut listed = Vec::new();
    for entry in &options.section.entries {
        if known.iter().all(|(name, _)| *name != entry.name) {
            // What refers to a server's options is listed as it is written.
            let text = options.raw(&entry.name).unwrap_or_else(|_| Some(entry.written().to_owned()));
            let value = text.map_or(Value::Null, Value::Text);
            listed.push((entry.name.clone(), value, Source::File(entry.place.clone())));
        }
    }
    for (name, value) in known {
        let source = options.section.entry(name).map(|entry| Source::File(entry.place.clone()));
        listed.push((name.to_owned(), value, source.unwrap_or_default()));
    }
    listed.sort_by(|one, other| one.0.cmp(&other.0));
    listed
}

/// The options of the section.
struct Options<'a> {
    section: &'a Section,
}

impl Options<'_> {
    /// The text of an option that is set.
    fn raw(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(entry) = self.section.entry(name) else { return Ok(None) };
        match self.section.text(entry, &|_| None)? {
            Text::Plain(text) => Ok(Some(text).filter(|text| !text.is_empty())),
            Text::Mistyped { shown, reason } => Err(self.refused(name, &shown, reason.to_owned())),
        }
    }

    /// The text or path of an option, or its default.
    fn text(&self, key: Key, home: Option<&str>) -> Result<Option<String>, Error> {
        let default =
            || key.def().default.map(|text| text.replace("%(barman_home)s", home.unwrap_or_default()));
        let Some(text) = self.raw(key.name())?.or_else(default) else { return Ok(None) };
        let asked = Asked { option: key.name(), place: "[barman] section" };
        let parsed =
            key.def().kind.parse(&text, asked).map_err(|reason| self.refused(key.name(), &text, reason))?;
        Ok(parsed.and_then(|value| value.as_text().map(str::to_owned)))
    }

    fn flag(&self, option: &str) -> Result<Option<bool>, Error> {
        let Some(text) = self.raw(option)? else { return Ok(None) };
        parse_bool(&text).map(Some).ok_or_else(|| self.refused(option, &text, INVALID_BOOL.to_owned()))
    }

    fn log_level(&self, notices: &mut Vec<Notice>) -> Result<LogLevel, Error> {
        let Some(text) = self.raw("log_level")? else { return Ok(LogLevel::INFO) };
        Ok(text.parse().unwrap_or_else(|_| {
            let warning = Notice::log_warning(format!("unknown log_level in config file: {text}"));
            notices.push(self.about("log_level", warning));
            LogLevel::INFO
        }))
    }

    fn log_format(&self, notices: &mut Vec<Notice>) -> Result<LogFormat, Error> {
        let default = key!("log_format").def().default.unwrap_or_default();
        let text = self.raw("log_format")?.unwrap_or_else(|| default.to_owned());
        if let Ok(format) = text.parse() {
            return Ok(format);
        }
        let warning =
            format!("Ignoring invalid configuration value '{text}' for key log_format in [barman] section");
        notices.push(self.about("log_format", Notice::warning(warning)));
        Ok(default.parse().expect("the default of the table is a log format"))
    }

    /// The notice with the line of the option.
    fn about(&self, option: &str, notice: Notice) -> Notice {
        match self.section.entry(option) {
            Some(entry) => notice.at(&entry.place),
            None => notice,
        }
    }

    fn refused(&self, option: &str, value: &str, reason: String) -> Error {
        let place = self.section.entry(option).map_or(&self.section.place, |entry| &entry.place).clone();
        Error::Value {
            place,
            section: GLOBAL.to_owned(),
            option: option.to_owned(),
            value: value.to_owned(),
            reason,
        }
    }
}
