//! How PostgreSQL understands the exit code of its `restore_command` (manual, chapter "Continuous Archiving").
//!
//! 0 means that the file is there. Anything up to 125 means that the archive does not have it: a standby asks again, but
//! a recovery is over then, and the server goes on without the WAL that comes later. Anything above stops the server
//! instead, so that somebody can look and start it again. So "it is not there" and "I cannot tell" must never be the
//! same code, unless a standby asks.

use std::path::Path;

use crate::sys::Files;

/// The file is not there.
pub const NOT_THERE: u8 = 1;

/// It could not be found out. 255 is ssh's own code, 126 and 127 are the shell's, then come the signals.
const UNKNOWN: u8 = 254;

/// The same for a standby, which had better wait for us than stop.
const UNKNOWN_TO_STANDBY: u8 = 2;

/// What a shell gives for a program that SIGTERM has ended, which PostgreSQL sends when it is shut down.
const TERMINATED: u8 = 128 + 15;

/// The code for an answer that could not be found out, when the server asks whose data directory we are in, if any.
pub fn unknown(files: &Files, is_cancelled: bool) -> u8 {
    match is_cancelled {
        true => TERMINATED,
        false if is_standby(files, Path::new(".")) => UNKNOWN_TO_STANDBY,
        false => UNKNOWN,
    }
}

/// Whether `data` belongs to a standby; PostgreSQL runs `restore_command` in its data directory.
fn is_standby(files: &Files, data: &Path) -> bool {
    let is_there = |name: &str| files.exists(&data.join(name)).unwrap_or(false);
    // Before PostgreSQL 12.
    let old = || files.read(&data.join("recovery.conf")).is_ok_and(|text| turns_standby_mode_on(&text));
    is_there("standby.signal") || old()
}

fn turns_standby_mode_on(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let value = |line: &str| {
        let rest = line.trim_start().strip_prefix("standby_mode")?.trim_start();
        let value = rest.strip_prefix('=').unwrap_or(rest).split('#').next()?.trim().trim_matches('\'');
        Some(value.to_ascii_lowercase())
    };
    let last = text.lines().filter_map(value).next_back();
    last.is_some_and(|value| ["on", "true", "yes", "1", "t", "y"].contains(&value.as_str()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_standby_is_known_by_its_data_directory() {
        let data = tempfile::tempdir().unwrap();
        let is_standby = || is_standby(&Files::default(), data.path());
        assert!(!is_standby());
        for (text, expected) in [
            ("restore_command = 'x'\n", false),
            ("standby_mode = 'on'\n", true),
            ("standby_mode on # and so on\n", true),
            ("standby_mode = on\nstandby_mode = 'off'\n", false),
            ("#standby_mode = on\n", false),
        ] {
            fs::write(data.path().join("recovery.conf"), text).unwrap();
            assert_eq!(is_standby(), expected, "{text}");
        }
        fs::write(data.path().join("standby.signal"), "").unwrap();
        assert!(is_standby());
    }

    #[test]
    fn only_that_a_file_is_not_there_ends_a_recovery() {
        assert!((1..=125).contains(&NOT_THERE));
        assert!(unknown(&Files::default(), false) > 125);
        assert_eq!(unknown(&Files::default(), true), 143);
    }
}
