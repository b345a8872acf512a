//! `doc/configuration.md` and `barman.conf.sample`, made from the table of options.
//!
//! The tests fail when a file is not what the table says; with `BARMAN_UPDATE_DOCS=1` they write it.

use std::fmt::Write;

use crate::config::MainFile;
use crate::config::schema::{KINDS, OPTIONS, OptionDef, Scope, Support, Topic};
use crate::documents::{ensure_document, wrapped};

const REGENERATE: &str = "BARMAN_UPDATE_DOCS=1 cargo test --lib config::tests::reference";

const INTRODUCTION: &str = include_str!("reference.intro.md");

fn on(topic: Topic) -> impl Iterator<Item = &'static OptionDef> {
    OPTIONS.iter().filter(move |option| option.topic == topic)
}

fn manual() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (name, meaning) in KINDS {
        writeln!(text, "| {name} | {meaning} |").unwrap();
    }
    text.push_str("\n## The options\n");
    for topic in Topic::ALL {
        write!(text, "\n### {}\n", topic.title()).unwrap();
        for option in on(topic) {
            text.push_str(&described(option));
        }
    }
    text
}

fn described(option: &OptionDef) -> String {
    let facts = option.facts().join("; ");
    format!("\n`{}` ({facts})  \n{}\n", option.name, wrapped(option.help, "", 118))
}

/// What the sample sets; all else stands in it as a comment.
const SET: [(&str, &str); 5] = [
    ("barman_home", "/var/lib/barman"),
    ("barman_user", "barman"),
    ("configuration_files_directory", "/etc/barman.d"),
    ("log_file", "/var/log/barman/barman.log"),
    ("log_level", "INFO"),
];

fn sample() -> String {
    let mut text = "\
; Sample configuration of barman: copy it to /etc/barman.conf.
;
; Every option is explained in doc/configuration.md, from which these lines are taken. Lines that begin with `;` show
; the default. What stands in [barman] holds for every server; each server has a section of its own, here or in a
; file of the configuration directory.

[barman]
"
    .to_owned();
    for topic in Topic::ALL {
        let mut options =
            on(topic).filter(|option| option.scope == Scope::Global || option.scope.is_inherited());
        if let Some(first) = options.next() {
            write!(text, "\n; --- {} ---\n", topic.title()).unwrap();
            for option in std::iter::once(first).chain(options) {
                text.push_str(&sampled(option));
            }
        }
    }
    text.push_str(
        "
; A server, as it could stand in /etc/barman.d/main.conf:
;
;[main]
;description = Accounting
;conninfo = host=pg user=barman dbname=postgres
;ssh_command = ssh postgres@pg
;archiver = on
;backup_options = concurrent_backup
;reuse_backup = link
;
; and in the postgresql.conf of that server:
;
;archive_mode = on
;archive_command = 'rsync -a %p barman@backup:/var/lib/barman/main/incoming/%f'
",
    );
    text
}

fn sampled(option: &OptionDef) -> String {
    let later = if option.support == Support::Later { " Not yet in effect." } else { "" };
    let words = option.words().map(|words| format!(" One of {words}.")).unwrap_or_default();
    let help = wrapped(&format!("{}{words}{later}", option.help), "; ", 118);
    let set = SET.iter().find(|(name, _)| *name == option.name);
    let default = match option.default.unwrap_or_default() {
        // Percent signs are expanded twice.
        format if option.name == "log_format" => format.replace('%', "%%%%"),
        // Barman refuses to refer to a server's option from here.
        template if template.contains("%(") && !template.contains("%(barman_home)s") => String::new(),
        default => default.to_owned(),
    };
    let line = match set {
        Some((name, value)) => format!("{name} = {value}"),
        None => format!(";{} = {default}", option.name).trim_end().to_owned(),
    };
    format!("\n{help}\n{line}\n")
}

#[test]
fn the_manual_says_what_the_table_says() {
    ensure_document("doc/configuration.md", &manual(), REGENERATE);
}

#[test]
fn the_sample_says_what_the_table_says() {
    ensure_document("barman.conf.sample", &sample(), REGENERATE);
}

#[test]
fn the_sample_is_a_configuration_even_with_all_its_defaults_set() {
    let set: Vec<String> = sample()
        .lines()
        .map(|line| match line.strip_prefix(';') {
            Some(option)
                if option.starts_with(|c: char| c.is_ascii_lowercase()) && !option.ends_with('=') =>
            {
                option
            }
            _ => line,
        })
        .take_while(|line| !line.starts_with("; A server"))
        .map(str::to_owned)
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("barman.conf");
    let files = crate::sys::Files::default();
    for text in [sample(), set.join("\n")] {
        let text = text.replace("/var/lib/barman", dir.path().to_str().unwrap());
        std::fs::write(&path, format!("{text}\n[main]\nconninfo = host=pg\n")).unwrap();
        let config = MainFile::load(&path, &files).unwrap().load_servers(&files).unwrap();
        let complaints = config.warnings.iter().filter(|notice| notice.place.is_some());
        assert_eq!(complaints.map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
        assert_eq!(config.global.barman_home, dir.path());
    }
}
