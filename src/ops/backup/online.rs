//! The part of a backup during which PostgreSQL knows of it: from its start over the copy to its end.

use std::path::PathBuf;

use super::last_word;
use super::run::{BackupRun, Doing, Failure, position};
use crate::catalog::DirectoryForm;
use crate::ops::Error;
use crate::pg::{self, BackupEnd, BackupMode, BackupStart, Client};
use crate::types::BackupStatus;

impl BackupRun<'_> {
    /// Has PostgreSQL start the backup. From then on it must be taken to its end, or left.
    pub(super) fn start(&mut self, client: &Client, mode: &BackupMode) -> Result<BackupStart, Error> {
        let is_exclusive = *mode == BackupMode::Exclusive;
        if is_exclusive {
            self.end_backup_mode_of_the_dead(client)?;
        }
        // A backup that is under way and has no files looks to Barman's `cron` as if its deletion had been cut off.
        let data = self.layout.data_dir(&self.backup.id, DirectoryForm::Data);
        self.server.context.files.create_dir_all(&data)?;
        // Recorded first: if we die between the two, the record says that PostgreSQL may be in backup mode.
        self.backup.status = BackupStatus::Started;
        self.save()?;
        let size = self.backup.xlog_segment_size;
        let name = last_word::name(self.server.name(), &self.backup.id);
        let started = client.start_backup(mode, &name, self.options.immediate_checkpoint, size);
        if is_exclusive && matches!(&started, Err(error) if !matches!(error, pg::Error::Refused { .. })) {
            // The answer is missing, and with it the knowledge whether PostgreSQL has followed.
            last_word::leave_if_of(self.server, &self.backup.id);
        }
        Ok(started?)
    }

    /// Has PostgreSQL leave the backup mode of a FAILED backup of ours, and fails when it is in that of anybody else. Who
    /// must not know gets to hear it from PostgreSQL itself.
    ///
    /// We hold the backup lock, so nobody works on that backup; that it is in our catalogue tells it from one of the
    /// same server that another host takes.
    fn end_backup_mode_of_the_dead(&self, client: &Client) -> Result<(), Error> {
        let Ok(Some(label)) = client.find_backup_label() else { return Ok(()) };
        if let Some(id) = last_word::backup_of(&label, self.server.name())
            && self.has_failed(&id)?
        {
            last_word::leave_if_of(self.server, &id);
            return Ok(());
        }
        let field = |name| label.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?");
        Err(Error::refused(format!(
            "PostgreSQL is in backup mode already, for '{}' since {}. When nobody is taking that backup any more, end \
             it with: SELECT pg_stop_backup();",
            field("LABEL: "),
            field("START TIME: ")
        )))
    }

    fn record_start(&mut self, start: &BackupStart) -> Result<(), Error> {
        self.backup.begin_time = Some(start.time);
        self.backup.begin_xlog = Some(start.lsn);
        self.backup.begin_wal = Some(start.segment);
        self.backup.begin_offset = Some(start.offset);
        self.backup.timeline = Some(start.timeline);
        self.save()?;
        let position = position(start.lsn, start.segment, start.offset);
        self.server.info(format!("Backup start at LSN: {position}"));
        Ok(())
    }

    /// Copies and stops the backup; when one of them fails PostgreSQL leaves backup mode all the same.
    pub(super) fn take(
        &mut self,
        client: &mut Client,
        mode: &BackupMode,
        start: &BackupStart,
    ) -> Result<BackupEnd, Failure> {
        if let Err(failure) = self.copy_all(client, mode, start) {
            last_word::leave(self.server, mode, client.lost().is_none());
            return Err(failure);
        }
        self.server.info("Asking PostgreSQL server to finalize the backup.");
        let end = self.stop(client, mode, start).doing(self.strategy.stop_action());
        if end.is_err() && *mode == BackupMode::Exclusive {
            last_word::leave(self.server, mode, false);
        }
        end
    }

    fn copy_all(&mut self, client: &Client, mode: &BackupMode, start: &BackupStart) -> Result<(), Failure> {
        self.record_start(start).doing("issuing start backup command")?;
        self.drop_wal_before().doing("starting backup")?;
        self.copy(client, mode).doing("copying files")?;
        if *mode == BackupMode::Exclusive {
            self.check_copied_label().doing("reading the backup label")?;
        }
        Ok(())
    }

    /// In exclusive mode `backup_label` is copied with the data directory; without it PostgreSQL would take the copy
    /// for whole, start and be damaged.
    fn check_copied_label(&self) -> Result<(), Error> {
        let path = self.copied_label();
        let label = self.server.context.files.read_if_exists(&path)?.unwrap_or_default();
        if last_word::is_of(&String::from_utf8_lossy(&label), self.server.name(), &self.backup.id) {
            return Ok(());
        }
        Err(Error::refused(format!(
            "'{}' is not the label of this backup: somebody else has ended PostgreSQL's backup mode during the copy",
            path.display()
        )))
    }

    fn copied_label(&self) -> PathBuf {
        self.layout.data_dir(&self.backup.id, DirectoryForm::Data).join("backup_label")
    }

    /// An exclusive backup does not mind a connection that was lost on the way.
    fn stop(&self, client: &mut Client, mode: &BackupMode, start: &BackupStart) -> Result<BackupEnd, Error> {
        if client.lost().is_some() && !mode.belongs_to_session() {
            *client = self.open_session()?;
        }
        Ok(client.stop_backup(mode, start, self.backup.xlog_segment_size)?)
    }

    fn drop_wal_before(&self) -> Result<(), Error> {
        if self.previous.is_none() {
            self.server.info(format!("This is the first backup for server {}", self.server.name()));
            super::settle::drop_wal_before(self.server, &self.backup)?;
        }
        Ok(())
    }

    /// Records where the backup ended, and puts its label into the copy.
    pub(super) fn record_end(&mut self, client: &Client, end: BackupEnd) -> Result<(), Error> {
        self.backup.end_time = Some(end.time);
        self.backup.end_xlog = Some(end.lsn);
        self.backup.end_wal = Some(end.segment);
        self.backup.end_offset = Some(end.offset);
        if let Some(label) = end.label {
            self.server.context.files.replace_durably(&self.copied_label(), label.as_bytes())?;
            self.backup.backup_label = Some(label);
        }
        if !self.is_standby
            && let Err(error) = self.mark_end(client)
        {
            // The backup is complete without: stopping it has closed its last WAL segment.
            self.server.context.cancel.check()?;
            self.server.warning(format!("After the end of the backup: {}", error.with_causes()));
        }
        Ok(())
    }

    /// Gives the moment after the backup a name that recovery can stop at.
    fn mark_end(&self, client: &Client) -> Result<(), Error> {
        client.switch_wal()?;
        if client.features().has_restore_points {
            client.create_restore_point(&format!("barman_{}", self.backup.id))?;
        }
        Ok(())
    }
}
