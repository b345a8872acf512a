//! Carrying out a restore, in an order in which PostgreSQL cannot start on half of it.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::configuration_files::{self, ConfigurationFile};
use super::plan::RestorePlan;
use super::recovery_conf::{self, RecoverySettings};
use super::request::Chosen;
use super::settings::Setting;
use super::wal_files;
use crate::catalog::DirectoryForm;
use crate::ops::{CopySettings, Error, Server};
use crate::transfer::smart_copy::{CopyItem, SmartCopy};
use crate::transfer::{Endpoint, Filters};
use crate::view::ConfigurationLine;

/// The file that tells an unfinished restore from a stranger's directory.
pub const INCOMPLETE_MARK: &str = ".barman-restore-incomplete";
/// Where WAL waits for a recovery that is steered; PostgreSQL fetches it from there.
const WAL_DIRECTORY: &str = "barman_wal";
/// The file without which PostgreSQL does not start.
pub const CONTROL_FILE: &str = "global/pg_control";
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

/// Restores as `plan` says.
pub fn apply(server: &Server<'_>, plan: &RestorePlan, copy: &CopySettings) -> Result<Outcome, Error> {
    let form = server.catalog()?.directory_form(&plan.chosen.backup.id);
    let restore = Restore { server, plan, destination: &plan.chosen.destination, form };
    restore.claim_destination()?;
    server.info("Copying the base backup.");
    restore.copy_data(copy)?;
    restore.link_tablespaces()?;
    restore.keep_record()?;
    server.info("Copying required WAL segments.");
    restore.provide_wal(copy.jobs)?;
    if plan.recovery.is_some() {
        server.info("Generating recovery configuration");
    }
    server.info("Identify dangerous settings in destination directory.");
    let outcome = restore.neutralise_settings()?;
    restore.write_recovery_settings()?;
    restore.finish()?;
    Ok(outcome)
}

struct Restore<'a> {
    server: &'a Server<'a>,
    plan: &'a RestorePlan,
    destination: &'a Path,
    form: DirectoryForm,
}

impl Restore<'_> {
    fn claim_destination(&self) -> Result<(), Error> {
        let files = &self.server.context.files;
        for dir in
            std::iter::once(&self.plan.chosen.destination).chain(&self.plan.chosen.tablespace_locations)
        {
            if !files.is_dir(dir) {
                files.create_dir_all(dir)?;
                files.set_mode(dir, 0o700)?;
            }
        }
        let mark = self.destination.join(INCOMPLETE_MARK);
        files.replace_durably(&mark, self.plan.chosen.mark().as_bytes())?;
        // An attempt before this one may have come as far as that.
        let control = self.destination.join(CONTROL_FILE);
        if files.exists(&control)? {
            files.remove_durably(&control)?;
        }
        Ok(())
    }

    /// Copies all but `pg_control`, without which PostgreSQL does not start.
    fn copy_data(&self, settings: &CopySettings) -> Result<(), Error> {
        let (layout, backup) = (self.server.layout(), &self.plan.chosen.backup);
        let places = backup.tablespaces.iter().zip(&self.plan.chosen.tablespace_locations);
        let mut items: Vec<CopyItem> = places
            .map(|(tablespace, location)| {
                let source = layout.tablespace_dir(&backup.id, tablespace.oid, self.form);
                CopyItem::tree(&tablespace.name, source, location)
            })
            .collect();
        items.push(CopyItem {
            filters: self.data_filters(),
            ..CopyItem::tree("pgdata", layout.data_dir(&backup.id, self.form), self.destination)
        });
        for item in &mut items {
            for name in self.hidden_strangers(item)? {
                item.filters = std::mem::take(&mut item.filters).protecting(name);
            }
            item.bandwidth_limit = settings.bandwidth_limit;
        }
        let copy = SmartCopy { items, ..settings.copy(Endpoint::Local, Endpoint::Local, self.server.config) };
        copy.run(&self.server.context)?;
        Ok(())
    }

    /// The data directory without what does not come from its own tree.
    fn data_filters(&self) -> Filters {
        let Chosen { backup, tablespace_locations, .. } = &self.plan.chosen;
        let links = backup.tablespaces.iter().map(|known| format!("pg_tblspc/{}", known.oid).into());
        let inside =
            tablespace_locations.iter().filter_map(|location| location.strip_prefix(self.destination).ok());
        let left_alone = links.chain(inside.map(Path::to_owned)).chain([CONTROL_FILE.into()]);
        left_alone.fold(Filters::restore_of_pgdata(), Filters::protecting)
    }

    /// The hidden files in a destination that are not the backup's: they do not keep a directory from being empty
    /// enough, and are not ours to remove.
    fn hidden_strangers(&self, item: &CopyItem) -> Result<Vec<OsString>, Error> {
        let files = &self.server.context.files;
        let mut strangers = Vec::new();
        for entry in files.list(&item.destination)? {
            let is_hidden = entry.name.as_encoded_bytes().starts_with(b".");
            if is_hidden && !files.exists(&item.source.join(&entry.name))? {
                strangers.push(entry.name);
            }
        }
        Ok(strangers)
    }

    fn link_tablespaces(&self) -> Result<(), Error> {
        let files = &self.server.context.files;
        let directory = self.destination.join("pg_tblspc");
        let backup = &self.plan.chosen.backup;
        for (tablespace, location) in backup.tablespaces.iter().zip(&self.plan.chosen.tablespace_locations) {
            let link = directory.join(tablespace.oid.to_string());
            files.create_dir_all(&directory)?;
            match files.symlink_metadata(&link)? {
                Some(found) if found.is_dir() => files.remove_tree(&link)?,
                Some(_) => files.remove_file(&link)?,
                None => {}
            }
            files.symlink(location, &link)?;
            self.server.info(format!("\t{}, {}, {}", tablespace.oid, tablespace.name, location.display()));
        }
        Ok(())
    }

    /// Leaves the record beside the data, and moves the manifest, which no longer fits a changed directory, away.
    fn keep_record(&self) -> Result<(), Error> {
        let files = &self.server.context.files;
        let backup = &self.plan.chosen.backup;
        let record = backup.to_text();
        files.replace_durably(&self.destination.join(".barman-recover.info"), record.as_bytes())?;
        let manifest = self.destination.join("backup_manifest");
        if files.exists(&manifest)? {
            files.rename(&manifest, &self.destination.join(format!("backup_manifest.{}", backup.id)))?;
        }
        Ok(())
    }

    fn wal_directory(&self) -> PathBuf {
        let own = if self.plan.version.at_least(10) { "pg_wal" } else { "pg_xlog" };
        self.destination.join(if self.plan.recovery.is_some() { WAL_DIRECTORY } else { own })
    }

    fn provide_wal(&self, jobs: usize) -> Result<(), Error> {
        let files = &self.server.context.files;
        let directory = self.wal_directory();
        let status = directory.join("archive_status");
        files.create_dir_all(&status)?;
        files.set_mode(&directory, 0o700)?;
        let archive = self.server.archive();
        wal_files::provide(self.server, &archive, &self.plan.wal.files, &directory, jobs)?;
        if self.plan.recovery.is_none() {
            self.server.info("Generating archive status files");
            for name in &self.plan.wal.files {
                files.create(&status.join(format!("{name}.done")))?;
            }
        }
        Ok(())
    }

    fn write_recovery_settings(&self) -> Result<(), Error> {
        let Some(recovery) = &self.plan.recovery else { return Ok(()) };
        let wal_dir = self.wal_directory();
        let settings = RecoverySettings {
            wal_dir: &wal_dir,
            target: recovery.target.as_ref(),
            exclusive: recovery.exclusive,
            timeline: recovery.timeline.clone(),
            action: recovery.action,
            standby: false,
        };
        let text = recovery_conf::render(&settings, self.plan.version);
        let files = &self.server.context.files;
        if self.plan.version.at_least(12) {
            files.replace_durably(&self.destination.join("recovery.signal"), b"")?;
            self.append_to_auto_conf(&text)
        } else {
            let path = self.destination.join("recovery.conf");
            files.replace_durably(&path, text.as_bytes())?;
            Ok(files.set_mode(&path, 0o600)?)
        }
    }

    fn append_to_auto_conf(&self, text: &str) -> Result<(), Error> {
        let files = &self.server.context.files;
        let path = self.destination.join("postgresql.auto.conf");
        let mut content = files.read_if_exists(&path)?.unwrap_or_default();
        if !content.is_empty() && !content.ends_with(b"\n") {
            content.push(b'\n');
        }
        content.extend_from_slice(text.as_bytes());
        files.replace_durably(&path, &content)?;
        Ok(files.set_mode(&path, 0o600)?)
    }

    fn neutralise_settings(&self) -> Result<Outcome, Error> {
        let files = &self.server.context.files;
        let mut outcome = Outcome::default();
        for name in CONFIGURATION_FILES {
            if !files.exists(&self.destination.join(name))? {
                outcome.missing_files.push(name);
            }
        }
        for ConfigurationFile { name, neutralised, is_main } in
            configuration_files::read(files, self.destination, self.destination)?
        {
            let located = |setting: Setting| ConfigurationLine {
                file: name.display().to_string(),
                line: setting.line,
                name: setting.name,
                value: setting.value,
            };
            let is_changed = !neutralised.changes.is_empty();
            outcome.changes.extend(neutralised.changes.into_iter().map(located));
            outcome.dangers.extend(neutralised.dangers.into_iter().map(located));
            if is_main || is_changed {
                self.replace_configuration(&self.destination.join(&name), &neutralised.content)?;
            }
        }
        Ok(outcome)
    }

    /// Writes a configuration file anew and leaves the one of the backup beside it.
    fn replace_configuration(&self, path: &Path, content: &[u8]) -> Result<(), Error> {
        let files = &self.server.context.files;
        let mode = files.metadata(path)?.permissions().mode() & 0o7777;
        let mut origin = path.as_os_str().to_owned();
        origin.push(".origin");
        files.rename(path, Path::new(&origin))?;
        files.replace_durably(path, content)?;
        Ok(files.set_mode(path, mode)?)
    }

    /// Everything is on disk before `pg_control` makes it a data directory, and that before the mark goes.
    fn finish(&self) -> Result<(), Error> {
        let files = &self.server.context.files;
        for place in
            std::iter::once(&self.plan.chosen.destination).chain(&self.plan.chosen.tablespace_locations)
        {
            files.sync_filesystem(place)?;
        }
        let layout = self.server.layout();
        let source = layout.data_dir(&self.plan.chosen.backup.id, self.form).join(CONTROL_FILE);
        let target = self.destination.join(CONTROL_FILE);
        let control = files.read(&source)?;
        files.replace_durably(&target, &control)?;
        files.set_mode(&target, 0o600)?;
        files.remove_durably(&self.destination.join(INCOMPLETE_MARK))?;
        Ok(())
    }
}
