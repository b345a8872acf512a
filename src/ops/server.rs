use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Error, compression};
use crate::catalog::{Catalog, Layout};
use crate::config::{BackupMethod, Global, Retry, ReuseBackup, ServerConfig};
use crate::pg::{self, Client, Conninfo, ServerFacts};
use crate::sys::{Context, Lock, lock};
use crate::transfer::smart_copy::{ReuseMode, SmartCopy, StartThrottle};
use crate::transfer::{self, Endpoint, SshCommand};
use crate::wal::{Archive, ArchivePaths};

/// One configured server, with the world to act in.
#[derive(Clone)]
pub struct Server<'a> {
    /// The world outside.
    pub context: Context,
    /// The settings that all servers share.
    pub global: &'a Global,
    /// Its own settings.
    pub config: &'a ServerConfig,
}

/// How files are copied: the configuration, and over it what was typed.
#[derive(Debug, Clone)]
pub struct CopySettings {
    /// Workers that copy at the same time.
    pub jobs: usize,
    /// How fast workers are started.
    pub throttle: StartThrottle,
    /// Limit of each transfer in kilobytes a second; 0 for none.
    pub bandwidth_limit: u32,
    /// Limits of tablespaces by name, over the general one.
    pub tablespace_limits: BTreeMap<String, u32>,
    /// How a copy that failed is tried again.
    pub retry: Retry,
    /// Whether the transfer is compressed on the way.
    pub network_compression: bool,
}

/// What `reuse_backup` asks of a copy.
pub fn reuse_mode(option: ReuseBackup) -> ReuseMode {
    match option {
        ReuseBackup::Link => ReuseMode::Link,
        ReuseBackup::Copy => ReuseMode::Copy,
        ReuseBackup::Off => ReuseMode::Off,
    }
}

impl CopySettings {
    /// The settings of the configuration.
    pub fn configured(config: &ServerConfig) -> Self {
        let limits = config.tablespace_bandwidth_limit().into_iter();
        Self {
            jobs: config.parallel_jobs(),
            throttle: StartThrottle {
                batch_size: config.parallel_jobs_start_batch_size(),
                batch_period: config.parallel_jobs_start_batch_period(),
            },
            bandwidth_limit: rate(config.bandwidth_limit()),
            tablespace_limits: limits.map(|(name, limit)| (name.to_owned(), rate(limit))).collect(),
            retry: config.basebackup_retry(),
            network_compression: config.network_compression(),
        }
    }

    /// What happens when a transfer fails.
    pub fn retry(&self) -> transfer::Retry {
        transfer::Retry { times: self.retry.times, sleep: self.retry.sleep }
    }

    /// The limit for the files of a tablespace.
    pub fn limit_of_tablespace(&self, name: &str) -> u32 {
        self.tablespace_limits.get(name).copied().unwrap_or(self.bandwidth_limit)
    }

    /// A copy of nothing yet, made in this way.
    pub fn copy(&self, source: Endpoint, destination: Endpoint, config: &ServerConfig) -> SmartCopy {
        SmartCopy {
            jobs: self.jobs,
            retry: self.retry(),
            network_compression: self.network_compression,
            throttle: self.throttle,
            path_prefix: config.path_prefix().map(str::to_owned),
            ..SmartCopy::new(source, destination)
        }
    }
}

/// A rate for rsync: none is 0, and one that is beyond its numbers is as good as none.
fn rate(limit: Option<u64>) -> u32 {
    limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(0)
}

impl<'a> Server<'a> {
    /// Puts settings and world together.
    pub fn new(context: &Context, global: &'a Global, config: &'a ServerConfig) -> Self {
        Self { context: context.clone(), global, config }
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        self.config.name()
    }

    /// Where its catalogue lies.
    pub fn layout(&self) -> Layout {
        Layout::of(self.config, &self.global.lock_directory)
    }

    /// Its backups.
    pub fn catalog(&self) -> Result<Catalog, Error> {
        Ok(Catalog::open(&self.context.files, self.layout())?)
    }

    /// Its WAL archive.
    pub fn archive(&self) -> Archive {
        let paths = ArchivePaths {
            server: self.config.name().to_owned(),
            wals_dir: self.config.wals_directory(),
            xlogdb: self.config.xlogdb_directory().join(format!("{}-xlog.db", self.name())),
            lock_dir: self.global.lock_directory.clone(),
        };
        Archive::new(&self.context, paths, compression::codecs(self))
    }

    /// The program and words that reach the host of PostgreSQL.
    pub fn ssh(&self) -> Result<SshCommand, Error> {
        let text = self.config.ssh_command().unwrap_or_default();
        Ok(SshCommand::parse(text)?.with_path_prefix(self.config.path_prefix()))
    }

    /// The program and words that reach the node whose backups this one copies.
    pub fn primary_ssh(&self) -> Result<SshCommand, Error> {
        let text = self.config.primary_ssh_command().unwrap_or_default();
        Ok(SshCommand::parse(text)?.with_path_prefix(self.config.path_prefix()))
    }

    /// Where PostgreSQL's files are: on the host that ssh reaches, or on this one.
    pub fn data_endpoint(&self) -> Result<Endpoint, Error> {
        match self.config.backup_method() {
            BackupMethod::LocalRsync => Ok(Endpoint::Local),
            _ => Ok(Endpoint::Ssh(self.ssh()?)),
        }
    }

    /// A connection to PostgreSQL.
    pub fn connect(&self) -> Result<Client, Error> {
        let text = self.config.conninfo().unwrap_or_default();
        let conninfo: Conninfo = text.parse().map_err(pg::Error::from)?;
        Ok(Client::connect(&conninfo, &self.context.cancel)?)
    }

    /// A connection to PostgreSQL, and what that tells of itself.
    pub fn connect_with_facts(&self) -> Result<(Client, ServerFacts), Error> {
        let client = self.connect()?;
        let facts = client.server_facts()?;
        Ok((client, facts))
    }

    /// Has the log tell why PostgreSQL could not be asked what it is.
    pub fn log_unreachable(&self, reason: &str) {
        tracing::warn!("Error retrieving PostgreSQL status of server '{}': {reason}", self.name());
    }

    /// Takes the lock at `path` to work under it; `None` when another process does.
    pub fn lock_for_work(&self, path: &Path) -> Result<Option<Lock>, Error> {
        Ok(Lock::acquire_for_work(path)?)
    }

    /// Whether another process works under the lock at `path`.
    pub fn is_locked(&self, path: &Path) -> Result<bool, Error> {
        Ok(lock::is_held(path)?)
    }

    /// The lock of a background task, for example `cron`.
    pub fn task_lock(&self, task: &str) -> PathBuf {
        self.global.lock_directory.join(format!(".{}-{task}.lock", self.name()))
    }

    /// Makes the directories that the configuration names and that are not there yet.
    pub fn ensure_directories(&self) -> Result<(), crate::sys::fs::Error> {
        // A home that is not there is a file system that is not mounted: nothing may be made in its place.
        self.context.files.metadata(&self.global.barman_home)?;
        self.config.directories().iter().try_for_each(|(_, dir)| self.context.files.create_dir_all(dir))
    }

    /// Fails when the server is configured for something that this version does not do yet: better no backup and a
    /// loud word than one of another kind than was asked for.
    pub fn refuse_unsupported(&self) -> Result<(), Error> {
        match self.config.unsupported().first() {
            Some(reason) => Err(Error::refused(format!("server '{}': {reason}", self.name()))),
            None => Ok(()),
        }
    }

    /// Says something to the person.
    pub fn info(&self, text: impl AsRef<str>) {
        self.context.events.info(text.as_ref());
    }

    /// Warns the person.
    pub fn warning(&self, text: impl AsRef<str>) {
        self.context.events.warning(text.as_ref());
    }

    /// Says that something did not work; the command will end with code 1.
    pub fn error(&self, text: impl AsRef<str>) {
        self.context.events.error(text.as_ref());
    }
}
