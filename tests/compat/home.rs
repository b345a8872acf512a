//! A `barman_home` made of the sections of a case in `catalog/`; `record.py` explains them and makes the same one.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// A part of a case.
pub struct Section<'a> {
    /// The words of its heading.
    pub heading: &'a str,
    /// What is below.
    pub body: &'a str,
}

/// The parts of a case.
pub fn sections(text: &str) -> Vec<Section<'_>> {
    let marked: Vec<usize> = text.match_indices("\n-- ").map(|(at, _)| at + 1).collect();
    let ends = marked.iter().skip(1).copied().chain([text.len()]);
    let section = |(start, end): (usize, usize)| {
        let (heading, body) = text[start + 3..end].split_once('\n').unwrap();
        Section { heading, body }
    };
    marked.iter().copied().zip(ends).map(section).collect()
}

/// A `barman_home` as a case describes it.
pub struct Home {
    dir: tempfile::TempDir,
    /// For each server, the lines of its section beside those that all have.
    pub config: BTreeMap<String, String>,
}

impl Home {
    /// Makes the files that a case describes.
    pub fn build(sections: &[Section<'_>]) -> Self {
        let mut home = Self { dir: tempfile::tempdir().unwrap(), config: BTreeMap::new() };
        home.config.insert("main".into(), String::new());
        for section in sections {
            let words: Vec<&str> = section.heading.split(' ').collect();
            match words[..] {
                ["config", server] => drop(home.config.insert(server.into(), section.body.into())),
                ["backup", server, id] => home.backup(server, id, section.body),
                ["wals", server, first, count, size, time, every] => {
                    let (size, time): (u64, f64) = (size.parse().unwrap(), time.parse().unwrap());
                    let number = u32::from_str_radix(&first[16..], 16).unwrap();
                    for at in 0..count.parse().unwrap() {
                        let name = format!("{}{:08X}", &first[..16], number + at);
                        let time = time + f64::from(at) * every.parse::<f64>().unwrap();
                        home.wal(server, &name, size + u64::from(at), time, "None");
                    }
                }
                ["wal", server, name, size, time, compression] => {
                    home.wal(server, name, size.parse().unwrap(), time.parse().unwrap(), compression);
                }
                ["keep", server, id, target] => match target.strip_suffix(":old") {
                    Some(target) => home.put(&format!("{server}/base/{id}/annotations/keep"), target),
                    None => home.put(&format!("{server}/meta/{id}-keep"), target),
                },
                ["file", ..] => home.put(&section.heading[5..], section.body),
                ["dir", ..] => fs::create_dir_all(home.path(&section.heading[4..])).unwrap(),
                _ => {}
            }
        }
        for server in home.config.keys() {
            home.append(&format!("{server}/wals/{server}-xlog.db"), "");
        }
        home
    }

    /// A path in the directory of all servers.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join("home").join(path)
    }

    /// Writes the configuration that has the servers.
    #[allow(dead_code, reason = "not all tests run a program")]
    pub fn write_config(&self) -> PathBuf {
        let user = nix::unistd::User::from_uid(nix::unistd::Uid::effective()).unwrap().unwrap().name;
        let home = self.dir.path().join("home");
        let mut text = format!(
            "[barman]\nbarman_home = {}\nbarman_user = {user}\nlog_file = {}\n",
            home.display(),
            self.dir.path().join("log").display()
        );
        for (name, lines) in &self.config {
            text += &include_str!("server.conf").replace("{name}", name);
            text += lines;
        }
        let path = self.dir.path().join("barman.conf");
        fs::write(&path, text).unwrap();
        path
    }

    /// What lies in some directories: files, empty directories, and what small texts say.
    #[allow(dead_code, reason = "not all tests look at what is left")]
    pub fn tree(&self, dirs: &[&str]) -> String {
        let mut lines = Vec::new();
        dirs.iter().for_each(|dir| self.list(dir, &mut lines));
        lines.sort();
        let mut text = String::new();
        for path in lines.iter().filter(|path| !path.ends_with(".idx")) {
            text += &format!("{path}\n");
            let ends = ["xlog.db", ".auto", ".conf", "backup_manifest", ".signal"];
            let is_text = ends.iter().any(|end| path.ends_with(end)) || path.contains("/meta/");
            let is_text = is_text && !path.ends_with('/');
            let content = if is_text { fs::read_to_string(self.path(path)).unwrap() } else { String::new() };
            content.lines().for_each(|line| text += &format!("    {line}\n"));
        }
        text
    }

    fn list(&self, dir: &str, lines: &mut Vec<String>) {
        let entries: Vec<_> = fs::read_dir(self.path(dir)).unwrap().map(Result::unwrap).collect();
        if entries.is_empty() {
            lines.push(format!("{dir}/"));
        }
        for entry in entries {
            let path = format!("{dir}/{}", entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true => self.list(&path, lines),
                false => lines.push(path),
            }
        }
    }

    fn put(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn append(&self, path: &str, content: &str) {
        let old = fs::read_to_string(self.path(path)).unwrap_or_default();
        self.put(path, &(old + content));
    }

    fn backup(&self, server: &str, id: &str, changes: &str) {
        let default = include_str!("catalog/default.info");
        let mut fields: BTreeMap<&str, &str> =
            default.lines().filter_map(|line| line.split_once('=')).collect();
        fields.insert("server_name", server);
        for line in changes.lines() {
            match line.split_once('=') {
                Some((name, value)) => drop(fields.insert(name, value)),
                None => drop(fields.remove(line)),
            }
        }
        let record: String = fields.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        self.put(&format!("{server}/meta/{id}-backup.info"), &record);
        self.put(&format!("{server}/base/{id}/data/PG_VERSION"), "17\n");
    }

    fn wal(&self, server: &str, name: &str, size: u64, time: f64, compression: &str) {
        let place = if name.ends_with(".history") { String::new() } else { format!("{}/", &name[..16]) };
        let path = format!("{server}/wals/{place}{name}");
        if !self.path(&path).exists() {
            self.put(&path, "");
            fs::File::create(self.path(&path)).unwrap().set_len(size).unwrap();
        }
        let line = format!("{name}\t{size}\t{time:?}\t{compression}\tNone\n");
        self.append(&format!("{server}/wals/{server}-xlog.db"), &line);
    }
}
