//! The completions: short scripts that ask the program itself.

use std::io;
use std::path::PathBuf;

use barman::cli::COMPLETION_VARIABLE;
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

/// What zsh, which reads the file as the body of a function when it is first needed, has to do then.
const FIRST_TIME: &str = "_clap_dynamic_completer_barman \"$@\"\n";

/// The scripts, under the names that the shells look for.
pub fn scripts() -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let shells: [(&str, &dyn EnvCompleter, &str); 3] =
        [("barman.bash", &Bash, ""), ("_barman", &Zsh, FIRST_TIME), ("barman.fish", &Fish, "")];
    let script = |(name, shell, last): (&str, &dyn EnvCompleter, &str)| {
        let mut text = Vec::new();
        shell.write_registration(COMPLETION_VARIABLE, "barman", "barman", "barman", &mut text)?;
        text.extend_from_slice(last.as_bytes());
        // zsh wants its mark on the first line.
        let start = text.iter().position(|byte| *byte != b'\n').unwrap_or(0);
        Ok((PathBuf::from("completions").join(name), text.split_off(start)))
    };
    shells.into_iter().map(script).collect()
}
