//! The log file, which logrotate may move away at any moment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A file that is appended to, line by line, and opened anew when its name has come to mean another file.
pub struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl LogFile {
    /// Opens the file, making it and its directory when they are not there.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        Ok(Self { path: path.to_owned(), file: Mutex::new(append(path)?) })
    }

    /// Appends a line with one write, so that lines of several processes do not mix.
    pub fn write_line(&self, line: &str) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_current(&file)
            && let Ok(fresh) = append(&self.path)
        {
            *file = fresh;
        }
        // There is nobody left to tell when the log itself cannot be written.
        let _ = file.write_all(line.as_bytes());
    }

    fn is_current(&self, file: &File) -> bool {
        match (file.metadata(), fs::metadata(&self.path)) {
            (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
            _ => false,
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_after_a_rotation_go_to_the_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log/barman.log");
        let log = LogFile::open(&path).unwrap();
        log.write_line("before\n");
        fs::rename(&path, dir.path().join("log/barman.log.1")).unwrap();
        log.write_line("after\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "after\n");
    }
}
