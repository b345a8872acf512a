//! Servers must not share directories: what one deletes would be another's.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

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
const LABELS: [&str; 6] = [
    "backup_directory",
    "basebackups_directory",
    "errors_directory",
    "incoming_wals_directory",
    "streaming_wals_directory",
    "wals_directory",
];

/// Looks for directories that are the same when all links are followed, those that do not exist yet included.
pub(super) fn find_conflicts(servers: &BTreeMap<String, ServerConfig>, files: &Files) -> Conflicts {
    let mut resolver = Resolver { files, known: HashMap::new() };
    let mut owners: HashMap<PathBuf, (&str, &str)> = HashMap::new();
    let mut conflicts = Conflicts::default();
    for server in servers.values() {
        for (label, path) in directories(server) {
            let real = resolver.resolve(&path);
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

fn directories(server: &ServerConfig) -> impl Iterator<Item = (&'static str, PathBuf)> {
    let mut directories = server.directories();
    LABELS.into_iter().filter_map(move |label| {
        let index = directories.iter().position(|(name, _)| *name == label)?;
        Some(directories.swap_remove(index))
    })
}

/// Follows links, and remembers the directories it has seen: thousands of paths share their beginnings.
struct Resolver<'a> {
    files: &'a Files,
    known: HashMap<PathBuf, PathBuf>,
}

impl Resolver<'_> {
    /// The absolute path without links; the part that does not exist stays as it is.
    fn resolve(&mut self, path: &Path) -> PathBuf {
        let mut start = PathBuf::from("/");
        if path.is_relative() {
            start = env::current_dir().unwrap_or(start);
        }
        self.walk(start, path, 0)
    }

    fn walk(&mut self, start: PathBuf, path: &Path, links: u32) -> PathBuf {
        /// As many as the kernel follows.
        const MAX_LINKS: u32 = 40;
        let mut real = start;
        for component in path.components() {
            match component {
                Component::RootDir => real = PathBuf::from("/"),
                Component::CurDir | Component::Prefix(_) => {}
                Component::ParentDir => {
                    real.pop();
                }
                Component::Normal(name) if links < MAX_LINKS => {
                    real = self.enter(&real, name.to_owned(), links)
                }
                Component::Normal(name) => real.push(name),
            }
        }
        real
    }

    /// The real path of an entry of a real directory.
    fn enter(&mut self, dir: &Path, name: OsString, links: u32) -> PathBuf {
        let path = dir.join(name);
        if let Some(real) = self.known.get(&path) {
            return real.clone();
        }
        let real = match self.files.read_link(&path) {
            Ok(Some(target)) => self.walk(dir.to_owned(), &target, links + 1),
            Ok(None) | Err(_) => path.clone(),
        };
        self.known.insert(path, real.clone());
        real
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(path: &Path) -> PathBuf {
        let files = Files::default();
        Resolver { files: &files, known: HashMap::new() }.resolve(path)
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
