//! The configuration of a data directory: the files that PostgreSQL reads by itself, and those that they include.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::settings::{Include, Neutralised, neutralise};
use crate::ops::Error;
use crate::sys::Files;

/// What PostgreSQL reads by itself.
const MAIN_FILES: [&str; 2] = ["postgresql.conf", "postgresql.auto.conf"];

/// A file with settings, looked through.
#[derive(Debug)]
pub struct ConfigurationFile {
    /// Its path in the data directory.
    pub name: PathBuf,
    /// What it says, and what it should say.
    pub neutralised: Neutralised,
    /// Whether it is one of [`MAIN_FILES`].
    pub is_main: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub struct ConfigurationFiles {
    /// Those that are there, in the order in which PostgreSQL comes to them.
    pub files: Vec<ConfigurationFile>,
    /// The names in the data directory of the files that they include, there or not.
    included_files: BTreeSet<PathBuf>,
    /// The same of directories.
    included_dirs: BTreeSet<PathBuf>,
}

impl ConfigurationFiles {
    /// Whether PostgreSQL will read the file `name` of the data directory, once it is there.
    pub fn reads(&self, name: &Path) -> bool {
        let is_main = MAIN_FILES.iter().any(|main| name == Path::new(main));
        let is_conf = name.extension().is_some_and(|extension| extension == "conf");
        let is_in_included_dir = name.parent().is_some_and(|dir| self.included_dirs.contains(dir));
        is_main || self.included_files.contains(name) || is_conf && is_in_included_dir
    }
}

/// Reads the files of `data`, which is or becomes the data directory `destination`, in the order in which PostgreSQL
/// comes to them. Files elsewhere are left out: they are not part of the backup.
pub fn read(files: &Files, data: &Path, destination: &Path) -> Result<ConfigurationFiles, Error> {
    let mut reading = Reading {
        files,
        data,
        real: files.real_path(data),
        destination,
        seen: BTreeSet::new(),
        found: ConfigurationFiles::default(),
    };
    for name in MAIN_FILES {
        reading.take(Path::new(name))?;
    }
    Ok(reading.found)
}

struct Reading<'a> {
    files: &'a Files,
    data: &'a Path,
    real: PathBuf,
    destination: &'a Path,
    /// A file that includes itself is an error for PostgreSQL, and no reason for us to hang.
    seen: BTreeSet<PathBuf>,
    found: ConfigurationFiles,
}

impl Reading<'_> {
    fn take(&mut self, name: &Path) -> Result<(), Error> {
        let path = self.data.join(name);
        let real = self.files.real_path(&path);
        // A link may lead out of the directory, whatever its name says.
        if !real.starts_with(&self.real) || self.files.is_dir(&path) || !self.seen.insert(real) {
            return Ok(());
        }
        let Some(content) = self.files.read_if_exists(&path)? else { return Ok(()) };
        let neutralised = neutralise(&content);
        let includes = neutralised.includes.clone();
        let is_main = MAIN_FILES.iter().any(|main| name == Path::new(main));
        self.found.files.push(ConfigurationFile { name: name.to_owned(), neutralised, is_main });
        for include in includes {
            self.include(name, &include)?;
        }
        Ok(())
    }

    fn include(&mut self, by: &Path, include: &Include) -> Result<(), Error> {
        let (Include::File(path) | Include::Directory(path)) = include;
        let Some(name) = self.name_of(by, Path::new(path)) else { return Ok(()) };
        match include {
            Include::File(_) => {
                self.found.included_files.insert(name.clone());
                self.take(&name)
            }
            Include::Directory(_) => {
                self.found.included_dirs.insert(name.clone());
                for entry in self.files.list_if_exists(&self.data.join(&name))? {
                    let file = entry.name.as_encoded_bytes();
                    if file.ends_with(b".conf") && !file.starts_with(b".") {
                        self.take(&name.join(&entry.name))?;
                    }
                }
                Ok(())
            }
        }
    }

    /// The path in the data directory of what the file `by` includes as `path`; `None` when it lies elsewhere.
    fn name_of(&self, by: &Path, path: &Path) -> Option<PathBuf> {
        let path = self.destination.join(by).parent()?.join(path);
        let mut name = PathBuf::new();
        for component in path.components() {
            match component {
                Component::ParentDir => drop(name.pop()),
                Component::CurDir => {}
                other => name.push(other),
            }
        }
        name.strip_prefix(self.destination).map(Path::to_owned).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn included_files_of_the_data_directory_are_found_in_the_order_of_postgresql() {
        let dir = tempfile::tempdir().unwrap();
        let (data, elsewhere) = (dir.path().join("data"), dir.path().join("elsewhere.conf"));
        let put = |name: &str, content: &str| {
            let path = data.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        fs::create_dir(&data).unwrap();
        fs::write(&elsewhere, "archive_command = 'x'").unwrap();
        std::os::unix::fs::symlink(&elsewhere, data.join("link.conf")).unwrap();
        put(
            "postgresql.conf",
            "include_dir 'conf.d'\ninclude '../elsewhere.conf'\ninclude 'link.conf'\ninclude '/old/place/own.conf'\n\
             include_if_exists 'lacks.conf'\ninclude_dir 'lacks'\ninclude 'postgresql.conf'\n",
        );
        put("postgresql.auto.conf", "");
        put("conf.d/b.conf", "archive_command = 'x'");
        put("conf.d/a.conf", "include 'deeper/c'\ninclude '../d.conf'");
        put("conf.d/deeper/c", "");
        put("conf.d/.hidden.conf", "");
        put("conf.d/a.conf.origin", "");
        put("d.conf", "include 'conf.d/a.conf'");
        put("own.conf", "");
        let read = read(&Files::default(), &data, Path::new("/old/place")).unwrap();
        let reads = |name: &str| read.reads(Path::new(name));
        assert!(reads("postgresql.auto.conf") && reads("lacks.conf") && reads("conf.d/new.conf"));
        assert!(!reads("other.conf") && !reads("conf.d/new") && !reads("conf.d/deeper/new.conf"));
        let found = read.files;
        let names: Vec<&str> = found.iter().map(|file| file.name.to_str().unwrap()).collect();
        let expected = [
            "postgresql.conf",
            "conf.d/a.conf",
            "conf.d/deeper/c",
            "d.conf",
            "conf.d/b.conf",
            "own.conf",
            "postgresql.auto.conf",
        ];
        assert_eq!(names, expected);
        assert_eq!(found[4].neutralised.changes[0].name, "archive_command");
        assert!(found[0].is_main && !found[4].is_main);
    }
}
