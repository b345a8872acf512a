//! One backup from its first record to the last, or to its failure.

use std::time::Duration;

use chrono::TimeDelta;

use super::BackupOptions;
use crate::catalog::{BackupInfo, Catalog, Identity, Layout, Tablespace};
use crate::config::{HookEvent, ReuseBackup};
use crate::ops::disk_use::{self, DiskUse};
use crate::ops::hooks::{BackupFacts, Scripts, Subject};
use crate::ops::strategy::{Ground, Strategy};
use crate::ops::{Error, Server, primary};
use crate::pg::{self, Client};
use crate::types::{BackupId, BackupStatus, ByteSize, HumanDuration, Lsn, Timestamp, WalSegment};

/// A backup in the making: the record, and what it is made with.
pub struct BackupRun<'a> {
    pub(super) server: &'a Server<'a>,
    pub(super) options: &'a BackupOptions,
    pub(super) layout: Layout,
    pub(super) strategy: Strategy,
    catalog: Catalog,
    pub(super) previous: Option<BackupInfo>,
    pub(super) backup: BackupInfo,
    started: Timestamp,
    pub(super) is_standby: bool,
}

/// What was being done when a backup failed, in the words that the record keeps.
pub(super) struct Failure {
    action: &'static str,
    error: Error,
}

/// Names what a step was for.
pub(super) trait Doing<T> {
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

    /// Takes the backup; gives its record. Its WAL may still have to arrive; or it is FAILED, which has been told. An
    /// error beside it says that the record could not be written.
    pub fn run(mut self) -> (BackupInfo, Result<(), Error>) {
        let recorded = match self.attempt() {
            Ok(()) => Ok(()),
            Err(failure) => self.record_failure(&failure),
        };
        (self.backup, recorded)
    }

    fn attempt(&mut self) -> Result<(), Failure> {
        let base = self.layout.base_dir(&self.backup.id);
        self.server.info(format!(
            "Starting backup using {} method for server {} in {}",
            self.strategy.record_mode(),
            self.server.name(),
            base.display()
        ));
        self.run_scripts_before().doing("starting backup")?;
        let mut client = self.open_session().doing("starting backup")?;
        let ground = self.learn(&client).doing("detecting data directory")?;
        let mode = self.strategy.mode(&ground).map_err(|obstacle| Error::refused(obstacle.to_string()));
        let mode = mode.doing("starting backup")?;
        let start = self.start(&client, &mode).doing("issuing start backup command")?;
        let end = self.take(&mut client, &mode, &start)?;
        self.record_end(&client, end).doing("writing backup label")?;
        drop(client);
        self.measure().doing("calculating backup size")?;
        self.conclude().doing("calculating backup size")
    }

    fn run_scripts_before(&self) -> Result<(), Error> {
        let facts = BackupFacts::of(&self.catalog, &self.backup);
        let (scripts, subject) = (Scripts::of(self.server), Subject::Backup(&facts));
        Ok(scripts.before(&self.server.context, HookEvent::Backup, &subject)?)
    }

    pub(super) fn open_session(&self) -> Result<Client, Error> {
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

    fn measure(&mut self) -> Result<(), Error> {
        let base = self.layout.base_dir(&self.backup.id);
        let files = &self.server.context.files;
        files.sync_filesystem(&base)?;
        let size = disk_use::measure_backup(&self.server.context, &self.layout, &self.backup.id)?;
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

    /// Whether the catalogue has a backup `id` that was given up.
    pub(super) fn has_failed(&self, id: &BackupId) -> Result<bool, Error> {
        Ok(self.catalog.find(id)?.is_some_and(|backup| backup.status == BackupStatus::Failed))
    }

    pub(super) fn save(&mut self) -> Result<(), Error> {
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

pub(super) fn position(lsn: Lsn, segment: WalSegment, offset: u32) -> String {
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
