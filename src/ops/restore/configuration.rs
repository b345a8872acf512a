//! The configuration of the restored server: what the backup has, changed here and put into the new data directory.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::configuration_files::{self, ConfigurationFile};
use super::host::NewFile;
use super::plan::RestorePlan;
use super::recovery_conf::{self, RecoverySettings};
use super::settings::Setting;
use crate::ops::Error;
use crate::sys::Files;
use crate::view::ConfigurationLine;

/// What a data directory is expected to have.
const CONFIGURATION_FILES: [&str; 4] =
    ["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf"];

/// The file for settings that a program makes.
const AUTO_CONF: &str = "postgresql.auto.conf";

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
/// be written, and what there is to say of them. `wal_dir` is where the WAL of a recovery waits.
pub fn edit(
    files: &Files,
    data: &Path,
    plan: &RestorePlan,
    wal_dir: &Path,
) -> Result<(Vec<Edited>, Outcome), Error> {
    let (mut edited, outcome) = neutralise(files, data, &plan.chosen.destination)?;
    add_recovery_settings(&mut edited, plan, wal_dir);
    Ok((edited, outcome))
}

/// Each file without the settings that would do harm, and beside it the one that the backup has.
fn neutralise(files: &Files, data: &Path, destination: &Path) -> Result<(Vec<Edited>, Outcome), Error> {
    let (mut edited, mut outcome) = (Vec::new(), Outcome::default());
    for name in CONFIGURATION_FILES {
        if !files.exists(&data.join(name))? {
            outcome.missing_files.push(name);
        }
    }
    for ConfigurationFile { name, neutralised, is_main } in
        configuration_files::read(files, data, destination)?
    {
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

fn add_recovery_settings(edited: &mut Vec<Edited>, plan: &RestorePlan, wal_dir: &Path) {
    let Some(recovery) = &plan.recovery else { return };
    let settings = RecoverySettings {
        wal_dir,
        target: recovery.target.as_ref(),
        exclusive: recovery.exclusive,
        timeline: recovery.timeline.clone(),
        action: recovery.action,
        standby: false,
    };
    let content = recovery_conf::render(&settings, plan.version).into_bytes();
    let secret = |name: &str, content| Edited { name: name.to_owned(), mode: 0o600, content };
    if !plan.version.at_least(12) {
        edited.push(secret("recovery.conf", content));
        return;
    }
    match edited.iter_mut().find(|file| file.name == AUTO_CONF) {
        Some(auto_conf) => {
            if !auto_conf.content.is_empty() && !auto_conf.content.ends_with(b"\n") {
                auto_conf.content.push(b'\n');
            }
            auto_conf.content.extend(content);
            auto_conf.mode = 0o600;
        }
        None => edited.push(secret(AUTO_CONF, content)),
    }
    edited.push(secret("recovery.signal", Vec::new()));
}
