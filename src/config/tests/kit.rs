//! Configurations for the tests of all modules.

use std::path::Path;

use crate::config::{Config, Error, MainFile, ServerConfig};
use crate::sys::Files;

/// A server that nothing is wrong with, but for what a test adds.
pub const READY: &str =
    "conninfo = host=pg\nssh_command = ssh pg\nbackup_options = concurrent_backup\narchiver = on\n";

/// A directory with files in it, `@HOME@` in them being the directory.
pub struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    pub fn with(files: &[(&str, &str)]) -> Self {
        // In memory where possible: tests that crash at every step sync thousands of files.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let home = Self { dir };
        for (name, text) in files {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text.replace("@HOME@", home.path().to_str().unwrap())).unwrap();
        }
        home
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Loads the configuration whose main file is `main`.
    pub fn load(&self, main: &str) -> Result<Config, Error> {
        let files = Files::default();
        MainFile::load(&self.path().join(main), &files)?.load_servers(&files)
    }
}

/// The server `main` that is ready and sets `text`; its directories are below `barman_home`.
pub fn server(barman_home: &Path, text: &str) -> ServerConfig {
    let barman_home = barman_home.display();
    let home = Home::with(&[(
        "barman.conf",
        &format!("[barman]\nbarman_home = {barman_home}\n[main]\n{READY}{text}"),
    )]);
    home.load("barman.conf").unwrap().servers.remove("main").unwrap()
}
