//! Documents that are made from definitions in the program, and kept equal to them by tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Fails when the document `name` is not `content`, which the definitions say; with `BARMAN_UPDATE_DOCS=1` writes it.
pub fn ensure_document(name: &str, content: &str, regenerate: &str) {
    let path = path_of(name);
    if std::env::var_os("BARMAN_UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == content, "{name} does not say what the program says; run `{regenerate}`");
}

/// The names of the files in the directory of documents `name`.
pub fn document_names(name: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(path_of(name)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Breaks a text into lines of at most `width` characters that begin with `prefix`.
pub fn wrapped(text: &str, prefix: &str, width: usize) -> String {
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
