//! Encryption with gpg, as Barman 3.14 and later do it: binary OpenPGP messages to one public key.
//!
//! gpg is a program beside us, with the keyring of the user we run as. Both ways everything streams through its
//! standard input and output, so that no plain text touches a disk that had none. What gpg has to say to programs
//! (`--status-fd`, `doc/DETAILS` of GnuPG) tells why it failed, in any language of its user.

mod fault;
mod passphrase;

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

pub use self::fault::Fault;
use self::fault::Unusable;
use self::passphrase::Passphrase;
use super::Error;
use crate::sys::process::{self, Failed};
use crate::sys::{Cancel, Command, Context, Processes};

/// How to encrypt for somebody, and to decrypt.
#[derive(Debug, Clone, Default)]
pub struct GpgSettings {
    /// `encryption_passphrase_command`: a shell command whose first line opens the private key. Nothing is decrypted
    /// without one, even if the key needs none, as with Barman.
    pub passphrase_command: Option<String>,
    /// `path_prefix`: where programs are looked for first.
    pub path_prefix: Option<String>,
}

/// gpg, and the passphrase once somebody needed it.
#[derive(Clone)]
pub(super) struct Gpg {
    settings: GpgSettings,
    processes: Arc<dyn Processes>,
    cancel: Cancel,
    /// Asked for by whoever comes first, and not for each file: the command may ask a vault far away, and a restore has
    /// thousands of them.
    passphrase: Arc<Mutex<Option<Passphrase>>>,
}

impl Gpg {
    pub fn new(context: &Context, settings: GpgSettings) -> Self {
        Self {
            settings,
            processes: context.processes.clone(),
            cancel: context.cancel.clone(),
            passphrase: Arc::default(),
        }
    }

    /// Whether anything can be decrypted at all.
    pub fn can_decrypt(&self) -> bool {
        self.settings.passphrase_command.is_some()
    }

    /// Encrypts for `recipient` what `fill` writes. The outer result tells of gpg and of `out`, the inner one is that
    /// of `fill`: where it is an error, what `out` has is worth nothing.
    pub fn encrypt<E: Send>(
        &self,
        recipient: &str,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E> + Send,
        out: &mut dyn Write,
    ) -> Result<Result<(), E>, Error> {
        let (mut fill, mut filled) = (Some(fill), Ok(()));
        let mut out = Watched { out, failure: None };
        let finished = {
            let mut feeder = |plain: &mut dyn Write| {
                if let Some(fill) = fill.take() {
                    filled = fill(plain);
                }
                Ok(())
            };
            self.processes.filter(&self.encryption(recipient), &mut feeder, &mut out, &self.cancel)
        };
        if let Some(failure) = out.failure {
            return Err(failure.into());
        }
        let finished = finished.map_err(not_run)?;
        // When gpg gives up, `fill` meets a broken pipe: the reason is gpg's.
        if !finished.success() {
            let fault = Fault::of_encryption(recipient, finished.code, &finished.stderr_text());
            return Err(self.look_closer(fault).into());
        }
        Ok(filled)
    }

    /// Of a key that has expired or was revoked gpg says that there is none, too.
    fn look_closer(&self, fault: Fault) -> Fault {
        let Fault::Recipient { recipient, reason: Unusable::Absent } = fault else { return fault };
        let list = self.gpg().args(["--with-colons", "--list-keys", "--"]).arg(&recipient);
        let listed =
            self.processes.run(&list, &self.cancel).map(|finished| finished.stdout).unwrap_or_default();
        Fault::Recipient { recipient, reason: Unusable::of_listed(&String::from_utf8_lossy(&listed)) }
    }

    /// What the message `input` holds, to be read by the thread that asks. That it was tampered with, or cut, shows
    /// as an error in place of its end.
    pub fn decrypt(&self, input: impl Read + Send + 'static) -> Result<Box<dyn Read + Send>, Error> {
        // gpg takes the first line for the passphrase, and what follows for the message.
        let input = self.passphrase()?.into_line().chain(input);
        let output = self.processes.pipe(&self.decryption(), Box::new(input), &self.cancel);
        Ok(Box::new(Decrypted(output.map_err(not_run)?)))
    }

    fn passphrase(&self) -> Result<Passphrase, Error> {
        let mut known = self.passphrase.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(passphrase) = &*known {
            return Ok(passphrase.clone());
        }
        let line = self.settings.passphrase_command.as_deref().ok_or(Error::Encrypted)?;
        let shell =
            Command::new("/bin/sh").args(["-c", line]).path_prefix(self.settings.path_prefix.as_deref());
        let passphrase = Passphrase::printed_by(&*self.processes, &shell, &self.cancel)?;
        Ok(known.insert(passphrase).clone())
    }

    fn encryption(&self, recipient: &str) -> Command {
        // Whatever the user's settings say, gpg must not ask the network for a key of that name.
        let key = ["--no-auto-key-locate", "--recipient", recipient];
        self.gpg().args(["--compress-level", "0"]).args(key).arg("--encrypt")
    }

    fn decryption(&self) -> Command {
        self.gpg().args(["--passphrase-fd", "0", "--decrypt"])
    }

    fn gpg(&self) -> Command {
        let quiet = ["--yes", "--batch", "--no-tty", "--status-fd", "2", "--pinentry-mode", "loopback"];
        Command::new("gpg").args(quiet).path_prefix(self.settings.path_prefix.as_deref())
    }
}

fn not_run(error: process::Error) -> Error {
    match error {
        process::Error::NotFound(_) => Fault::NotInstalled.into(),
        other => Error::Filter(other),
    }
}

/// Keeps why writing failed, which is told apart from why gpg did.
struct Watched<'a> {
    out: &'a mut dyn Write,
    failure: Option<io::Error>,
}

impl Write for Watched<'_> {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        self.out.write(chunk).map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.failure = Some(error);
            }
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What gpg prints; that it failed shows as a [`Fault`].
struct Decrypted(Box<dyn Read + Send>);

impl Read for Decrypted {
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        self.0.read(chunk).map_err(|error| match error.downcast::<Failed>() {
            Ok(failed) => io::Error::other(Error::from(Fault::of_decryption(failed.code(), failed.stderr()))),
            Err(other) => other,
        })
    }
}
