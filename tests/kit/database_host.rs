//! PostgreSQL's host as the client programs see it: an ssh that leads to the backup host, and a `barman` there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::program::Program;
use super::{Outcome, Running, Site, Sshd, tools};

/// Whose `barman-wal-archive` and `barman-wal-restore` run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// Ours.
    Ours,
    /// Those of Barman 3.19.1.
    Reference,
    /// Those of Debian's `barman-cli` 3.4.0.
    Debian,
}

impl Clients {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ours, Self::Reference, Self::Debian];
}

/// The two hosts with what connects them.
pub struct DatabaseHost {
    dir: PathBuf,
}

impl DatabaseHost {
    /// Has `sshd` run the `barman` of `site` for whoever comes in. `dir` is for the programs.
    pub fn new(dir: &Path, sshd: &mut Sshd, site: &Site) -> Self {
        let host = Self { dir: dir.to_owned() };
        for name in ["bin", "there", "ours"] {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        host.serve_with(&tools::barman());
        for name in ["barman-wal-archive", "barman-wal-restore"] {
            symlink(env!("CARGO_BIN_EXE_barman"), dir.join("ours").join(name)).unwrap();
        }
        let config = site.dir().join("barman.conf");
        sshd.restart(&format!(
            "SetEnv PATH={}:/usr/bin:/bin BARMAN_CONFIG_FILE={} GNUPGHOME={}",
            dir.join("there").display(),
            config.display(),
            site.dir().join(".gnupg").display()
        ));
        let ssh = dir.join("bin/ssh");
        let script = format!("#!/bin/sh\nexec /usr/bin/{} \"$@\"\n", sshd.command().replace(" database", ""));
        tools::write_program(&ssh, &script);
        host
    }

    /// Has `program` be the `barman` of the backup host.
    pub fn serve_with(&self, program: &Path) {
        let link = self.dir.join("there/barman");
        let _ = fs::remove_file(&link);
        symlink(program, link).unwrap();
    }

    /// The `ssh` that leads to the backup host, which is called `database`.
    pub fn ssh(&self) -> PathBuf {
        self.dir.join("bin/ssh")
    }

    /// Runs a client program there, with the words that lead to server `main` put in for `@`.
    pub fn run(&self, clients: Clients, program: &str, words: &str) -> Outcome {
        self.program(clients, program, words).run()
    }

    /// Starts it; written as for [`DatabaseHost::run`].
    pub fn start(&self, clients: Clients, program: &str, words: &str) -> Running {
        self.program(clients, program, words).start()
    }

    fn program(&self, clients: Clients, program: &str, words: &str) -> Program {
        let words = shell_words::split(&words.replace('@', &Self::destination())).unwrap();
        Program::new(&self.client(clients, program), &self.dir).env("PATH", self.path()).args(words)
    }

    /// A command line for a setting of PostgreSQL, written as for [`DatabaseHost::run`].
    pub fn command(&self, clients: Clients, program: &str, words: &str) -> String {
        let (path, program) = (self.path(), self.client(clients, program));
        let words = words.replace('@', &Self::destination());
        format!("env PATH={path} {} {words}", program.display())
    }

    /// A `PATH` with our client programs, and with the ssh that leads to the backup host whatever its name is.
    pub fn search_path(&self) -> String {
        format!("{}:{}", self.dir.join("ours").display(), self.path())
    }

    fn destination() -> String {
        format!("-U {} database main", tools::user())
    }

    fn client(&self, clients: Clients, program: &str) -> PathBuf {
        match clients {
            Clients::Ours => self.dir.join("ours").join(program),
            Clients::Reference => tools::reference_program(program),
            Clients::Debian => tools::debian_program(program),
        }
    }

    fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.dir.join("bin").display())
    }
}
