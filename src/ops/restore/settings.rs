//! What a restored server must not inherit from the one that was backed up.
//!
//! A restored copy that went on archiving would write over the archive of the original; recovery targets left by
//! an earlier restore would stop this one at the wrong place. Such settings are commented out. Settings that name
//! files and directories of the original host are only reported: the DBA knows what they should be here.

/// The prefix that marks a line as commented out by us.
const MARK: &[u8] = b"#BARMAN#";

/// Settings that lose their effect, with the value that takes their place.
const NEUTRALISED: [(&str, Option<&str>); 11] = [
    ("archive_command", Some("false")),
    // It would archive in the place of the command.
    ("archive_library", None),
    // It removes WAL from the archive as recovery goes on, also from that of the original.
    ("archive_cleanup_command", None),
    ("recovery_target", None),
    ("recovery_target_name", None),
    ("recovery_target_time", None),
    ("recovery_target_xid", None),
    ("recovery_target_lsn", None),
    ("recovery_target_inclusive", None),
    ("recovery_target_timeline", None),
    ("recovery_target_action", None),
];

/// Settings that a person has to look at.
const DANGEROUS: [&str; 14] = [
    "data_directory",
    "config_file",
    "hba_file",
    "ident_file",
    "external_pid_file",
    "ssl_cert_file",
    "ssl_key_file",
    "ssl_ca_file",
    "ssl_crl_file",
    "unix_socket_directory",
    "unix_socket_directories",
    "include",
    "include_dir",
    "include_if_exists",
];

/// A setting, where it stands and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The line in the restored file, from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// Its value, as written; `None` when it was taken away.
    pub value: Option<String>,
}

/// Another file of settings that a file names, by its path as PostgreSQL understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Include {
    /// A file.
    File(String),
    /// A directory: the files in it whose names end in `.conf`.
    Directory(String),
}

/// A configuration file after its settings were looked through.
#[derive(Debug, PartialEq, Eq)]
pub struct Neutralised {
    /// The new content.
    pub content: Vec<u8>,
    /// What was changed.
    pub changes: Vec<Setting>,
    /// What should be reviewed.
    pub dangers: Vec<Setting>,
    /// The files that are read in its place, in their order.
    pub includes: Vec<Include>,
}

/// Comments out what must not act in a restored server, and collects what should be reviewed.
///
/// The content may be in any encoding: lines that are not changed stay as they are, byte for byte.
pub fn neutralise(content: &[u8]) -> Neutralised {
    let mut result = Neutralised {
        content: Vec::with_capacity(content.len()),
        changes: vec![],
        dangers: vec![],
        includes: vec![],
    };
    let mut line_number = 0;
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        line_number += 1;
        let Some((name, value)) = split_setting(line) else {
            result.content.extend_from_slice(line);
            continue;
        };
        let known = NEUTRALISED.iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
        if let Some((_, replacement)) = known {
            result.content.extend_from_slice(MARK);
            result.content.extend_from_slice(line);
            if let Some(replacement) = replacement {
                if !line.ends_with(b"\n") {
                    result.content.push(b'\n');
                }
                result.content.extend_from_slice(format!("{name} = {replacement}\n").as_bytes());
                line_number += 1;
            }
            result.changes.push(Setting { line: line_number, name, value: replacement.map(str::to_owned) });
            continue;
        }
        result.content.extend_from_slice(line);
        match name.to_ascii_lowercase().as_str() {
            "include" | "include_if_exists" => result.includes.push(Include::File(unquote(&value))),
            "include_dir" => result.includes.push(Include::Directory(unquote(&value))),
            _ => {}
        }
        if DANGEROUS.iter().any(|dangerous| name.eq_ignore_ascii_case(dangerous)) {
            result.dangers.push(Setting { line: line_number, name, value: Some(value) });
        }
    }
    result
}

/// Name and value of a line `name = value`, `name value` or `name'value'`: PostgreSQL wants no equals sign, and no
/// blank before a quote.
fn split_setting(line: &[u8]) -> Option<(String, String)> {
    let line = String::from_utf8_lossy(line);
    let line = line.trim();
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "_$.".contains(c) || !c.is_ascii();
    let end = line.find(|c| !is_of_name(c)).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if name.is_empty() {
        return None;
    }
    let rest = rest.trim_start();
    let value = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    Some((name.to_owned(), value.to_owned()))
}

/// The text that a value means: without the quotes, what they escape and the comment behind it.
fn unquote(value: &str) -> String {
    let Some(quoted) = value.strip_prefix('\'') else {
        let end = value.find(|c: char| c.is_whitespace() || c == '#').unwrap_or(value.len());
        return value[..end].to_owned();
    };
    let (mut text, mut rest) = (String::new(), quoted.chars().peekable());
    while let Some(next) = rest.next() {
        match next {
            '\'' if rest.next_if_eq(&'\'').is_none() => break,
            '\\' => text.extend(rest.next()),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archiving_is_switched_off_and_old_targets_are_taken_away() {
        let result =
            neutralise(b"port = 1\narchive_command = 'cp %p /x/%f'\n recovery_target_time '2026-01-01'");
        assert_eq!(
            String::from_utf8(result.content).unwrap(),
            "port = 1\n#BARMAN#archive_command = 'cp %p /x/%f'\narchive_command = false\n\
             #BARMAN# recovery_target_time '2026-01-01'"
        );
        let changes: Vec<_> =
            result.changes.iter().map(|s| (s.line, s.name.as_str(), s.value.as_deref())).collect();
        assert_eq!(changes, [(3, "archive_command", Some("false")), (4, "recovery_target_time", None)]);
    }

    #[test]
    fn every_spelling_that_postgresql_takes_for_the_setting_is_found() {
        for line in [
            "ARCHIVE_COMMAND='x'",
            "archive_command'x'",
            "\tarchive_command\t=\t'x' # why",
            "archive_command x",
        ] {
            let result = neutralise(line.as_bytes());
            assert_eq!(result.changes.len(), 1, "{line}");
            assert!(result.content.starts_with(MARK), "{line}");
        }
        for line in [
            "#archive_command = 'x'",
            "my.archive_command = 'x'",
            "archive_command_2 = 'x'",
            "= archive_command",
        ] {
            assert_eq!(neutralise(line.as_bytes()).changes, [], "{line}");
        }
    }

    #[test]
    fn every_line_that_sets_it_is_commented_out_and_counted_as_it_stands_in_the_new_file() {
        let result = neutralise(b"archive_command = 'a'\nport = 1\narchive_command = 'b'\ninclude 'x'\n");
        let lines: Vec<usize> =
            result.changes.iter().chain(&result.dangers).map(|setting| setting.line).collect();
        assert_eq!(lines, [2, 5, 6]);
        let content = String::from_utf8(result.content).unwrap();
        assert_eq!(content.lines().nth(1), Some("archive_command = false"));
        assert_eq!(content.lines().nth(4), Some("archive_command = false"));
    }

    #[test]
    fn the_files_that_are_read_in_its_place_are_told_in_their_order() {
        let result = neutralise(
            b"include = 'it''s\\' here.conf' # why\nINCLUDE_DIR conf.d# these\ninclude_if_exists '/x'\n#include 'no'",
        );
        let (file, directory) =
            (|path: &str| Include::File(path.into()), Include::Directory("conf.d".into()));
        assert_eq!(result.includes, [file("it's' here.conf"), directory, file("/x")]);
    }

    #[test]
    fn a_library_does_not_go_on_archiving_in_the_place_of_the_command() {
        let result = neutralise(b"archive_library = 'basic_archive'\n");
        assert_eq!(result.content, b"#BARMAN#archive_library = 'basic_archive'\n");
        assert_eq!(result.changes[0].name, "archive_library");
    }

    #[test]
    fn settings_that_name_places_of_the_old_host_are_reported_with_their_line() {
        let result =
            neutralise(b"# include = 'no'\nInclude_If_Exists = 'x.conf'\nssl_key_file='/k' # mine\n");
        let dangers: Vec<_> =
            result.dangers.iter().map(|s| (s.line, s.name.as_str(), s.value.as_deref())).collect();
        assert_eq!(
            dangers,
            [(2, "Include_If_Exists", Some("'x.conf'")), (3, "ssl_key_file", Some("'/k' # mine"))]
        );
        assert!(result.changes.is_empty());
    }

    #[test]
    fn other_lines_stay_as_they_are_whatever_their_encoding() {
        let content = b"# caf\xe9\r\n\nshared_buffers=1GB\n\xff\xfe";
        assert_eq!(neutralise(content).content, content);
    }

    #[test]
    fn an_archive_command_on_a_last_line_without_line_feed_is_replaced_on_a_line_of_its_own() {
        let result = neutralise(b"archive_command='x'");
        assert_eq!(result.content, b"#BARMAN#archive_command='x'\narchive_command = false\n");
    }
}
