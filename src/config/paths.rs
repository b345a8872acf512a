//! Servers must not share directories: what one deletes would be another's.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use super::schema::{Key, key};
use super::server::ServerConfig;
use crate::sys::{Files, env};

/// Directories that meet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Conflicts {
    /// Two of one server: its name, and the message. The server cannot work.
    pub within: Vec<(String, String)>,
    /// Of two servers. No server can be worked with.
    pub between: Vec<String>,
}

/// The options whose directories belong to one server and purpose, in the order they are looked at.
const DIRECTORIES: [Key; 6] = [
    key!("backup_directory"),
    key!("basebackups_directory"),
    key!("errors_directory"),
    key!("incoming_wals_directory"),
    key!("streaming_wals_directory"),
    key!("wals_directory"),
];

/// Looks for directories that are the same when all links are followed, those that do not exist yet included.
pub(super) fn find_conflicts(servers: &BTreeMap<String, ServerConfig>, files: &Files) -> Conflicts {
    let mut resolver = Resolver { files, known: HashMap::new(), links: 0 };
    let mut owners: HashMap<PathBuf, (&str, &str)> = HashMap::new();
    let mut conflicts = Conflicts::default();
    for server in servers.values() {
        for (label, path) in directories(server) {
            let real = resolver.resolve(path);
            let Some((owner, other)) = owners.get(&real) else {
                owners.insert(real, (server.name(), label));
                continue;
            };
            let shown = path.display();
            let shown = match real == path {
                true => shown.to_string(),
                false => format!("{shown} (symlink to: {})", real.display()),
            };
            let (name, conflict) = (server.name(), format!("Conflicting path: {label}={shown}"));
            if *owner == name {
                let message = format!("{conflict} conflicts with '{other}' for server '{name}'");
                conflicts.within.push((name.to_owned(), message));
            } else {
                let message =
                    format!("{conflict} for server '{name}' conflicts with '{other}' for server '{owner}'");
                conflicts.between.push(message);
            }
        }
    }
    conflicts
}

fn directories(server: &ServerConfig) -> impl Iterator<Item = (&'static str, &Path)> {
    let set = DIRECTORIES.into_iter().filter_map(|key| Some((key.name(), server.value(key).as_text()?)));
    set.filter(|(_, path)| !path.contains("://")).map(|(label, path)| (label, Path::new(path)))
}

/// Follows links, and remembers the directories it has seen: thousands of paths share theirs.
struct Resolver<'a> {
    files: &'a Files,
    /// The real path of each directory, by the path it was asked for.
    known: HashMap<OsString, PathBuf>,
    /// How many links the path at hand has led through.
    links: u32,
}

impl Resolver<'_> {
    /// The absolute path without links; the part that does not exist stays as it is.
    fn resolve(&mut self, path: &Path) -> PathBuf {
        let mut start = PathBuf::from("/");
        if path.is_relative() {
            start = env::current_dir().unwrap_or(start);
        }
        self.links = 0;
        self.resolve_from(&start, path)
    }

    fn resolve_from(&mut self, start: &Path, path: &Path) -> PathBuf {
        let Some(last) = path.components().next_back() else { return start.to_owned() };
        let dir = match path.parent() {
            Some(parent) => self.resolve_dir(start, parent),
            None => start.to_owned(),
        };
        match last {
            Component::RootDir => PathBuf::from("/"),
            Component::CurDir | Component::Prefix(_) => dir,
            Component::ParentDir => parent(&dir).to_owned(),
            Component::Normal(name) => self.follow(&dir, name),
        }
    }

    fn resolve_dir(&mut self, start: &Path, dir: &Path) -> PathBuf {
        if dir.is_relative() {
            return self.resolve_from(start, dir);
        }
        if let Some(real) = self.known.get(dir.as_os_str()) {
            return real.clone();
        }
        let real = self.resolve_from(start, dir);
        self.known.insert(dir.as_os_str().to_owned(), real.clone());
        real
    }

    /// The real path of an entry of a real directory.
    fn follow(&mut self, dir: &Path, name: &OsStr) -> PathBuf {
        /// As many as the kernel follows.
        const MAX_LINKS: u32 = 40;
        let path = dir.join(name);
        match self.files.read_link(&path) {
            Ok(Some(target)) if self.links < MAX_LINKS => {
                self.links += 1;
                self.resolve_from(dir, &target)
            }
            _ => path,
        }
    }
}

/// The root directory is its own parent.
fn parent(dir: &Path) -> &Path {
    dir.parent().unwrap_or(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(path: &Path) -> PathBuf {
        let files = Files::default();
        Resolver { files: &files, known: HashMap::new(), links: 0 }.resolve(path)
    }

    #[test]
    fn links_are_followed_even_into_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, home.join(name)).unwrap();
        link("real", "one");
        link("one/below", "two");
        link("loop", "loop");
        assert_eq!(resolved(&home.join("one/x")), home.join("real/x"));
        assert_eq!(resolved(&home.join("two")), home.join("real/below"));
        assert_eq!(resolved(&home.join("absent/../one/./x/")), home.join("real/x"));
        assert!(resolved(&home.join("loop/x")).starts_with(&home));
    }

    #[test]
    fn relative_paths_start_where_we_are() {
        assert_eq!(resolved(Path::new("./a/../b")), std::env::current_dir().unwrap().join("b"));
    }
}
