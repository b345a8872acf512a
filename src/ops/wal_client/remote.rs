use std::fmt;
use std::io::Write;

use super::{Channel, Error};
use crate::sys::process::NOT_CONNECTED;
use crate::sys::{Command, Context, Finished};

/// The Barman on the other side of ssh.
#[derive(Debug, Clone)]
pub struct Remote {
    /// Its host.
    pub host: String,
    /// The user there.
    pub user: String,
    /// The port of sshd there, unless ssh knows.
    pub port: Option<u16>,
    /// Its configuration file, unless it finds that by itself.
    pub config: Option<String>,
    /// The server there.
    pub server: String,
    /// The connection that its commands share; without, each makes its own.
    pub channel: Option<Channel>,
}

/// What a Barman on the other side is asked: the words behind its name, as the shell there gets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question(Vec<String>);

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "barman {}", self.0.join(" "))
    }
}

/// What WAL is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireForm {
    /// As PostgreSQL writes it.
    Plain,
    /// Compressed by the other side.
    Gzip,
    /// Compressed by the other side.
    Bzip2,
    /// As the other side has it.
    AsStored,
}

impl WireForm {
    fn option(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => " --gzip",
            Self::Bzip2 => " --bzip2",
            Self::AsStored => " --keep-compression",
        }
    }
}

// Whoever lets these keys run certain commands only has written down what the Python programs send: the text that the
// other side gets is theirs to the letter.
impl Remote {
    /// Asks a question through the connection that the commands share, if they do, and once more without it: it may
    /// have died unnoticed. Gives what came of it beside the end of the command.
    ///
    /// # Errors
    /// When ssh does not get through.
    pub fn ask_by<T>(
        &self,
        context: &Context,
        ask: impl Fn(&Self) -> Result<(Finished, T), Error>,
    ) -> Result<(Finished, T), Error> {
        let shared = self.channel.as_ref().map(|channel| channel.open(self, context)).transpose()?;
        let (mut finished, mut answer) = ask(self)?;
        if shared.is_some() && finished.code == NOT_CONNECTED {
            (finished, answer) = ask(&Self { channel: None, ..self.clone() })?;
        }
        Ok((self.reached(finished)?, answer))
    }

    /// Has `question` answered, through the connection that is shared if one is.
    pub fn stream(
        &self,
        context: &Context,
        question: &Question,
        stdout: &mut dyn Write,
    ) -> Result<Finished, Error> {
        let Context { processes, cancel, .. } = context;
        Ok(match &self.channel {
            Some(channel) => channel.run(&question.to_string(), stdout, cancel)?,
            None => processes.stream(&self.ssh(question), stdout, cancel)?,
        })
    }

    /// Has `question` answered through a connection of its own.
    ///
    /// # Errors
    /// When ssh does not get through.
    pub fn run(&self, context: &Context, question: &Question) -> Result<Finished, Error> {
        self.reached(context.processes.run(&self.ssh(question), &context.cancel)?)
    }

    /// What has WAL taken in.
    pub fn put_wal(&self, test: bool) -> Question {
        let config = self.config.as_deref().map(|path| format!("--config={}", quoted(path)));
        let test = test.then(|| "--test".to_owned());
        let words = config.into_iter().chain(["put-wal".to_owned(), plain_or_quoted(&self.server)]);
        Question(words.chain(test).collect())
    }

    /// What has `name` handed out.
    pub fn get_wal(&self, name: &str, form: WireForm, partial: bool) -> Question {
        let partial = if partial { " --partial" } else { "" };
        self.ask(&format!("get-wal{}{partial}", form.option()), name)
    }

    /// What lists the segments from `name` on, at most `limit`.
    pub fn peek(&self, name: &str, limit: usize) -> Question {
        self.ask(&format!("get-wal --peek '{limit}'"), name)
    }

    /// What tells whether WAL could be had.
    pub fn test_get_wal(&self) -> Question {
        self.ask("get-wal --test", "dummy_wal_name")
    }

    fn ask(&self, question: &str, name: &str) -> Question {
        let config = self.config.as_deref().map(|path| format!("--config {}", plain_or_quoted(path)));
        let question = format!("{question} {} {}", quoted(&self.server), quoted(name));
        Question(config.into_iter().chain([question]).collect())
    }

    /// ssh that never asks for anything, and tells why it failed but nothing else.
    pub(super) fn ssh(&self, question: &Question) -> Command {
        self.quiet_ssh().arg("-T").arg(self.destination()).arg("barman").args(&question.0)
    }

    /// ssh that makes the connection which the others share. It stays longer than PostgreSQL may, in whose data
    /// directory we are.
    pub(super) fn connection(&self, channel: &Channel) -> Command {
        self.quiet_ssh().args(channel.made()).arg("-N").arg(self.destination()).in_dir("/")
    }

    fn quiet_ssh(&self) -> Command {
        let port = self.port.iter().flat_map(|port| ["-p".to_owned(), port.to_string()]);
        Command::new("ssh").args(port).args(["-o", "BatchMode=yes", "-o", "LogLevel=ERROR"])
    }

    fn destination(&self) -> String {
        format!("{}@{}", self.user, self.host)
    }

    /// An answer of the other side, unless ssh did not get through to it.
    pub(super) fn reached(&self, finished: Finished) -> Result<Finished, Error> {
        if finished.code == NOT_CONNECTED {
            return Err(Error::NotConnected {
                destination: self.destination(),
                stderr: finished.stderr_text(),
            });
        }
        Ok(finished)
    }
}

fn plain_or_quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) { word.to_owned() } else { quoted(word) }
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(config: Option<&str>, server: &str) -> Remote {
        let (host, user) = ("backup".to_owned(), "barman".to_owned());
        let (config, server) = (config.map(str::to_owned), server.to_owned());
        Remote { host, user, port: Some(2222), config, server, channel: None }
    }

    /// What the shell on the other side gets: ssh puts the words together.
    fn sent(question: &Question) -> String {
        let command = remote(None, "main").ssh(question);
        let words = command.args.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ");
        assert!(words.starts_with("-p 2222 -o BatchMode=yes "), "{words}");
        let sent = words.split_once(" barman@backup ").unwrap().1.to_owned();
        assert_eq!(sent, question.to_string());
        sent
    }

    #[test]
    fn the_other_side_gets_what_the_python_programs_send() {
        let plain = remote(None, "main");
        assert_eq!(sent(&plain.put_wal(false)), "barman put-wal main");
        assert_eq!(sent(&plain.put_wal(true)), "barman put-wal main --test");
        assert_eq!(sent(&plain.get_wal("X", WireForm::Plain, false)), "barman get-wal 'main' 'X'");
        assert_eq!(
            sent(&plain.get_wal("X", WireForm::Gzip, true)),
            "barman get-wal --gzip --partial 'main' 'X'"
        );
        assert_eq!(sent(&plain.peek("X", 3)), "barman get-wal --peek '3' 'main' 'X'");
        assert_eq!(sent(&plain.test_get_wal()), "barman get-wal --test 'main' 'dummy_wal_name'");
        let configured = remote(Some("/etc/b.conf"), "main");
        assert_eq!(sent(&configured.put_wal(false)), "barman --config='/etc/b.conf' put-wal main");
        assert_eq!(
            sent(&configured.get_wal("X", WireForm::AsStored, false)),
            "barman --config /etc/b.conf get-wal --keep-compression 'main' 'X'"
        );
    }

    #[test]
    fn words_that_a_shell_would_take_apart_arrive_whole() {
        let odd = remote(Some("/a b"), "it's $(main)");
        assert_eq!(sent(&odd.put_wal(false)), r"barman --config='/a b' put-wal 'it'\''s $(main)'");
        assert_eq!(
            sent(&odd.get_wal("X", WireForm::Plain, false)),
            r"barman --config '/a b' get-wal 'it'\''s $(main)' 'X'"
        );
    }
}
