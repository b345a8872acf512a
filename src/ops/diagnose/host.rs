//! What a host says about itself.

use serde_json::{Map, Value, json};

use crate::ops::{Error, Server};
use crate::sys::{Command, Context, process};
use crate::transfer::{SshCommand, ssh};

/// Whom to ask.
pub enum Host {
    /// This one.
    Here,
    /// The one behind ssh.
    There(SshCommand),
}

/// Asks the host of PostgreSQL.
///
/// # Errors
/// When there is no way to get there.
pub fn describe_remote(server: &Server<'_>) -> Result<Map<String, Value>, Error> {
    let ssh = server.ssh()?;
    // Without a connection there is one error instead of one for each question.
    ssh.run(["true"], &server.context)?;
    describe(&Host::There(ssh), &server.context)
}

/// Asks the host for its system and for the programs that backups need; `null` where it has none.
pub fn describe(host: &Host, context: &Context) -> Result<Map<String, Value>, Error> {
    let ask = |words: &[&str]| host.ask(words, context);
    // None runs us; on the other side, Barman may.
    let python = match host {
        Host::Here => [None, None],
        Host::There(_) => [ask(&["command", "-v", "python3"])?, ask(&["python3", "--version"])?],
    };
    let release = ask(&["lsb_release", "-a"])?;
    let release = if release.is_none() { ask(&["cat", "/etc/os-release"])? } else { release };
    let first_line = |text: Option<String>| text.and_then(|text| text.lines().next().map(str::to_owned));
    let described = [
        ("kernel_ver", ask(&["uname", "-a"])?),
        ("python_executable", python[0].clone()),
        ("python_ver", python[1].clone()),
        ("release", release),
        ("rsync_ver", first_line(ask(&["rsync", "--version"])?)),
        ("ssh_ver", first_line(ask(&["ssh", "-V"])?)),
    ];
    Ok(described.into_iter().map(|(name, text)| (name.to_owned(), json!(text))).collect())
}

impl Host {
    /// What a program says there, on standard error (as `ssh -V` does) if not on standard output; nothing when it
    /// fails or is not there.
    fn ask(&self, words: &[&str], context: &Context) -> Result<Option<String>, Error> {
        let finished = match self {
            Self::Here => {
                let command = Command::new(words[0]).args(&words[1..]);
                context.processes.run(&command, &context.cancel).map_err(ssh::Error::from)
            }
            Self::There(ssh) => ssh.run(words, context),
        };
        let finished = match finished {
            Ok(finished) if finished.success() => finished,
            Ok(_) | Err(ssh::Error::Process(process::Error::NotFound(_))) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let said = String::from_utf8_lossy(&finished.stdout).trim_end().to_owned();
        Ok(Some(if said.is_empty() { finished.stderr_text() } else { said }))
    }
}
