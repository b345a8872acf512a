//! One backup from its first record to the last, or to its failure.

use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;

use super::{BackupOptions, last_word};
use crate::catalog::{BackupInfo, Catalog, DirectoryForm, Identity, Layout, Tablespace};
use crate::config::ReuseBackup;
use crate::ops::disk_use::{self, DiskUse};
use crate::ops::strategy::{Ground, Strategy};
use crate::ops::{Error, Server, primary};
use crate::pg::{self, BackupEnd, BackupMode, BackupStart, Client};
use crate::types::{BackupId, BackupStatus, ByteSize, HumanDuration, Lsn, Timestamp, WalSegment};

/// A backup in the making: the record, and what it is made with.
pub struct BackupRun<'a> {
    pub(super) server: &'a Server<'a>,
    pub(super) options: &'a BackupOptions,
    pub(super) layout: Layout,
    strategy: Strategy,
    catalog: Catalog,
    pub(super) previous: Option<BackupInfo>,
    pub(super) backup: BackupInfo,
    started: Timestamp,
    is_standby: bool,
}

/// What was being done when a backup failed, in the words that the record keeps.
struct Failure {
    action: &'static str,
    error: Error,
}

/// Names what a step was for.
trait Doing<T> {
    fn doing(self, action: &'static str) -> Result<T, Failure>;
}

impl<T, E: Into<Error>> Doing<T> for Result<T, E> {
    fn doing(self, action: &'static str) -> Result<T, Failure> {
        self.map_err(|error| Failure { action, error: error.into() })
    }
}

impl<'a> BackupRun<'a> {
    /// Chooses the identifier and records the backup EMPTY. The caller holds the backup lock.
    pub fn begin(server: &'a Server<'a>, options: &'a BackupOptions) -> Result<Self, Error> {
        let (layout, mut catalog) = (server.layout(), server.catalog()?);
        let (id, started) = free_identifier(server, &layout)?;
        let mut backup = BackupInfo::new(id);
        backup.server_name = Some(server.name().to_owned());
        backup.backup_name.clone_from(&options.name);
        let strategy = Strategy::configured(server.config);
        backup.mode = Some(strategy.record_mode().to_owned());
        let previous = catalog.previous_available(&backup.id)?.cloned();
        catalog.save(backup.clone())?;
        Ok(Self { server, options, layout, strategy, catalog, previous, backup, started, is_standby: false })
    }

    /// Takes the backup; gives its record, whose WAL may still have to arrive, or `None` when it failed, which is
    /// then recorded and told.
    pub fn run(mut self) -> Result<Option<BackupInfo>, Error> {
        let Err(failure) = self.attempt() else { return Ok(Some(self.backup)) };
        self.record_failure(&failure)?;
        self.server.context.cancel.check()?;
        Ok(None)
    }

    fn attempt(&mut self) -> Result<(), Failure> {
        let base = self.layout.base_dir(&self.backup.id);
        self.server.info(format!(
            "Starting backup using {} method for server {} in {}",
            self.strategy.record_mode(),
            self.server.name(),
            base.display()
        ));
        let client = self.open_session().doing("starting backup")?;
        let ground = self.learn(&client).doing("detecting data directory")?;
        let mode = self.strategy.mode(&ground).map_err(|obstacle| Error::refused(obstacle.to_string()));
        let mode = mode.doing("starting backup")?;
        let start = self.start(&client, &mode).doing("issuing start backup command")?;
        let end = self.take(&client, &mode, &start)?;
        self.record_end(&client, end).doing("writing backup label")?;
        drop(client);
        self.measure().doing("calculating backup size")?;
        self.conclude().doing("calculating backup size")
    }

    fn open_session(&self) -> Result<Client, Error> {
        let client = self.server.connect()?;
        client.ensure_supported()?;
        client.keep_alive(self.options.keepalive.unwrap_or_default());
        Ok(client)
    }

    /// Asks PostgreSQL what it is and where its files lie.
    fn learn(&mut self, client: &Client) -> Result<Ground, Error> {
        let facts = client.server_facts()?;
        let (ground, tablespaces) = (Ground::of(client, &facts)?, client.tablespaces()?);
        if let (Some(systemid), None) = (&facts.system_id, self.catalog.identity()?) {
            let version = facts.version.major();
            self.catalog.save_identity(&Identity { systemid: systemid.clone(), version })?;
        }
        self.is_standby = facts.is_in_recovery;
        primary::warn_when_ignored(self.server, self.is_standby);
        let backup = &mut self.backup;
        backup.systemid = facts.system_id;
        backup.version = Some(facts.version);
        backup.xlog_segment_size = facts.segment_size;
        backup.pgdata = facts.settings.data_directory;
        backup.config_file = facts.settings.config_file;
        backup.hba_file = facts.settings.hba_file;
        backup.ident_file = facts.settings.ident_file;
        backup.included_files = Some(facts.settings.included_files).filter(|files| !files.is_empty());
        backup.tablespaces = tablespaces.into_iter().map(from_server).collect();
        backup.cluster_size = client.current_size()?;
        backup.data_checksums = facts.settings.data_checksums;
        backup.summarize_wal = facts.settings.summarize_wal;
        match backup.pgdata {
            Some(_) => Ok(ground),
            None => Err(Error::refused(
                "PostgreSQL does not tell where its data directory is; grant the role pg_read_all_settings to the \
                 user of 'conninfo'",
            )),
        }
    }

    fn start(&mut self, client: &Client, mode: &BackupMode) -> Result<BackupStart, Error> {
        let is_exclusive = *mode == BackupMode::Exclusive;
        if is_exclusive {
            refuse_backup_mode(client)?;
        }
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
        let start = started?;
        self.backup.begin_time = Some(start.time);
        self.backup.begin_xlog = Some(start.lsn);
        self.backup.begin_wal = Some(start.segment);
        self.backup.begin_offset = Some(start.offset);
        self.backup.timeline = Some(start.timeline);
        self.save()?;
        let position = position(start.lsn, start.segment, start.offset);
        self.server.info(format!("Backup start at LSN: {position}"));
        Ok(start)
    }

    /// Copies and stops the backup; when one of them fails PostgreSQL leaves backup mode all the same.
    fn take(
        &mut self,
        client: &Client,
        mode: &BackupMode,
        start: &BackupStart,
    ) -> Result<BackupEnd, Failure> {
        if let Err(failure) = self.copy_all(client, mode) {
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

    fn copy_all(&mut self, client: &Client, mode: &BackupMode) -> Result<(), Failure> {
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
    fn stop(&self, client: &Client, mode: &BackupMode, start: &BackupStart) -> Result<BackupEnd, Error> {
        let size = self.backup.xlog_segment_size;
        if client.lost().is_some() && !mode.belongs_to_session() {
            return Ok(self.server.connect()?.stop_backup(mode, start, size)?);
        }
        Ok(client.stop_backup(mode, start, size)?)
    }

    fn drop_wal_before(&self) -> Result<(), Error> {
        if self.previous.is_none() {
            self.server.info(format!("This is the first backup for server {}", self.server.name()));
            super::settle::drop_wal_before(self.server, &self.backup)?;
        }
        Ok(())
    }

    fn record_end(&mut self, client: &Client, end: BackupEnd) -> Result<(), Error> {
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

    fn measure(&mut self) -> Result<(), Error> {
        let base = self.layout.base_dir(&self.backup.id);
        let files = &self.server.context.files;
        files.sync_filesystem(&base)?;
        let size = disk_use::measure(&self.server.context, &base)?;
        self.backup.size = Some(size.bytes);
        self.backup.deduplicated_size = Some(size.own_bytes);
        let total = ByteSize::from(size.bytes);
        let deduplication = match self.options.reuse {
            ReuseBackup::Link => format!(
                ". Actual size on disk: {} (-{:.2}% deduplication ratio).",
                ByteSize::from(size.own_bytes),
                deduplication_percent(size)
            ),
            ReuseBackup::Copy | ReuseBackup::Off => String::new(),
        };
        self.server.info(format!("Backup size: {total}{deduplication}"));
        Ok(())
    }

    /// All files are there and on disk: from now on the backup counts.
    fn conclude(&mut self) -> Result<(), Error> {
        self.backup.status = BackupStatus::WaitingForWals;
        self.save()?;
        if let (Some(lsn), Some(segment), Some(offset)) =
            (self.backup.end_xlog, self.backup.end_wal, self.backup.end_offset)
        {
            self.server.info(format!("Backup end at LSN: {}", position(lsn, segment, offset)));
        }
        let elapsed: TimeDelta = self.server.context.clock.now() - self.started;
        self.server.info(format!(
            "Backup completed (start time: {}, elapsed time: {})",
            self.started.format("%Y-%m-%d %H:%M:%S%.6f"),
            HumanDuration::from(elapsed)
        ));
        Ok(())
    }

    fn save(&mut self) -> Result<(), Error> {
        Ok(self.catalog.save(self.backup.clone())?)
    }

    fn record_failure(&mut self, failure: &Failure) -> Result<(), Error> {
        let reason = failure.error.with_causes();
        let first_line = reason.lines().next().unwrap_or_default();
        self.backup.status = BackupStatus::Failed;
        self.backup.error = Some(format!("failure {} ({first_line})", failure.action));
        // What fails the backup may keep its record from being written too, as a full disk does.
        let saved = self.save();
        self.server.error(format!("Backup failed {}.\nDETAILS: {reason}", failure.action));
        saved
    }
}

fn position(lsn: Lsn, segment: WalSegment, offset: u32) -> String {
    format!("{lsn} ({segment}, {offset:08X})")
}

fn from_server(known: pg::Tablespace) -> Tablespace {
    Tablespace { name: known.name, oid: known.oid, location: known.location.into() }
}

fn deduplication_percent(size: DiskUse) -> f64 {
    if size.bytes == 0 {
        return 0.0;
    }
    (1.0 - size.own_bytes as f64 / size.bytes as f64) * 100.0
}

/// Fails when PostgreSQL is in exclusive backup mode, for whoever that may be. Who must not know gets to hear it from
/// PostgreSQL itself.
fn refuse_backup_mode(client: &Client) -> Result<(), Error> {
    let Ok(Some(label)) = client.find_backup_label() else { return Ok(()) };
    let field = |name| label.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?");
    Err(Error::refused(format!(
        "PostgreSQL is in backup mode already, for '{}' since {}. When nobody is taking that backup any more, end it \
         with: SELECT pg_stop_backup();",
        field("LABEL: "),
        field("START TIME: ")
    )))
}

/// The identifier of this second, or of one of the next: two backups cannot have the same.
fn free_identifier(server: &Server<'_>, layout: &Layout) -> Result<(BackupId, Timestamp), Error> {
    loop {
        let now = server.context.clock.now();
        let id = BackupId::at(now);
        let files = &server.context.files;
        if !files.exists(&layout.record(&id))? && !files.exists(&layout.base_dir(&id))? {
            return Ok((id, now));
        }
        server.context.clock.sleep(Duration::from_millis(200), &server.context.cancel)?;
    }
}
