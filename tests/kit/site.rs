//! A backup host: barman.conf, barman_home, and the person who types commands there.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::program::{Outcome, PASSWORD, Program, Running};
use super::tools;

/// The configuration of one server, `main`, and what Barman keeps for it.
pub struct Site {
    dir: PathBuf,
    settings: BTreeMap<&'static str, String>,
    more: String,
    path: String,
}

impl Site {
    /// A site in `dir`, with the settings that every story starts from.
    pub fn new(dir: &Path) -> Self {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin", dir.join("bin").display());
        let mut site = Self { dir: dir.into(), settings: BTreeMap::new(), more: String::new(), path };
        for path in [site.home(), site.incoming(), dir.join("bin")] {
            fs::create_dir_all(path).unwrap();
        }
        let passfile = dir.join(".pgpass");
        fs::write(&passfile, format!("*:*:*:barman:{PASSWORD}\n")).unwrap();
        fs::set_permissions(&passfile, fs::Permissions::from_mode(0o600)).unwrap();
        site.set("description", "Main PostgreSQL Database");
        site.set("conninfo", "host=127.0.0.1 port=1 user=barman dbname=postgres");
        site.set("ssh_command", "ssh nowhere");
        site.set("backup_method", "rsync");
        site.set("backup_options", "concurrent_backup");
        site.set("reuse_backup", "link");
        site.set("archiver", "on");
        site.set("parallel_jobs", "2");
        site
    }

    /// The user's home, where relative paths of commands start.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// barman_home.
    pub fn home(&self) -> PathBuf {
        self.dir.join("barman")
    }

    /// The directory of server `main`.
    pub fn server_dir(&self) -> PathBuf {
        self.home().join("main")
    }

    /// Where `archive_command` puts WAL.
    pub fn incoming(&self) -> PathBuf {
        self.server_dir().join("incoming")
    }

    /// The index of the WAL archive.
    pub fn xlogdb(&self) -> PathBuf {
        self.server_dir().join("wals/main-xlog.db")
    }

    /// The WAL archive's place for a segment or another WAL file.
    pub fn archived(&self, name: &str) -> PathBuf {
        let hash = if name.ends_with(".history") { "" } else { &name[..16] };
        self.server_dir().join("wals").join(hash).join(name)
    }

    /// Sets a setting of server `main`.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.settings.insert(name, value.into());
        self.write_configuration();
    }

    /// Adds sections to the configuration.
    pub fn add(&mut self, sections: &str) {
        self.more.push_str(sections);
        self.write_configuration();
    }

    /// Takes a setting of server `main` away.
    pub fn unset(&mut self, name: &str) {
        self.settings.remove(name);
        self.write_configuration();
    }

    /// Leaves barman only the programs in `bin` of the home directory, and those it links to.
    pub fn hide_all_programs_but(&mut self, names: &[&str]) {
        for name in names {
            let original = ["/usr/bin", "/bin"].map(|dir| Path::new(dir).join(name));
            let original = original.into_iter().find(|path| path.exists()).unwrap();
            std::os::unix::fs::symlink(original, self.dir.join("bin").join(name)).unwrap();
        }
        self.path = self.dir.join("bin").to_str().unwrap().into();
    }

    /// Runs the program under test; `words` are typed as in a shell.
    pub fn barman(&self, words: &str) -> Outcome {
        self.command(&tools::barman(), words).run()
    }

    /// Runs Barman 3.19.1 on the same configuration.
    pub fn reference(&self, words: &str) -> Outcome {
        self.command(&tools::reference_barman(), words).run()
    }

    /// Starts the program under test and does not wait.
    pub fn start_barman(&self, words: &str) -> Running {
        self.command(&tools::barman(), words).start()
    }

    /// Starts Barman 3.19.1 and does not wait.
    pub fn start_reference(&self, words: &str) -> Running {
        self.command(&tools::reference_barman(), words).start()
    }

    fn command(&self, program: &Path, words: &str) -> Program {
        Program::new(program, &self.dir)
            .env("PATH", &self.path)
            .env("BARMAN_CONFIG_FILE", self.dir.join("barman.conf"))
            .args(shell_words::split(words).unwrap())
    }

    /// The identifiers of the backups that have a record, newest first.
    pub fn backups(&self) -> Vec<String> {
        let names = fs::read_dir(self.server_dir().join("meta")).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().into_string().unwrap());
        let mut ids: Vec<_> =
            names.filter_map(|name| Some(name.strip_suffix("-backup.info")?.into())).collect();
        ids.sort();
        ids.reverse();
        ids
    }

    /// The place of a backup's record.
    pub fn record(&self, id: &str) -> PathBuf {
        self.server_dir().join(format!("meta/{id}-backup.info"))
    }

    /// A field of a backup's record, as it is written there.
    pub fn field(&self, id: &str, name: &str) -> String {
        let record = fs::read_to_string(self.record(id)).unwrap();
        let value = record.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        value.unwrap_or_else(|| panic!("no {name} in the record:\n{record}")).to_owned()
    }

    /// The directory with the files of a backup.
    pub fn backup_dir(&self, id: &str) -> PathBuf {
        self.server_dir().join("base").join(id)
    }

    /// The names in the index of the WAL archive, in its order.
    pub fn indexed_wal(&self) -> Vec<String> {
        let index = fs::read_to_string(self.xlogdb()).unwrap_or_default();
        index.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect()
    }

    /// What was written to the log file so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("barman.log")).unwrap_or_default()
    }

    fn write_configuration(&self) {
        let (user, dir) = (tools::user(), self.dir.display());
        let mut text = format!(
            "[barman]\nbarman_user = {user}\nbarman_home = {dir}/barman\nlog_file = {dir}/barman.log\n\
             log_level = DEBUG\n\n[main]\n"
        );
        for (name, value) in &self.settings {
            text.push_str(&format!("{name} = {value}\n"));
        }
        fs::write(self.dir.join("barman.conf"), text + &self.more).unwrap();
    }
}
