//! Writes what a package carries beside the program: man pages and completions for the shells, made from the
//! definitions that `--help` prints and from the table of options.
//!
//!     cargo run --example assets [DIRECTORY]
//!
//! writes `man/*.1`, `man/barman.5` and `completions/` below the directory, `target/assets` when none is given.

#![allow(clippy::print_stdout, reason = "a tool of the build")]

mod completions;
mod configuration_page;
mod man;
mod roff_text;

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let directory = env::args_os().nth(1).map_or_else(|| PathBuf::from("target/assets"), PathBuf::from);
    for (name, text) in files()? {
        write(&directory.join(name), &text)?;
    }
    println!("{}", directory.display());
    Ok(())
}

/// The files, by their names below the directory.
fn files() -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = man::pages()?;
    files.push((PathBuf::from("man/barman.5"), configuration_page::page()));
    files.extend(completions::scripts()?);
    Ok(files)
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    fs::write(path, text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::print_stderr, reason = "this is test code")]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn there_is_a_page_for_every_command_and_one_for_the_configuration() {
        let names: Vec<String> =
            files().unwrap().iter().map(|(path, _)| path.display().to_string()).collect();
        for command in barman::cli::command().get_subcommands() {
            assert!(names.contains(&format!("man/barman-{}.1", command.get_name())), "{names:?}");
        }
        for command in barman::cli::client_commands() {
            assert!(names.contains(&format!("man/{}.1", command.get_name())), "{names:?}");
        }
        for name in ["man/barman.1", "man/barman.5", "completions/barman.bash", "completions/_barman"] {
            assert!(names.contains(&name.to_owned()), "{names:?}");
        }
    }

    #[test]
    fn the_pages_tell_what_the_program_tells() {
        let files = files().unwrap();
        let text = |name: &str| {
            let (_, text) = files.iter().find(|(path, _)| path == Path::new(name)).unwrap();
            String::from_utf8(text.clone()).unwrap()
        };
        let restore = text("man/barman-restore.1");
        for word in
            ["\\-\\-target\\-time", ".SH EXAMPLES", ".SH \"EXIT STATUS\"", "barman restore main latest"]
        {
            assert!(restore.contains(word), "no {word} in:\n{restore}");
        }
        let configuration = text("man/barman.5");
        for option in barman::config::schema::OPTIONS {
            let heading = format!("\\fB{}\\fR", option.name);
            assert!(configuration.contains(&heading), "no {heading}");
        }
    }

    /// `man` is a judge where it is installed.
    #[test]
    fn man_formats_the_pages_without_a_warning() {
        if Command::new("man").arg("--version").output().is_err() {
            eprintln!("skipped: there is no man on this machine");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files().unwrap() {
            let path = directory.path().join(&name);
            write(&path, &text).unwrap();
            if name.starts_with("man") {
                let output = Command::new("man").args(["--warnings", "-l"]).arg(&path).output().unwrap();
                let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success() && complaints.is_empty(), "{}: {complaints}", name.display());
                assert!(!output.stdout.is_empty(), "{} is empty", name.display());
            }
        }
    }
}
