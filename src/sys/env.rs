//! The environment variables the program was started with.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// The value of `name`; unset, empty and not UTF-8 are all `None`.
pub fn var(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The value of `name`, of any bytes.
pub fn var_os(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The home directory: `HOME`, set anew when the user is switched.
pub fn home() -> Option<PathBuf> {
    var_os("HOME").map(PathBuf::from)
}

/// The words of the command line, the program's name first.
pub fn args() -> Vec<OsString> {
    env::args_os().collect()
}

/// The path of the running program, to start it again for background work.
pub fn current_exe() -> std::io::Result<PathBuf> {
    env::current_exe()
}

/// The directory that relative paths start from.
pub fn current_dir() -> std::io::Result<PathBuf> {
    env::current_dir()
}

/// Expands a leading `~/` with the home directory, as Barman does for paths in the configuration.
pub fn expand_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

/// The name of this host.
pub fn hostname() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
