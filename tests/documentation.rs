//! Keeps the documentation true: links lead somewhere, what is typed is accepted, what is quoted is really said, and
//! every test that a page names exists.

#![allow(clippy::unwrap_used, reason = "what is wrong with a case ends its test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use barman::config::schema::OPTIONS;

/// The commands of Barman 1.3.3.
const COMMANDS_OF_1_3_3: [&str; 13] = [
    "backup",
    "check",
    "cron",
    "delete",
    "diagnose",
    "list-backup",
    "list-files",
    "list-server",
    "rebuild-xlogdb",
    "recover",
    "show-backup",
    "show-server",
    "status",
];

/// Its options on the command line.
const ARGUMENTS_OF_1_3_3: [&str; 24] = [
    "--help",
    "--version",
    "--config",
    "--quiet",
    "--debug",
    "--format",
    "--nagios",
    "--minimal",
    "--immediate-checkpoint",
    "--no-immediate-checkpoint",
    "--retry-times",
    "--retry-sleep",
    "--no-retry",
    "--target",
    "--list-empty-directories",
    "--target-tli",
    "--target-time",
    "--target-xid",
    "--target-name",
    "--exclusive",
    "--tablespace",
    "--remote-ssh-command",
    "latest",
    "all",
];

/// What stands in `postgresql.conf` where a page shows lines of it.
const SETTINGS_OF_POSTGRESQL: [&str; 5] =
    ["wal_level", "archive_mode", "archive_command", "archive_timeout", "restore_command"];

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = read(&page);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("http") || target.contains(' ') {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let leads = file.exists() && (heading.is_empty() || anchors(&read(&file)).contains(heading));
            if !leads {
                broken.push(format!("{}: {target}", shown(&page)));
            }
        }
    }
    assert!(broken.is_empty(), "these links lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn commands_in_the_documentation_are_accepted() {
    let mut refused = Vec::new();
    for page in pages() {
        for line in typed(&read(&page)) {
            let Some(ours) = line.strip_prefix("barman ").filter(|ours| !is_a_form(ours)) else { continue };
            let ours = ours.split(" | ").next().unwrap().trim_end_matches(" |");
            let words = shell_words::split(ours).unwrap();
            let words = std::iter::once("barman".to_owned()).chain(words);
            if let Err(error) = barman::cli::command().try_get_matches_from(words) {
                let is_help = !error.use_stderr();
                let reason = error.to_string().lines().next().unwrap_or_default().to_owned();
                refused.extend((!is_help).then(|| format!("{}: {line}: {reason}", shown(&page))));
            }
        }
    }
    assert!(refused.is_empty(), "these are refused:\n{}", refused.join("\n"));
}

/// Whether it tells in general how a command is typed.
fn is_a_form(line: &str) -> bool {
    line.contains("[OPTIONS]") || line.contains('<')
}

#[test]
fn options_that_the_manual_sets_exist() {
    for page in pages().into_iter().filter(|page| page.starts_with(root().join("doc/manual"))) {
        for line in typed(&read(&page)) {
            let Some((name, _)) = line.split_once(" = ") else { continue };
            let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let is_known = OPTIONS.iter().any(|option| option.name == name);
            assert!(
                !is_name || is_known || SETTINGS_OF_POSTGRESQL.contains(&name),
                "{}: there is no option '{name}'",
                shown(&page)
            );
        }
    }
}

#[test]
fn the_messages_in_troubleshooting_are_really_said() {
    let sources = sources();
    let page = read(&root().join("doc/manual/troubleshooting.md"));
    let ours = page.split("## What the program says").nth(1).unwrap();
    let ours = ours.split("\n## ").next().unwrap();
    let mut unknown = Vec::new();
    for message in first_cells(ours).iter().filter(|cell| !cell.contains("(of PostgreSQL)")) {
        for piece in code_spans(message).iter().flat_map(|span| span.split('…')) {
            let piece = piece.trim();
            if piece.len() > 3 && !sources.contains(piece) && !is_of_the_system(piece) {
                unknown.push(piece.to_owned());
            }
        }
    }
    assert!(unknown.is_empty(), "the program does not say:\n{}", unknown.join("\n"));
}

/// What the operating system says, and the program passes on.
fn is_of_the_system(text: &str) -> bool {
    ["Connection refused", "No route to host"].contains(&text)
}

#[test]
fn every_row_of_check_is_explained() {
    let page = read(&root().join("doc/manual/monitoring.md"));
    let explained: BTreeSet<String> = first_cells(&page).iter().flat_map(|cell| code_spans(cell)).collect();
    let mut seen = 0;
    for path in files(&root().join("src/ops/check"), "rs") {
        let text = read(&path);
        let text = text.split("#[cfg(test)]").next().unwrap();
        for start in ["rows.ok(", "rows.fail(", "rows.add(", "rows.attempt(", "let label ="] {
            for call in text.split(start).skip(1) {
                let before_literal = call.split('"').next().unwrap();
                if before_literal.contains([';', '(', ')']) || before_literal.contains("label") {
                    continue;
                }
                let label = call.split('"').nth(1).unwrap();
                seen += 1;
                assert!(
                    explained.contains(label),
                    "doc/manual/monitoring.md does not explain the row '{label}'"
                );
            }
        }
    }
    assert!(seen > 20, "only {seen} rows were found in the sources");
}

#[test]
fn every_key_of_json_is_explained() {
    let page = read(&root().join("doc/manual/json.md"));
    let spans: BTreeSet<String> = code_spans(&page).into_iter().collect();
    let mut missing = BTreeSet::new();
    let sources =
        files(&root().join("src/output/json"), "rs").into_iter().chain([root().join("src/ops/status.rs")]);
    for source in sources.map(|path| read(&path)) {
        let source = source.split("#[cfg(test)]").next().unwrap();
        for call in [".put(\"", ".put_if(\"", ".put_size(\"", ".put_moment(\"", ".insert(\"", "status.add(\""]
        {
            let keys = source.match_indices(call).map(|(at, _)| &source[at + call.len()..]);
            let keys = keys.filter_map(|rest| rest.split('"').next()).filter(|key| key.len() > 1);
            missing.extend(keys.filter(|key| !spans.contains(*key)).map(str::to_owned));
        }
    }
    // Of a size and of a duration the page says once how it is named.
    missing.retain(|key| !key.ends_with("_seconds"));
    assert!(missing.is_empty(), "doc/manual/json.md does not explain {missing:?}");
}

#[test]
fn the_table_of_1_3_3_is_complete_and_its_tests_exist() {
    let page = read(&root().join("doc/compatibility.md"));
    let table = page.split("## Everything that 1.3.3 does").nth(1).expect("the table of 1.3.3");
    let table = table.split("\n## ").next().unwrap();
    let spans = first_cells(table).iter().flat_map(|cell| code_spans(cell)).collect::<Vec<_>>();
    let named: BTreeSet<&str> = spans.iter().flat_map(|span| span.split(' ')).collect();
    for name in COMMANDS_OF_1_3_3.iter().chain(&ARGUMENTS_OF_1_3_3) {
        assert!(named.contains(*name), "'{name}' of 1.3.3 is not in the table");
    }
    for option in OPTIONS.iter().filter(|option| option.since == "1.3.3") {
        assert!(named.contains(option.name), "option '{}' of 1.3.3 is not in the table", option.name);
    }
    for test in code_spans(table).iter().filter(|span| span.contains("::")) {
        let (file, function) = test.split_once("::").unwrap();
        let path = root().join(file);
        assert!(path.is_file(), "there is no file of tests '{file}'");
        let is_there = read(&path).contains(&format!("fn {function}("));
        assert!(is_there, "there is no test '{function}' in '{file}'");
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Reading Markdown and sources

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("'{}': {error}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The pages of the documentation.
fn pages() -> Vec<PathBuf> {
    let mut pages = files(&root().join("doc"), "md");
    pages.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)));
    pages
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// All sources in one text, in which a string that is broken over lines is whole again.
fn sources() -> String {
    let text: String = files(&root().join("src"), "rs").iter().map(|path| read(path)).collect();
    let mut pieces = text.split("\\\n");
    let first = pieces.next().unwrap().to_owned();
    let whole = pieces.fold(first, |whole, piece| whole + piece.trim_start());
    whole.replace("\\\"", "\"")
}

/// The lines of indented code, with those that a backslash continues in one.
fn typed(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut continued = false;
    for line in text.lines().filter(|line| line.starts_with("    ")) {
        let line = line.trim();
        let (piece, goes_on) = line.strip_suffix('\\').map_or((line, false), |piece| (piece, true));
        match lines.last_mut() {
            Some(last) if continued => last.push_str(piece),
            _ => lines.push(piece.to_owned()),
        }
        continued = goes_on;
    }
    lines
}

/// The first cells of the rows of all tables.
fn first_cells(text: &str) -> Vec<String> {
    let rows = text.lines().filter(|line| line.starts_with('|'));
    rows.filter_map(|row| row.split('|').nth(1)).map(|cell| cell.trim().to_owned()).collect()
}

/// What stands between backticks.
fn code_spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The names by which headings are linked to.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_');
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}
