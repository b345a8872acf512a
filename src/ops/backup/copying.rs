//! The copy of a backup's files.

use std::thread;
use std::time::Duration;

use super::items;
use super::run::BackupRun;
use crate::config::BackupMethod;
use crate::ops::{Error, reuse_mode};
use crate::pg::{BackupMode, Client};
use crate::sys::Cancel;
use crate::transfer::Endpoint;
use crate::transfer::smart_copy::{CopyReport, ReuseMode, SmartCopy, SymbolicLink};
use crate::types::HumanDuration;

impl BackupRun<'_> {
    /// Copies all files, as long as the backup of PostgreSQL lasts.
    pub(super) fn copy(&mut self, client: &Client, mode: &BackupMode) -> Result<(), Error> {
        let jobs = match self.options.copy.jobs {
            1 => String::new(),
            jobs => format!(" ({jobs} jobs)"),
        };
        let way = match self.server.config.backup_method() {
            BackupMethod::LocalRsync => "local rsync",
            _ => "rsync/SSH",
        };
        self.server.info(format!("Starting backup copy via {way} for {}{jobs}", self.backup.id));
        let report = self.copy_files(client, mode)?;
        self.server.info(format!("Copy done (time: {})", HumanDuration::from(report.times.total)));
        self.warn_of_what_was_not_copied(&report);
        self.backup.copy_stats = Some(report.times.into());
        if self.previous.is_none() {
            self.server.info(format!("This is the first backup for server {}", self.server.name()));
        }
        Ok(())
    }

    fn copy_files(&self, client: &Client, mode: &BackupMode) -> Result<CopyReport, Error> {
        let source = self.server.data_endpoint()?;
        let reuse = reuse_mode(self.options.reuse);
        let previous = self.previous.as_ref().filter(|_| reuse != ReuseMode::Off);
        let copy = SmartCopy {
            items: items::plan(&self.layout, &self.backup, previous, self.options),
            reuse,
            safe_horizon: previous.and_then(|previous| previous.begin_time),
            ..self.options.copy.copy(source, Endpoint::Local, self.server.config)
        };
        if !mode.belongs_to_session() {
            return Ok(copy.run(&self.server.context)?);
        }
        let (cancel, _link) = self.server.context.cancel.child();
        let mut context = self.server.context.clone();
        context.cancel = cancel.clone();
        let result = thread::scope(|scope| {
            scope.spawn(|| stop_copy_when_lost(client, &cancel));
            let result = copy.run(&context);
            cancel.cancel();
            result
        });
        match client.lost() {
            Some(reason) => Err(Error::refused(format!(
                "Connection to the Postgres server was lost during the backup.\n{reason}"
            ))),
            None => Ok(result?),
        }
    }

    fn warn_of_what_was_not_copied(&self, report: &CopyReport) {
        let line = |link: &SymbolicLink| format!("\n\t{} -> {}", link.path.display(), link.target.display());
        let (followed, dangling): (Vec<&SymbolicLink>, _) = report.links.iter().partition(|link| link.copied);
        if !followed.is_empty() {
            let list: String = followed.into_iter().map(line).collect();
            self.server.warning(format!(
                "The data directory holds symbolic links. What they point to was copied in their place, and will be \
                 restored there:{list}"
            ));
        }
        if !dangling.is_empty() {
            let list: String = dangling.into_iter().map(line).collect();
            self.server.warning(format!(
                "The data directory holds symbolic links that point to nothing; they are not in the backup:{list}"
            ));
        }
        for path in &report.missing {
            self.server.warning(format!(
                "the configuration file '{}' does not exist and was not copied",
                path.display()
            ));
        }
        let includes = items::uncopied_includes(&self.backup);
        if !includes.is_empty() && !self.server.config.backup_options().external_configuration {
            let list: String = includes.iter().map(|path| format!("\n\t{}", path.display())).collect();
            self.server.warning(format!(
                "The usage of include directives is not supported for files that reside outside PGDATA.\n\
                 Please manually backup the following files:{list}"
            ));
        }
    }
}

/// Stops the copy when the connection is lost: PostgreSQL has then left backup mode, and what would still be copied
/// could not be restored.
fn stop_copy_when_lost(client: &Client, copy: &Cancel) {
    while copy.sleep(Duration::from_millis(500)).is_ok() {
        if client.lost().is_some() {
            copy.cancel();
        }
    }
}
