use std::hint::black_box;
use std::io::{Cursor, Read};
use std::sync::Arc;

use super::{Fault, not_run};
use crate::codec::Error;
use crate::sys::{Cancel, Command, Processes};

/// The words that open a private key. They go to gpg and nowhere else, and are wiped when nobody needs them any more.
#[derive(Clone)]
pub(super) struct Passphrase(Arc<Secret>);

struct Secret(Vec<u8>);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // The compiler must not leave that out although nobody looks at it.
        black_box(&self.0);
    }
}

impl Passphrase {
    /// The first line that `command` prints, with its line feed, as gpg wants it. Nothing it says is ever shown: where
    /// the passphrase itself was set in place of a command, the shell says that it does not find it.
    pub fn printed_by(processes: &dyn Processes, command: &Command, cancel: &Cancel) -> Result<Self, Error> {
        let finished = processes.run(command, cancel).map_err(not_run)?;
        let mut printed = Secret(finished.stdout);
        if finished.code != 0 {
            return Err(Fault::PassphraseCommand { code: finished.code }.into());
        }
        let end = printed.0.iter().position(|byte| *byte == b'\n').unwrap_or(printed.0.len());
        let mut line = Secret(Vec::with_capacity(end + 1));
        line.0.extend_from_slice(&printed.0[..end]);
        line.0.push(b'\n');
        printed.0.fill(0);
        Ok(Self(Arc::new(line)))
    }

    /// The line, to be read.
    pub fn into_line(self) -> impl Read + Send + 'static {
        Cursor::new(self)
    }
}

impl AsRef<[u8]> for Passphrase {
    fn as_ref(&self) -> &[u8] {
        &self.0.0
    }
}
