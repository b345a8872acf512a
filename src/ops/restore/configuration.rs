//! The configuration of the restored server: what the backup has, changed here and put into the new data directory.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::configuration_files::{self, ConfigurationFile, ConfigurationFiles};
use super::host::NewFile;
use super::names::{RECOVERY_SIGNAL, STANDBY_SIGNAL};
use super::plan::RestorePlan;
use super::recovery_conf::{self, Recovery};
use super::settings::Setting;
use crate::ops::{Error, Server};
use crate::pg::{Features, RecoveryStyle};
use crate::sys::Files;
use crate::view::ConfigurationLine;

/// What a data directory is expected to have.
const CONFIGURATION_FILES: [&str; 4] =
    ["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf"];

/// What the DBA must know about the configuration.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Settings that were changed.
    pub changes: Vec<ConfigurationLine>,
    /// Settings to review.
    pub dangers: Vec<ConfigurationLine>,
    /// Files that are missing.
    pub missing_files: Vec<&'static str>,
}

/// A file of the restored configuration.
#[derive(Debug)]
pub struct Edited {
    name: String,
    mode: u32,
    content: Vec<u8>,
}

impl Edited {
    /// As it is written.
    pub fn to_new_file(&self) -> NewFile {
        NewFile::of(&self.name, self.mode, self.content.clone())
    }
}

/// Makes the configuration of a restore out of the files in `data`, the data directory of the backup: the files to
/// be written, and what there is to say of them.
pub fn edit(server: &Server<'_>, data: &Path, plan: &RestorePlan) -> Result<(Vec<Edited>, Outcome), Error> {
    let files = &server.context.files;
    let found = configuration_files::read(files, data, &plan.chosen.destination)?;
    if let Some(recovery) = plan.recovery.as_ref().filter(|_| has_signal_files(plan))
        && !found.reads(Path::new(&recovery.settings_file))
    {
        server.warning(format!(
            "PostgreSQL will not read '{name}' (--recovery-conf-filename): no configuration file of the backup includes \
             it. Add \"include '{name}'\" to the restored postgresql.conf before you start it",
            name = recovery.settings_file
        ));
    }
    let (mut edited, outcome) = neutralise(files, data, found)?;
    if let Some(recovery) = &plan.recovery {
        add_recovery_settings(files, data, &mut edited, (recovery, plan))?;
    }
    Ok((edited, outcome))
}

/// Each file without the settings that would do harm, and beside it the one that the backup has.
fn neutralise(
    files: &Files,
    data: &Path,
    found: ConfigurationFiles,
) -> Result<(Vec<Edited>, Outcome), Error> {
    let (mut edited, mut outcome) = (Vec::new(), Outcome::default());
    for name in CONFIGURATION_FILES {
        if !files.exists(&data.join(name))? {
            outcome.missing_files.push(name);
        }
    }
    for ConfigurationFile { name, neutralised, is_main } in found.files {
        let path = data.join(&name);
        let Some(name) = name.to_str().map(str::to_owned) else {
            return Err(Error::refused(format!(
                "the configuration file '{}' of the backup has a name that is no text, so what it says cannot be made \
                 harmless; rename it, and what includes it, on the original server, or restore another backup",
                path.display()
            )));
        };
        let located = |setting: Setting| ConfigurationLine {
            file: name.clone(),
            line: setting.line,
            name: setting.name,
            value: setting.value,
        };
        let is_changed = !neutralised.changes.is_empty();
        outcome.changes.extend(neutralised.changes.into_iter().map(located));
        outcome.dangers.extend(neutralised.dangers.into_iter().map(located));
        if is_main || is_changed {
            let mode = files.metadata(&path)?.permissions().mode() & 0o7777;
            edited.push(Edited { name: format!("{name}.origin"), mode, content: files.read(&path)? });
            edited.push(Edited { name, mode, content: neutralised.content });
        }
    }
    Ok((edited, outcome))
}

fn has_signal_files(plan: &RestorePlan) -> bool {
    Features::of(plan.version).recovery_style == RecoveryStyle::SignalFiles
}

fn add_recovery_settings(
    files: &Files,
    data: &Path,
    edited: &mut Vec<Edited>,
    (recovery, plan): (&Recovery, &RestorePlan),
) -> Result<(), Error> {
    let settings = recovery_conf::render(recovery, &plan.delivery, plan.version).into_bytes();
    let secret = |name: &str, content| Edited { name: name.to_owned(), mode: 0o600, content };
    let name = &recovery.settings_file;
    if !has_signal_files(plan) {
        edited.push(secret(name, settings));
        return Ok(());
    }
    match edited.iter_mut().find(|file| &file.name == name) {
        Some(file) => {
            append_lines(&mut file.content, settings);
            file.mode = 0o600;
        }
        None => {
            let mut content = files.read_if_exists(&data.join(name))?.unwrap_or_default();
            append_lines(&mut content, settings);
            edited.push(secret(name, content));
        }
    }
    let signal = if recovery.standby { STANDBY_SIGNAL } else { RECOVERY_SIGNAL };
    edited.push(secret(signal, Vec::new()));
    Ok(())
}

/// Appends lines, behind an empty one.
fn append_lines(content: &mut Vec<u8>, lines: Vec<u8>) {
    if !content.is_empty() && !content.ends_with(b"\n") {
        content.push(b'\n');
    }
    if !content.is_empty() {
        content.push(b'\n');
    }
    content.extend(lines);
}
