//! One backup from its first record to the last, or to its failure.

use std::thread;
use std::time::Duration;

use chrono::TimeDelta;

use super::{BackupOptions, items};
use crate::catalog::{BackupInfo, Catalog, DirectoryForm, Identity, Layout, RsyncTimes, Tablespace};
use crate::config::{BackupMethod, HookEvent, ReuseBackup};
use crate::ops::disk_use::{self, DiskUse};
use crate::ops::hooks::{BackupFacts, Scripts, Subject};
use crate::ops::{Error, Server};
use crate::pg::{self, Client};
use crate::sys::Cancel;
use crate::transfer::Endpoint;
use crate::transfer::smart_copy::{self, CopyReport, ReuseMode, SmartCopy, SymbolicLink};
use crate::types::{BackupId, BackupStatus, ByteSize, HumanDuration, Lsn, Timestamp, WalSegment};

/// The mode that records of this method carry.
const MODE: &str = "rsync-concurrent";

/// A backup in the making: the record, and what it is made with.
pub struct BackupRun<'a> {
    server: &'a Server<'a>,
    options: &'a BackupOptions,
    layout: Layout,
    catalog: Catalog,
    previous: Option<BackupInfo>,
    backup: BackupInfo,
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
        backup.mode = Some(MODE.to_owned());
        let previous = catalog.previous_available(&backup.id)?.cloned();
        catalog.save(backup.clone())?;
        Ok(Self { server, options, layout, catalog, previous, backup, started, is_standby: false })
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
            "Starting backup using {MODE} method for server {} in {}",
            self.server.name(),
            base.display()
        ));
        self.run_scripts_before().doing("starting backup")?;
        let client = self.open_session().doing("starting backup")?;
        self.learn(&client).doing("detecting data directory")?;
        self.start(&client).doing("issuing start backup command")?;
        self.drop_wal_before().doing("starting backup")?;
        self.copy(&client).doing("copying files")?;
        self.stop(&client).doing("issuing stop backup command (native concurrent)")?;
        drop(client);
        self.measure().doing("calculating backup size")?;
        self.conclude().doing("calculating backup size")
    }

    fn run_scripts_before(&self) -> Result<(), Error> {
        let facts = BackupFacts::of(&self.catalog, &self.backup);
        let (scripts, subject) = (Scripts::of(self.server), Subject::Backup(&facts));
        Ok(scripts.before(&self.server.context, HookEvent::Backup, &subject)?)
    }

    fn open_session(&self) -> Result<Client, Error> {
        let client = self.server.connect()?;
        client.ensure_supported()?;
        client.keep_alive(self.options.keepalive.unwrap_or_default());
        Ok(client)
    }

    /// Asks PostgreSQL what it is and where its files lie.
    fn learn(&mut self, client: &Client) -> Result<(), Error> {
        let facts = client.server_facts()?;
        let tablespaces = client.tablespaces()?;
        if self.catalog.identity()?.is_none() {
            let version = facts.version.major();
            self.catalog.save_identity(&Identity { systemid: facts.system_id.clone(), version })?;
        }
        self.is_standby = facts.is_in_recovery;
        let backup = &mut self.backup;
        backup.systemid = Some(facts.system_id);
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
            Some(_) => Ok(()),
            None => Err(Error::refused(
                "PostgreSQL does not tell where its data directory is; grant the role pg_read_all_settings to the \
                 user of 'conninfo'",
            )),
        }
    }

    fn start(&mut self, client: &Client) -> Result<(), Error> {
        let label = format!("Barman backup {} {}", self.server.name(), self.backup.id);
        // Recorded first: if we die between the two, the record says that PostgreSQL may be in backup mode.
        self.backup.status = BackupStatus::Started;
        self.save()?;
        let size = self.backup.xlog_segment_size;
        let start = client.start_backup(&label, self.options.immediate_checkpoint, size)?;
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

    fn drop_wal_before(&self) -> Result<(), Error> {
        if self.previous.is_none() {
            self.server.info(format!("This is the first backup for server {}", self.server.name()));
            super::settle::drop_wal_before(self.server, &self.backup)?;
        }
        Ok(())
    }

    fn copy(&mut self, client: &Client) -> Result<(), Error> {
        let jobs = match self.options.copy.jobs {
            1 => String::new(),
            jobs => format!(" ({jobs} jobs)"),
        };
        let way = match self.server.config.backup_method() {
            BackupMethod::LocalRsync => "local rsync",
            _ => "rsync/SSH",
        };
        self.server.info(format!("Starting backup copy via {way} for {}{jobs}", self.backup.id));
        let report = self.copy_files(client)?;
        self.server.info(format!("Copy done (time: {})", HumanDuration::from(report.stats.total)));
        self.warn_of_what_was_not_copied(&report);
        self.backup.copy_stats = Some(times(report.stats).into());
        if self.previous.is_none() {
            self.server.info(format!("This is the first backup for server {}", self.server.name()));
        }
        Ok(())
    }

    fn copy_files(&self, client: &Client) -> Result<CopyReport, Error> {
        let source = self.server.data_endpoint()?;
        let reuse = match self.options.reuse {
            ReuseBackup::Link => ReuseMode::Link,
            ReuseBackup::Copy => ReuseMode::Copy,
            ReuseBackup::Off => ReuseMode::Off,
        };
        let previous = self.previous.as_ref().filter(|_| reuse != ReuseMode::Off);
        let copy = SmartCopy {
            items: items::plan(&self.layout, &self.backup, previous, self.options),
            reuse,
            safe_horizon: previous.and_then(|previous| previous.begin_time),
            ..self.options.copy.copy(source, Endpoint::Local, self.server.config)
        };
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

    fn stop(&mut self, client: &Client) -> Result<(), Error> {
        self.server.info("Asking PostgreSQL server to finalize the backup.");
        let end = client.stop_backup(self.backup.xlog_segment_size)?;
        self.backup.end_time = Some(end.time);
        self.backup.end_xlog = Some(end.lsn);
        self.backup.end_wal = Some(end.segment);
        self.backup.end_offset = Some(end.offset);
        let label = self.layout.data_dir(&self.backup.id, DirectoryForm::Data).join("backup_label");
        self.server.context.files.replace_durably(&label, end.label.as_bytes())?;
        self.backup.backup_label = Some(end.label);
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
        client.create_restore_point(&format!("barman_{}", self.backup.id))?;
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

fn times(stats: smart_copy::CopyStats) -> RsyncTimes {
    RsyncTimes {
        total: stats.total,
        workers: stats.workers,
        analysis_per_item: stats.analysis_per_item,
        copy_per_item: stats.copy_per_item,
        serialized_copy_per_item: stats.serialized_copy_per_item,
        analysis: stats.analysis,
        copy: stats.copy,
        serialized_copy: stats.serialized_copy,
    }
}

fn position(lsn: Lsn, segment: WalSegment, offset: u32) -> String {
    format!("{lsn} ({segment}, {offset:08X})")
}

fn from_server(known: pg::Tablespace) -> Tablespace {
    Tablespace { name: known.name, oid: known.oid, location: known.location.into() }
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
