//! Our reading of configurations against that of Python's parser and of the real Barman.
//!
//! `tests/config_golden/make.py` asked them; its answers are `ini.json` and `barman.json`.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are the test")]

use std::collections::BTreeMap;
use std::path::Path;

use barman::config::{Audience, Config, Error, MainFile, Notice, ServerConfig, ini};
use barman::sys::{Files, Severity};
use serde_json::{Value, json};

fn rows(name: &str) -> Vec<Value> {
    let path = Path::new("tests/config_golden").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn entries(entries: &[ini::Entry]) -> Value {
    entries.iter().map(|entry| json!([entry.name, entry.text])).collect()
}

#[test]
fn ini_texts_are_read_as_python_reads_them() {
    for row in rows("ini.json") {
        let text = row["text"].as_str().unwrap();
        if text.starts_with('\u{feff}') {
            continue; // ours passes over a byte order mark
        }
        let read = match ini::parse(text.as_bytes()) {
            Ok(document) => {
                let sections = document.sections.iter();
                json!({
                    "defaults": entries(&document.defaults),
                    "sections": sections.map(|s| json!([s.name, entries(&s.entries)])).collect::<Value>(),
                })
            }
            Err(ini::SyntaxError { line, fault: ini::Fault::OutsideSection(_) }) => {
                json!({ "error": "MissingSectionHeaderError", "line": line })
            }
            Err(ini::SyntaxError { line, .. }) => json!({ "error": "ParsingError", "line": line }),
        };
        assert_eq!(read, row["read"], "{text:?}");
    }
}

/// Where ours is not like Barman: the case, an option of its server `main`, and what it is.
const BETTER: &[(&str, &str, &str)] = &[
    // Barman gives up on these.
    ("byte order mark", "", ""),
    ("two percents", "pre_backup_script", "date +%Y"),
    ("reference to the name", "description", "main"),
    ("escaped reference to nothing", "description", "%(nothing)s"),
    ("reference to an option of another file", "description", "ssh pg"),
    ("log_format as one writes it", "", ""),
    ("log_format of the seed", "", ""),
    ("unset directory", "backup_directory", "@HOME@/main"),
    ("empty directory", "wals_directory", "@HOME@/main/wals"),
    ("no minimum_redundancy", "minimum_redundancy", "0"),
    // It calls `log_format` an invalid option, though it heeds it.
    ("log_format as it must be", "", ""),
    // It makes a directory that is called `~` wherever it is started.
    ("home from the home directory", "backup_directory", "@USERHOME@/h/main"),
    // It forgets where the list of archived WAL is.
    ("xlogdb_directory", "xlogdb_directory", "/x"),
    // It documents a global value and does not heed it.
    ("keepalive", "keepalive_interval", "5"),
];

#[test]
fn what_barman_gets_wrong_means_what_it_says() {
    let user_home = std::env::var("HOME").unwrap();
    for (name, option, value) in BETTER {
        let case = Case::named(name);
        let config = case.load().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(case.notices(&config, Audience::Everyone), [""; 0], "{name}");
        if option.is_empty() {
            continue;
        }
        let mut settings = config.servers["main"].settings();
        let (_, own, _) = settings.find(|(key, ..)| key == option).unwrap();
        assert_eq!(case.masked(&own.to_string()), value.replace("@USERHOME@", &user_home), "{name}");
    }
}

#[test]
fn an_empty_home_is_refused() {
    // Barman would put the servers' directories into the root directory.
    let error = Case::named("empty home").load().err().unwrap().to_string();
    assert!(error.ends_with("barman.conf' line 1: section [barman] must set 'barman_home'"), "{error}");
}

fn is_better(name: &str) -> bool {
    name == "empty home" || BETTER.iter().any(|(better, ..)| *better == name)
}

/// The files of a case on disk.
struct Case {
    row: Value,
    dir: tempfile::TempDir,
}

impl Case {
    fn new(row: Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let case = Self { row, dir };
        for (name, content) in case.row["files"].as_object().unwrap() {
            let path = case.dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match content.as_str().map(|text| case.placed(text)) {
                None => std::fs::create_dir(&path).unwrap(),
                Some(text) => match text.strip_prefix("@LINK@") {
                    Some(target) => std::os::unix::fs::symlink(target, &path).unwrap(),
                    None => std::fs::write(&path, text).unwrap(),
                },
            }
        }
        case
    }

    fn named(name: &str) -> Self {
        Self::new(rows("barman.json").into_iter().find(|row| row["name"] == name).unwrap())
    }

    fn placed(&self, text: &str) -> String {
        text.replace("@HOME@", self.dir.path().to_str().unwrap()).replace("@USER@", "barman")
    }

    fn masked(&self, text: &str) -> String {
        let here = std::env::current_dir().unwrap();
        text.replace(self.dir.path().to_str().unwrap(), "@HOME@").replace(here.to_str().unwrap(), "@HOME@")
    }

    fn load(&self) -> Result<Config, Error> {
        let files = Files::default();
        MainFile::load(&self.dir.path().join("barman.conf"), &files)?.load_servers(&files)
    }

    /// Texts of some notices, sorted; a notice of several lines is as many texts, as it is in the golden table.
    fn notices(&self, config: &Config, audience: Audience) -> Vec<String> {
        let prefixed = |notice: &Notice| match notice.severity {
            Severity::Error => format!("ERROR: {}", notice.text),
            _ => format!("WARNING: {}", notice.text),
        };
        let told = config.warnings.iter().filter(|notice| notice.audience == audience);
        let mut texts: Vec<String> = told.map(prefixed).map(|text| self.masked(&text)).collect();
        if audience == Audience::Everyone {
            texts.extend(config.conflicts.iter().map(|text| self.masked(&format!("ERROR: {text}"))));
        }
        let mut lines: Vec<String> =
            texts.iter().flat_map(|text| text.split('\n')).map(str::to_owned).collect();
        lines.retain(|line| !line.contains("has no effect in [barman]"));
        lines.sort();
        lines.dedup();
        lines
    }
}

fn sorted(lines: &Value) -> Vec<String> {
    let mut lines: Vec<String> =
        lines.as_array().unwrap().iter().map(|l| l.as_str().unwrap().to_owned()).collect();
    lines.sort();
    lines.dedup();
    lines
}

#[test]
fn configurations_mean_what_they_mean_to_barman() {
    let rows = rows("barman.json");
    let base = rows[0]["servers"]["main"].clone();
    for row in rows {
        let name = row["name"].as_str().unwrap().to_owned();
        if is_better(&name) {
            continue;
        }
        let case = Case::new(row);
        let config = match case.load() {
            Ok(config) => config,
            Err(error) => {
                assert!(case.row.get("fatal").is_some(), "{name}: {error}");
                assert!(error.to_string().contains(".conf'"), "{name}: {error}");
                continue;
            }
        };
        assert!(case.row.get("fatal").is_none(), "{name}: Barman gives up");
        assert_eq!(case.notices(&config, Audience::Everyone), sorted(&case.row["says"]), "{name}");
        let mut logs = sorted(&case.row["logs"]);
        logs.retain(|line| !line.contains("PostgreSQL connection")); // not the configuration's matter
        assert_eq!(case.notices(&config, Audience::Log), logs, "{name}");
        assert_eq!(
            sorted(&json!(config.conflicts)).len(),
            case.row["errors"].as_array().unwrap().len(),
            "{name}"
        );
        compare_servers(&case, &config, &base, &name);
        compare_models(&case, &config, &name);
    }
}

fn compare_servers(case: &Case, config: &Config, base: &Value, name: &str) {
    let expected = case.row["servers"].as_object().unwrap();
    let names: Vec<_> = config.servers.keys().collect();
    assert_eq!(names, expected.keys().collect::<Vec<_>>(), "{name}");
    for (server, expected) in config.servers.values().zip(expected.values()) {
        let context = format!("{name}, server '{}'", server.name());
        assert_eq!(json!(server.active_model()), expected["active_model"], "{context}");
        // Reaching a server or a cloud is not the configuration's matter.
        let problems = expected["messages"].as_array().unwrap().iter().filter(|message| {
            let message = message.as_str().unwrap();
            !message.contains("No module named") && !message.contains("is not a valid connection string")
        });
        let own: Vec<String> = server.problems().iter().map(|problem| case.masked(problem)).collect();
        let problems: Vec<_> = problems.cloned().collect();
        assert_eq!(json!(own), json!(problems), "{context}");
        let all_ours = problems.len() == expected["messages"].as_array().unwrap().len();
        compare_settings(case, server, base, expected, all_ours, &context);
    }
}

fn compare_settings(
    case: &Case,
    server: &ServerConfig,
    base: &Value,
    expected: &Value,
    all_ours: bool,
    context: &str,
) {
    let settings: BTreeMap<_, _> =
        server.settings().map(|(key, value, source)| (key, (value, source))).collect();
    assert_eq!(settings.len(), base["settings"].as_object().unwrap().len(), "{context}");
    for (key, (value, source)) in settings {
        let own_base = |part: &str| {
            let text = base[part][key].to_string();
            let text = text.replace("/main", &format!("/{}", server.name()));
            text.replace("\"main\"", &json!(server.name()).to_string()).parse::<Value>().unwrap()
        };
        let wanted = expected["settings"].get(key).cloned().unwrap_or_else(|| own_base("settings"));
        if key == "disabled" && !all_ours {
            continue;
        }
        let json: Value = case.masked(&json!(value).to_string()).parse().unwrap();
        assert_eq!(json, wanted[0], "{context}: {key}");
        // Barman names the file of a value that it has ignored, or put another in place of.
        let was_ignored = wanted[1] != "default" && source.file().is_none();
        assert!(was_ignored || case.masked(&source.to_string()) == wanted[1], "{context}: {key} {source:?}");

        // `show-servers` adds the age of the last backup here, and refuses everything when servers share paths.
        if key != "last_backup_maximum_age" && !expected["shown"].is_null() {
            let shown = expected["shown"].get(key).cloned().unwrap_or_else(|| own_base("shown"));
            assert_eq!(json!(case.masked(&value.to_string())), shown, "{context}: {key}");
        }
    }
}

fn compare_models(case: &Case, config: &Config, name: &str) {
    if name == "model with sets" {
        return; // Barman changes the model when it completes the server.
    }
    let models = config.models.values().map(|model| {
        let set = model.settings().filter(|(_, _, source)| source.file().is_some());
        let settings = set.map(|(key, value, source)| (key.to_owned(), json!([value, source.to_string()])));
        (model.name().to_owned(), Value::Object(settings.collect()))
    });
    let models = Value::Object(models.collect()).to_string();
    let mut expected = case.row["models"].clone();
    for model in expected.as_object_mut().unwrap().values_mut() {
        // An ignored value has its file's name, and is null.
        model.as_object_mut().unwrap().retain(|_, entry| !entry[0].is_null());
    }
    assert_eq!(case.masked(&models).parse::<Value>().unwrap(), expected, "{name}");
}
