//! Finding and reading the files, in two steps: the main file first, so that user and log are known, then the
//! servers.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Config;
use super::error::Error;
use super::global::{self, Global};
use super::model::Model;
use super::notice::{Audience, Notice};
use super::paths;
use super::raw::Format;
use super::sections::{GLOBAL, Origin, Sections};
use super::server::{self, ServerConfig, build};
use super::written::Written;
use crate::sys::{Files, Severity, env};

/// The file that `config-update` writes into `barman_home`.
const AUTOMATIC_FILE: &str = ".barman.auto.conf";

/// Where a main file is looked for; a leading `~/` is the home directory.
const USUAL_PLACES: [&str; 6] = [
    "~/.barman.conf",
    "/etc/barman.conf",
    "/etc/barman/barman.conf",
    "~/.barman.toml",
    "/etc/barman.toml",
    "/etc/barman/barman.toml",
];

/// The main configuration file, read.
pub struct MainFile {
    global: Global,
    sections: Sections,
    warnings: Vec<Notice>,
}

impl MainFile {
    /// The path of the main file: the one asked for, or the one in `BARMAN_CONFIG_FILE`, which must exist, or the
    /// first of the usual places that can be read.
    pub fn find(explicit: Option<&Path>, files: &Files) -> Result<PathBuf, Error> {
        let asked =
            explicit.map(Path::to_owned).or_else(|| env::var_os("BARMAN_CONFIG_FILE").map(PathBuf::from));
        find_in(asked, &USUAL_PLACES.map(env::expand_home), files)
    }

    /// Reads the main file at `path`.
    pub fn load(path: &Path, files: &Files) -> Result<Self, Error> {
        let real_path = expanded(path);
        let format = Format::of(&real_path);
        let mut sections = Sections::default();
        sections.merge(format.read(&real_path, &files.read(&real_path)?)?, format, Origin::Main)?;
        let section = sections.get(GLOBAL).ok_or_else(|| Error::NoGlobalSection(path.to_owned()))?;
        let mut warnings = Vec::new();
        let global = global::load(path, section, &mut warnings)?;
        if global.configuration_files_directory.as_deref() != real_path.parent() {
            warnings.extend(unread_neighbour(&real_path, files));
        }
        Ok(Self { global, sections, warnings })
    }

    /// The settings of the installation.
    pub fn global(&self) -> &Global {
        &self.global
    }

    /// Reads the other files and makes the servers.
    pub fn load_servers(mut self, files: &Files) -> Result<Config, Error> {
        self.load_directory(files)?;
        self.load_automatic_file(files)?;
        let global = self.sections.get(GLOBAL).expect("a main file without the section is not loaded");
        let home = self.global.barman_home.to_string_lossy();
        let build::Built { mut servers, models, notices } = build::build(&self.sections, global, &home)?;
        let mut warnings = self.warnings;
        warnings.extend(notices);

        let conflicts = paths::find_conflicts(&servers, files);
        for (name, message) in conflicts.within {
            if let Some(server) = servers.get_mut(&name) {
                server.disable(message);
            }
        }
        for server in servers.values_mut() {
            adopt_active_model(server, &models, files, &mut warnings);
        }
        for server in servers.values_mut() {
            server::finish(server, &mut warnings);
            let mut of_server = Vec::new();
            server::check(server, &mut of_server);
            warnings.extend(of_server.into_iter().map(|notice| notice.of_server(server.name())));
        }
        Ok(Config { global: self.global, servers, models, warnings, conflicts: conflicts.between })
    }

    /// Reads the other files, for what they say and where.
    pub fn load_written(mut self, files: &Files) -> Result<Written, Error> {
        self.load_directory(files)?;
        self.load_automatic_file(files)?;
        Ok(Written::new(self.sections, self.global.barman_home.join(AUTOMATIC_FILE)))
    }

    fn load_directory(&mut self, files: &Files) -> Result<(), Error> {
        let Some(dir) = self.global.configuration_files_directory.clone() else { return Ok(()) };
        if !files.is_dir(&dir) {
            let shown = dir.display();
            self.warnings.push(Notice::log_warning(format!(
                "Ignoring the \"configuration_files_directory\" option as \"{shown}\" is not a directory"
            )));
            return Ok(());
        }
        for entry in files.list(&dir)? {
            if is_configuration(&entry.name) {
                self.load_further(&entry.path, Origin::Included, files)?;
            }
        }
        Ok(())
    }

    fn load_automatic_file(&mut self, files: &Files) -> Result<(), Error> {
        let path = self.global.barman_home.join(AUTOMATIC_FILE);
        match files.exists(&path)? {
            true => self.load_further(&path, Origin::Automatic, files),
            false => Ok(()),
        }
    }

    fn load_further(&mut self, path: &Path, origin: Origin, files: &Files) -> Result<(), Error> {
        let is_file = match files.metadata(path) {
            Err(error) if error.is_not_found() => false,
            metadata => metadata?.is_file(),
        };
        if !is_file {
            let name = path.file_name().unwrap_or_default().display();
            let warning = format!("Discarding configuration file: {name} (not a file)");
            self.warnings.push(Notice::log_warning(warning));
            return Ok(());
        }
        let format = Format::of(path);
        self.sections.merge(format.read(path, &files.read(path)?)?, format, origin)
    }
}

fn find_in(asked: Option<PathBuf>, usual: &[PathBuf], files: &Files) -> Result<PathBuf, Error> {
    if let Some(path) = asked {
        return match files.metadata(&expanded(&path)) {
            Ok(_) => Ok(path),
            Err(error) if error.is_not_found() => Err(Error::NotFound(path)),
            Err(error) => Err(error.into()),
        };
    }
    let found = usual.iter().find(|path| files.open(path).is_ok());
    found.cloned().ok_or_else(|| Error::NoneFound(usual.to_vec()))
}

fn expanded(path: &Path) -> PathBuf {
    path.to_str().map_or_else(|| path.to_owned(), env::expand_home)
}

/// A `barman.toml` next to the `barman.conf` that was read: only one of them is the main file.
fn unread_neighbour(path: &Path, files: &Files) -> Option<Notice> {
    let neighbour = path.with_extension("toml");
    let is_unread = neighbour != path && files.exists(&neighbour).unwrap_or(false);
    is_unread.then(|| {
        let (neighbour, path) = (neighbour.display(), path.display());
        Notice::warning(format!("'{neighbour}' is not read, because '{path}' is the main configuration file"))
    })
}

/// Whether a file of the configuration directory is one: `*.conf` or `*.toml`, not hidden.
fn is_configuration(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    !name.starts_with(b".") && (name.ends_with(b".conf") || name.ends_with(b".toml"))
}

/// Lays the model over the server that its file names.
fn adopt_active_model(
    server: &mut ServerConfig,
    models: &BTreeMap<String, Model>,
    files: &Files,
    warnings: &mut Vec<Notice>,
) {
    let content = match files.read_if_exists(&server.active_model_file()) {
        Ok(content) => String::from_utf8_lossy(&content.unwrap_or_default()).trim().to_owned(),
        Err(error) => return server.disable(format!("{error}: {}", error.source)),
    };
    if content.is_empty() {
        return;
    }
    let (name, model_name) = (server.name().to_owned(), content);
    let Some(model) = models.get(&model_name) else {
        return server.disable(format!(
            "Model '{model_name}' is set as the active model for the server '{name}' but the model does not exist."
        ));
    };
    let (wanted, own) = (model.cluster().to_owned(), server.cluster().to_owned());
    if wanted != own {
        let error = format!(
            "Model '{model_name}' has 'cluster={wanted}', which is not compatible with 'cluster={own}' from server \
             '{name}'"
        );
        warnings.push(Notice::new(Severity::Error, Audience::Everyone, error).at(model.place()));
        return;
    }
    server.adopt(model);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_usual_place_that_can_be_read_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two, three] = ["one", "two", "three"].map(|name| dir.path().join(name));
        std::fs::write(&two, "").unwrap();
        std::fs::write(&three, "").unwrap();
        let usual = [one.clone(), two.clone(), three];
        let files = Files::default();
        assert_eq!(find_in(None, &usual, &files).unwrap(), two);
        let said = |asked, usual: &[PathBuf]| find_in(asked, usual, &files).unwrap_err().to_string();
        assert!(said(Some(one.clone()), &usual).ends_with("one' does not exist"));
        assert!(said(None, &[one]).starts_with("no configuration file found, looked for '"));
    }
}
