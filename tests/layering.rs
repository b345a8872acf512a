//! Keeps the drawing of the architecture true: who may import whom, and who may touch the world outside.
//!
//! Reads the sources as text. Test modules are exempt: they may put files on the disk and look at the clock.

#![allow(clippy::unwrap_used, reason = "this is test code")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with the modules that it may import, beside itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("sys", &["types"]),
    ("config", &["sys", "types"]),
    ("codec", &["sys", "types"]),
    ("catalog", &["codec", "config", "sys", "types"]),
    ("wal", &["codec", "config", "sys", "types"]),
    ("pg", &["codec", "config", "sys", "types"]),
    ("transfer", &["codec", "config", "sys", "types"]),
    ("manifest", &["codec", "sys", "types"]),
    ("view", &["catalog", "types"]),
    ("ops", &["view", "catalog", "wal", "pg", "transfer", "manifest", "codec", "config", "sys", "types"]),
    ("output", &["view", "catalog", "sys", "types"]),
    (
        "cli",
        &["output", "view", "ops", "catalog", "wal", "pg", "transfer", "codec", "config", "sys", "types"],
    ),
];

/// The ways to files, programs, variables and the clock of the machine, each with the modules that may use it.
const WORLD: &[(&str, &[&str])] = &[
    ("std::fs", &["sys"]),
    ("std::process", &["sys"]),
    ("std::env", &["sys"]),
    ("std::os::unix::net", &["sys", "pg"]),
    ("SystemTime::now", &["sys"]),
    ("Utc::now", &["sys"]),
    // A line of the log has the time of its writing; no decision depends on it.
    ("Local::now", &["sys", "cli"]),
];

/// Names of the world that are plain values.
const HARMLESS: &[&str] = &["std::process::ExitCode"];

#[test]
fn imports_point_downward() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(module) = module_of(&path) else { continue };
        let allowed = LAYERS.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed);
        let allowed = allowed.unwrap_or_else(|| panic!("'{module}' has no place in the drawing yet"));
        let by_super = vec!["super"; depth_of(&path)].join("::");
        for import in roots_of(&text, "crate").union(&roots_of(&text, &by_super)) {
            if *import != module && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{} imports {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the layers:\n{}", wrong.join("\n"));
}

#[test]
fn only_sys_touches_the_world_outside() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path).unwrap_or_default();
        let text = HARMLESS.iter().fold(text, |text, name| text.replace(name, ""));
        let imported = roots_of(&text, "std");
        for (name, allowed) in WORLD {
            let imported = name.strip_prefix("std::").is_some_and(|name| imported.contains(name));
            if (imported || text.contains(name)) && !allowed.contains(&module.as_str()) {
                wrong.push(format!("{} uses {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "only `sys` may do this:\n{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_sources_understands_groups_and_paths() {
    let text = "use crate::{types::{Lsn, Timeline}, sys};\nuse crate::wal;\nlet x = crate::pg::connect();";
    assert_eq!(roots_of(text, "crate"), ["pg", "sys", "types", "wal"].map(str::to_owned).into());
    assert_eq!(roots_of("use std::{fs::{self, File}, io};", "std"), ["fs", "io"].map(str::to_owned).into());
    let text = "a();\n#[cfg(test)]\nmod tests {\n    use std::fs;\n    fn f() {}\n}\nb();\n";
    assert_eq!(without_tests_and_comments(text), "a();\nb();\n");
    assert_eq!(without_tests_and_comments("#[cfg(test)]\nmod tests;\nb();\n// c\n"), "b();\n");
    assert_eq!(test_modules("#[cfg(test)]\npub(crate) mod testkit;\nmod real;\n"), ["testkit"]);
}

/// The sources without their tests: path below `src`, and text.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut exempt) = (Vec::new(), BTreeSet::new());
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                exempt.extend(test_modules(&text).into_iter().map(|name| children_of(&path).join(name)));
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 20, "the sources are under {}", root.display());
    found.retain(|(path, _)| {
        !exempt.iter().any(|test| path.with_extension("") == *test || path.starts_with(test))
    });
    let relative = |path: PathBuf| path.strip_prefix(&root).unwrap().to_owned();
    found.into_iter().map(|(path, text)| (relative(path), without_tests_and_comments(&text))).collect()
}

/// The directory of a module's child modules.
fn children_of(path: &Path) -> PathBuf {
    let is_root = ["mod.rs", "lib.rs", "main.rs"].iter().any(|name| path.ends_with(name));
    if is_root { path.parent().unwrap().into() } else { path.with_extension("") }
}

/// `wal` for `wal/incoming.rs` and `wal.rs`; nothing for the roots of the crate.
fn module_of(path: &Path) -> Option<String> {
    let first = Path::new(path.components().next()?.as_os_str()).with_extension("");
    let name = first.to_str()?.to_owned();
    (!["lib", "main"].contains(&name.as_str())).then_some(name)
}

/// How many times `super` leads from a file's module to the root of the crate.
fn depth_of(path: &Path) -> usize {
    path.components().count() - usize::from(path.ends_with("mod.rs"))
}

/// The modules in files of their own that exist only for tests.
fn test_modules(text: &str) -> Vec<&str> {
    let lines: Vec<_> = text.lines().collect();
    let declared = |pair: &[&'_ str]| pair[0].trim() == "#[cfg(test)]" && pair[1].trim_end().ends_with(';');
    let pairs = lines.windows(2).filter(|pair| declared(pair));
    pairs.filter_map(|pair| text_after(pair[1], "mod ")?.strip_suffix(';')).collect()
}

fn text_after<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.find(word).map(|at| line[at + word.len()..].trim_end())
}

/// Leaves out comment lines and each item under `#[cfg(test)]`: to its closing brace, which rustfmt puts at the
/// indentation of the attribute, or to its semicolon when it has no braces.
fn without_tests_and_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let code = line.trim_start();
        if code == "#[cfg(test)]" {
            let end = format!("{}}}", &line[..line.len() - code.len()]);
            let item = lines.by_ref().find(|line| !line.trim_start().starts_with("#["));
            if item.is_some_and(|item| !item.ends_with([';', '}'])) {
                lines.by_ref().find(|line| *line == end);
            }
        } else if !code.starts_with("//") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The first names after `root::` in `text`, those in a group too: `types` and `sys` of `use crate::{types::Lsn, sys}`.
fn roots_of(text: &str, root: &str) -> BTreeSet<String> {
    let start = format!("{root}::");
    let mut roots = BTreeSet::new();
    for (at, _) in text.match_indices(&start) {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
            continue;
        }
        let rest = &text[at + start.len()..];
        match rest.strip_prefix('{') {
            Some(group) => roots.extend(names_at_top(group)),
            None => roots.extend(name_at_start(rest)),
        }
    }
    roots
}

/// The names that begin the items of a group, which `group` starts inside of.
fn names_at_top(group: &str) -> Vec<String> {
    let (mut depth, mut names, mut item) = (0, Vec::new(), String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.extend(name_at_start(&std::mem::take(&mut item))),
            _ => {}
        }
        if depth == 0 && c != ',' {
            item.push(c);
        }
    }
    names.extend(name_at_start(&item));
    names
}

fn name_at_start(text: &str) -> Option<String> {
    let text = text.trim_start();
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}
