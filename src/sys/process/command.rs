use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process;

use crate::sys::env;

/// A program with its arguments and environment, as a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program, found on `PATH` when it has no slash.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables set for it, beside our own environment.
    pub envs: Vec<(OsString, OsString)>,
    /// Where it runs, if not where we do.
    pub dir: Option<PathBuf>,
}

impl Command {
    /// A program without arguments.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self { program: program.into(), args: Vec::new(), envs: Vec::new(), dir: None }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.envs.push((name.into(), value.into()));
        self
    }

    /// Has it run in a directory.
    #[must_use]
    pub fn in_dir(self, dir: impl Into<PathBuf>) -> Self {
        Self { dir: Some(dir.into()), ..self }
    }

    /// Puts the directories of `prefix` (colon-separated) before our `PATH`, as `path_prefix` asks.
    #[must_use]
    pub fn path_prefix(self, prefix: Option<&str>) -> Self {
        let Some(prefix) = prefix else { return self };
        let mut path = OsString::from(prefix);
        if let Some(own) = env::var_os("PATH") {
            path.push(":");
            path.push(own);
        }
        self.env("PATH", path)
    }

    /// The command as a person would type it, for messages and the log.
    pub fn display(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.args).map(|word| word.to_string_lossy());
        words.map(|word| shell_words::quote(&word).into_owned()).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn to_std(&self) -> process::Command {
        let mut command = process::Command::new(&self.program);
        command.args(&self.args).envs(self.envs.iter().map(|(name, value)| (name, value)));
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }
}

/// Whether `program` is found as `Command` would find it.
pub fn find_program(program: &OsStr, path_prefix: Option<&str>) -> Option<PathBuf> {
    if PathBuf::from(program).components().count() > 1 {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let prefix = path_prefix.map(OsString::from).unwrap_or_default();
    let directories = std::env::split_paths(&prefix).chain(std::env::split_paths(&path)).collect::<Vec<_>>();
    directories.into_iter().map(|directory| directory.join(program)).find(|path| path.is_file())
}
