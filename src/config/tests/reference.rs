//! `doc/configuration.md` and `barman.conf.sample`, made from the table of options.
//!
//! The tests fail when a file is not what the table says; with `BARMAN_UPDATE_DOCS=1` they write it.

use std::fmt::Write;
use std::path::Path;

use crate::config::MainFile;
use crate::config::kind::Kind;
use crate::config::schema::{OPTIONS, OptionDef, Scope, Support, Topic};

const INTRODUCTION: &str = include_str!("reference.intro.md");

/// What the kinds are called, and what their values look like.
const KINDS: [(&str, &str); 14] = [
    ("yes or no", "`true`, `t`, `yes`, `1`, `on` or `false`, `f`, `no`, `0`, `off`, in any case"),
    ("number", "a whole number"),
    (
        "time",
        "a number and a unit: `day`, `week`, `month` (31 days) or `hour`, in any case, with or without `s`: `4 weeks`",
    ),
    (
        "size",
        "bytes, or with `k`, `M`, `G`, `T` (powers of 1000) or `Ki`, `Mi`, `Gi`, `Ti` (powers of 1024): `30Gi`",
    ),
    ("text", "anything"),
    ("path", "a path; `~/` at its beginning is the home directory"),
    ("absolute path", "a path that begins with `/`"),
    (
        "path or address",
        "a path, or `s3://bucket/...`, `gs://bucket/...`, `https://account.blob.core.windows.net/container/...`",
    ),
    ("slot name", "lower case letters, digits and underscores"),
    ("word", "one of the words that are listed, in any case unless said otherwise"),
    ("words", "any of the words that are listed, with commas between them"),
    ("list", "texts with commas between them"),
    ("level", "`low`, `medium`, `high` or a number"),
    ("limits", "`tablespace:kB` with blanks between them"),
];

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "yes or no",
        Kind::Int | Kind::LateInt => "number",
        Kind::Interval => "time",
        Kind::Size => "size",
        Kind::Text | Kind::Retention => "text",
        Kind::Path => "path",
        Kind::AbsolutePath => "absolute path",
        Kind::PathOrUrl => "path or address",
        Kind::SlotName => "slot name",
        Kind::Word(_) => "word",
        Kind::Set(_) => "words",
        Kind::List => "list",
        Kind::CompressionLevel => "level",
        Kind::TablespaceLimits => "limits",
    }
}

fn words(kind: Kind) -> Option<String> {
    let (words, exact) = match kind {
        Kind::Word(kind) => (kind.words, kind.exact),
        Kind::Set(kind) => (kind.words, false),
        _ => return None,
    };
    let words = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    Some(if exact { format!("{words} in exactly this case") } else { words })
}

fn sections(scope: Scope) -> &'static str {
    match scope {
        Scope::Global => "`[barman]` only",
        Scope::Server => "server",
        Scope::ServerModel => "server, model",
        Scope::Inherited => "`[barman]`, server",
        Scope::InheritedModel => "`[barman]`, server, model",
        Scope::Model => "model",
        Scope::Internal => "nowhere",
    }
}

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
    let mut facts = vec![match words(option.kind) {
        Some(words) => format!("{}: {words}", kind_name(option.kind)),
        None => kind_name(option.kind).to_owned(),
    }];
    facts.extend(option.default.map(|default| format!("default `{default}`")));
    facts.push(sections(option.scope).to_owned());
    facts.push(format!("since {}", option.since));
    if option.support == Support::Later {
        facts.push("**not yet in effect**".to_owned());
    }
    format!("\n`{}` ({})  \n{}\n", option.name, facts.join("; "), wrapped(option.help, "", 118))
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
    let words = words(option.kind).map(|words| format!(" One of {words}.")).unwrap_or_default();
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

/// Breaks a text into lines of at most `width` characters that begin with `prefix`.
fn wrapped(text: &str, prefix: &str, width: usize) -> String {
    let mut lines = vec![prefix.to_owned()];
    for word in text.split(' ') {
        let line = lines.last_mut().unwrap();
        if line.chars().count() + word.chars().count() + 1 > width && line.len() > prefix.len() {
            lines.push(format!("{prefix}{word}"));
        } else {
            let blank = if line.len() > prefix.len() { " " } else { "" };
            line.push_str(blank);
            line.push_str(word);
        }
    }
    lines.join("\n")
}

/// Fails when the file is not what the table says, unless it is to be written anew.
fn ensure_file(name: &str, content: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("BARMAN_UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == content,
        "{name} does not say what src/config/schema says; \
         run `BARMAN_UPDATE_DOCS=1 cargo test --lib config::tests::reference`"
    );
}

#[test]
fn the_manual_says_what_the_table_says() {
    ensure_file("doc/configuration.md", &manual());
}

#[test]
fn the_sample_says_what_the_table_says() {
    ensure_file("barman.conf.sample", &sample());
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
