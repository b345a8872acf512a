//! One call of rsync, as a value; and what its end means.

mod failure;
mod itemized;

use std::ffi::{OsStr, OsString};
use std::io::Write;

pub use failure::{Error, Failure, Reason};
pub use itemized::{Item, Itemized};

use super::endpoint::Location;
use super::filter::Filters;
use crate::sys::{Cancel, Command, Finished, Processes, process};

/// Variables that would change how rsync prints, names files or quotes for the other host.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("LC_ALL", "C"),
    ("TZ", "UTC0"),
    ("RSYNC_ICONV", ""),
    ("RSYNC_OLD_ARGS", ""),
    ("RSYNC_PROTECT_ARGS", ""),
];

/// A call of rsync: options, sources and a destination, of which either side may be on another host.
///
/// Versions from 3.0.0 on understand it, on both sides. Paths of any bytes arrive as they are: the arguments go
/// to the other side through the protocol instead of through the shell there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rsync {
    options: Vec<OsString>,
    locations: Vec<Location>,
    is_source_still: bool,
    path_prefix: Option<String>,
}

impl Rsync {
    /// rsync without options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks for rsync and ssh in the directories of `path_prefix` first.
    #[must_use]
    pub fn path_prefix(self, path_prefix: Option<&str>) -> Self {
        Self { path_prefix: path_prefix.map(Into::into), ..self }
    }

    /// Adds an option.
    #[must_use]
    pub fn option(mut self, option: impl Into<OsString>) -> Self {
        self.options.push(option.into());
        self
    }

    /// Adds options.
    #[must_use]
    pub fn options(mut self, options: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.options.extend(options.into_iter().map(Into::into));
        self
    }

    /// Adds an option if `wanted`.
    #[must_use]
    pub fn option_if(self, wanted: bool, option: &str) -> Self {
        if wanted { self.option(option) } else { self }
    }

    /// Adds an option with a value if there is one.
    #[must_use]
    pub fn value(self, option: &str, value: Option<impl AsRef<OsStr>>) -> Self {
        let Some(value) = value else { return self };
        let mut argument = OsString::from(format!("{option}="));
        argument.push(value);
        self.option(argument)
    }

    /// Restricts the copy to what `filters` let through.
    #[must_use]
    pub fn filters(self, filters: &Filters) -> Self {
        self.options(filters.arguments())
    }

    /// Reads the names of the files from standard input, each ended by a zero byte: see `run`.
    #[must_use]
    pub fn files_from_input(self) -> Self {
        self.options(["--files-from=-", "--from0"])
    }

    /// Says whether nobody changes the source meanwhile: then it is a failure when something vanishes or shrinks.
    #[must_use]
    pub fn still_source(self, is_source_still: bool) -> Self {
        Self { is_source_still, ..self }
    }

    /// Adds a source, or, after the sources, the destination.
    #[must_use]
    pub fn location(mut self, location: Location) -> Self {
        self.locations.push(location);
        self
    }

    /// The program and its arguments.
    pub fn to_command(&self) -> Command {
        let shell = self.locations.iter().find_map(Location::ssh).map(super::SshCommand::rsync_shell);
        let mut command = Command::new("rsync").path_prefix(self.path_prefix.as_deref());
        for (name, value) in ENVIRONMENT {
            command = command.env(name, value);
        }
        if let Some(shell) = shell {
            command = command.arg("-e").arg(shell).arg("--protect-args");
        }
        command.args(&self.options).args(self.locations.iter().map(Location::argument))
    }

    /// Runs it to the end, feeding it `input`, while `output` gets what it prints.
    ///
    /// Files that vanished or shrank while they were copied are no failure, unless the source is
    /// [still](Self::still_source): on a running server they come and go.
    pub fn run(
        &self,
        input: &[u8],
        output: &mut dyn Write,
        processes: &dyn Processes,
        cancel: &Cancel,
    ) -> Result<Finished, Error> {
        let command = self.to_command();
        tracing::debug!("running {}", command.display());
        let finished = match input {
            [] => processes.stream(&command, output, cancel),
            names => processes.exchange(&command, names, output, cancel),
        };
        failure::judge(finished?, self.is_source_still)
    }
}

impl From<process::Error> for Error {
    fn from(error: process::Error) -> Self {
        match error {
            process::Error::Cancelled(cancelled) => Self::Cancelled(cancelled),
            process::Error::NotFound(_) => Self::NotInstalled,
            other => Self::Process(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::transfer::{Endpoint, SshCommand};

    #[test]
    fn the_argument_vector_has_shell_options_and_locations() {
        let remote = Endpoint::Ssh(SshCommand::parse("ssh -p 22 pg").unwrap());
        let rsync = Rsync::new()
            .options(["-LKpt", "--inplace"])
            .option_if(true, "-z")
            .option_if(false, "-n")
            .value("--bwlimit", Some("100"))
            .value("--link-dest", None::<&Path>)
            .location(Location::inside(&remote, Path::new("/srv/pg")))
            .location(Location::inside(&Endpoint::Local, Path::new("/backup/base data")));
        let command = rsync.to_command();
        assert_eq!(command.program, "rsync");
        assert_eq!(
            command.args,
            [
                "-e",
                "ssh -p 22 pg -o BatchMode=yes -o StrictHostKeyChecking=no",
                "--protect-args",
                "-LKpt",
                "--inplace",
                "-z",
                "--bwlimit=100",
                " :/srv/pg/",
                "/backup/base data/"
            ]
        );
        assert!(command.envs.contains(&("TZ".into(), "UTC0".into())));
    }

    #[test]
    fn a_local_copy_needs_no_shell() {
        let rsync = Rsync::new()
            .location(Location::inside(&Endpoint::Local, Path::new("/a")))
            .location(Location::inside(&Endpoint::Local, Path::new("/b")));
        assert_eq!(rsync.to_command().args, ["/a/", "/b/"]);
    }

    /// A machine with nothing installed.
    struct Bare;

    impl Processes for Bare {
        fn stream(
            &self,
            command: &Command,
            _: &mut dyn Write,
            _: &Cancel,
        ) -> Result<Finished, process::Error> {
            Err(process::Error::NotFound(command.program.clone()))
        }

        fn feed(&self, command: &Command, _: &[u8], _: &Cancel) -> Result<Finished, process::Error> {
            Err(process::Error::NotFound(command.program.clone()))
        }

        fn spawn_detached(&self, _: &Command, _: bool) -> Result<(), process::Error> {
            Ok(())
        }
    }

    #[test]
    fn a_host_without_rsync_is_told_to_install_it() {
        for names in [&b""[..], b"PG_VERSION\0"] {
            let error = Rsync::new().run(names, &mut Vec::new(), &Bare, &Cancel::default()).unwrap_err();
            assert_eq!(
                error.to_string(),
                "program 'rsync' not found on this host: install rsync, or set 'path_prefix'"
            );
        }
    }
}
