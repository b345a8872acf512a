//! Values as the use cases need them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::{BackupMethod, Compression, CompressionLevel, HookEvent, HookPhase, ReuseBackup, ServerConfig};
use crate::config::schema::{Key, key};
use crate::config::value::Value;
use crate::types::RetentionPolicy;

/// How PostgreSQL is told of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackupOptions {
    /// Through the functions for backups that exclude one another.
    pub exclusive: bool,
    /// Through those that do not.
    pub concurrent: bool,
    /// Configuration files outside PGDATA need no warning.
    pub external_configuration: bool,
}

/// Defaults of a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecoveryOptions {
    /// PostgreSQL fetches WAL from here instead of finding it copied.
    pub get_wal: bool,
    /// Files that are already at the destination are reused.
    pub delta_restore: bool,
}

/// How a failed copy is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often, after the first time.
    pub times: u32,
    /// How long to wait before.
    pub sleep: Duration,
}

/// The commands that run before or after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hooks<'a> {
    /// Runs once.
    pub script: Option<&'a str>,
    /// Runs until it succeeds or gives up.
    pub retry_script: Option<&'a str>,
}

/// How WAL and backups are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encryption<'a> {
    /// The gpg key.
    pub key_id: Option<&'a str>,
}

/// About the server.
impl ServerConfig {
    /// What the server is, for people.
    pub fn description(&self) -> Option<&str> {
        self.text(key!("description"))
    }

    /// The name its models know it by.
    pub fn cluster(&self) -> &str {
        self.text(key!("cluster")).unwrap_or(&self.name)
    }

    /// How to connect to PostgreSQL.
    pub fn conninfo(&self) -> Option<&str> {
        self.text(key!("conninfo"))
    }

    /// How to connect to PostgreSQL for replication.
    pub fn streaming_conninfo(&self) -> Option<&str> {
        self.text(key!("streaming_conninfo"))
    }

    /// How to connect to the server that WAL is received from, when it is another one.
    pub fn wal_conninfo(&self) -> Option<&str> {
        self.text(key!("wal_conninfo"))
    }

    /// The same for replication.
    pub fn wal_streaming_conninfo(&self) -> Option<&str> {
        self.text(key!("wal_streaming_conninfo"))
    }

    /// How to connect to the primary of a standby.
    pub fn primary_conninfo(&self) -> Option<&str> {
        self.text(key!("primary_conninfo"))
    }

    /// How long an idle primary is waited for before a checkpoint is asked of it.
    pub fn primary_checkpoint_timeout(&self) -> Option<Duration> {
        self.seconds(key!("primary_checkpoint_timeout"))
    }

    /// How to reach the host of PostgreSQL.
    pub fn ssh_command(&self) -> Option<&str> {
        self.text(key!("ssh_command"))
    }

    /// How to reach the node whose backups this one copies.
    pub fn primary_ssh_command(&self) -> Option<&str> {
        self.text(key!("primary_ssh_command"))
    }

    /// Whether the primary is told which configuration file to read.
    pub fn forward_config_path(&self) -> bool {
        self.flag(key!("forward_config_path"))
    }

    /// Directories, with colons between them, to search for programs first.
    pub fn path_prefix(&self) -> Option<&str> {
        self.text(key!("path_prefix"))
    }
}

/// Directories. An object store's address is in [`ServerConfig::object_stores`] as well; nothing may treat it as a
/// path.
impl ServerConfig {
    /// The root of the server's files.
    pub fn backup_directory(&self) -> PathBuf {
        self.path(key!("backup_directory"))
    }

    /// The data of the backups.
    pub fn basebackups_directory(&self) -> PathBuf {
        self.path(key!("basebackups_directory"))
    }

    /// The archived WAL.
    pub fn wals_directory(&self) -> PathBuf {
        self.path(key!("wals_directory"))
    }

    /// Where `archive_command` puts WAL.
    pub fn incoming_wals_directory(&self) -> PathBuf {
        self.path(key!("incoming_wals_directory"))
    }

    /// Where WAL is received.
    pub fn streaming_wals_directory(&self) -> PathBuf {
        self.path(key!("streaming_wals_directory"))
    }

    /// What came in as WAL and cannot be archived.
    pub fn errors_directory(&self) -> PathBuf {
        self.path(key!("errors_directory"))
    }

    /// The records of the backups.
    pub fn meta_directory(&self) -> PathBuf {
        self.backup_directory().join("meta")
    }

    /// The list of archived WAL: with the archive, but next to the records when the archive is an object store.
    pub fn xlogdb_directory(&self) -> PathBuf {
        match self.text(key!("xlogdb_directory")) {
            Some(path) if !path.contains("://") => PathBuf::from(path),
            _ => self.meta_directory(),
        }
    }

    /// The directories that must exist before the server can be worked with, by the names of their options.
    pub fn directories(&self) -> Vec<(&'static str, PathBuf)> {
        let options = Key::all().filter(|key| {
            let def = key.def();
            def.scope.is_of_servers() && def.name.ends_with("_directory")
        });
        let set = options.filter_map(|key| Some((key.name(), self.text(key)?)));
        let paths =
            set.filter(|(_, path)| !path.contains("://")).map(|(name, path)| (name, PathBuf::from(path)));
        paths.chain([("meta_directory", self.meta_directory())]).collect()
    }

    /// The options that name an object store instead of a directory.
    pub fn object_stores(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let options = [key!("basebackups_directory"), key!("wals_directory")];
        let set = options.into_iter().filter_map(|key| Some((key.name(), self.text(key)?)));
        set.filter(|(_, path)| path.contains("://"))
    }
}

/// Backups and their copy.
impl ServerConfig {
    /// How base backups are taken.
    pub fn backup_method(&self) -> BackupMethod {
        BackupMethod::named_by(self.value(key!("backup_method"))).unwrap_or(BackupMethod::Rsync)
    }

    /// How PostgreSQL is told of a backup.
    pub fn backup_options(&self) -> BackupOptions {
        let has = |word| self.has_word(key!("backup_options"), word);
        BackupOptions {
            exclusive: has("exclusive_backup"),
            concurrent: has("concurrent_backup"),
            external_configuration: has("external_configuration"),
        }
    }

    /// What happens to files that have not changed since the last backup.
    pub fn reuse_backup(&self) -> ReuseBackup {
        ReuseBackup::named_by(self.value(key!("reuse_backup"))).unwrap_or(ReuseBackup::Off)
    }

    /// Whether backups get a list of their files with checksums.
    pub fn autogenerate_manifest(&self) -> bool {
        self.flag(key!("autogenerate_manifest"))
    }

    /// Whether the checkpoint of a backup is done at once.
    pub fn immediate_checkpoint(&self) -> bool {
        self.flag(key!("immediate_checkpoint"))
    }

    /// How often the connection of a running backup is kept alive; `None` never.
    pub fn keepalive_interval(&self) -> Option<Duration> {
        self.seconds(key!("keepalive_interval"))
    }

    /// How many files are copied at the same time, at least one.
    pub fn parallel_jobs(&self) -> usize {
        self.count(key!("parallel_jobs")).map_or(1, saturated).max(1)
    }

    /// How many jobs may start within [`ServerConfig::parallel_jobs_start_batch_period`], at least one.
    pub fn parallel_jobs_start_batch_size(&self) -> usize {
        self.count(key!("parallel_jobs_start_batch_size")).map_or(10, saturated).max(1)
    }

    /// The time that starting jobs are counted in.
    pub fn parallel_jobs_start_batch_period(&self) -> Duration {
        self.seconds(key!("parallel_jobs_start_batch_period")).unwrap_or_default()
    }

    /// kB per second that a copy may take; `None` as much as it can.
    pub fn bandwidth_limit(&self) -> Option<u64> {
        self.count(key!("bandwidth_limit")).filter(|limit| *limit > 0)
    }

    /// The limits of single tablespaces by name, in kB per second; `None` as much as it can.
    pub fn tablespace_bandwidth_limit(&self) -> BTreeMap<&str, Option<u64>> {
        let Value::Limits(limits) = self.value(key!("tablespace_bandwidth_limit")) else {
            return BTreeMap::new();
        };
        let positive = |limit: i64| u64::try_from(limit).ok().filter(|limit| *limit > 0);
        limits.iter().map(|(name, limit)| (name.as_str(), positive(*limit))).collect()
    }

    /// Whether rsync compresses what goes over the network.
    pub fn network_compression(&self) -> bool {
        self.flag(key!("network_compression"))
    }

    /// How a failed copy is tried again.
    pub fn basebackup_retry(&self) -> Retry {
        let times = self.count(key!("basebackup_retry_times")).unwrap_or(0);
        let sleep = self.seconds(key!("basebackup_retry_sleep")).unwrap_or_default();
        Retry { times: u32::try_from(times).unwrap_or(u32::MAX), sleep }
    }
}

/// WAL.
impl ServerConfig {
    /// Whether WAL that `archive_command` brings is archived.
    pub fn archiver(&self) -> bool {
        self.flag(key!("archiver"))
    }

    /// How many files one run archives at most; `None` all.
    pub fn archiver_batch_size(&self) -> Option<usize> {
        self.count(key!("archiver_batch_size")).filter(|size| *size > 0).map(saturated)
    }

    /// Whether WAL is received from PostgreSQL.
    pub fn streaming_archiver(&self) -> bool {
        self.flag(key!("streaming_archiver"))
    }

    /// The physical replication slot.
    pub fn slot_name(&self) -> Option<&str> {
        self.text(key!("slot_name"))
    }

    /// Whether a missing slot is created.
    pub fn creates_slot(&self) -> bool {
        self.text(key!("create_slot")) == Some("auto")
    }

    /// How archived WAL is compressed.
    pub fn compression(&self) -> Option<Compression> {
        Compression::named_by(self.value(key!("compression")))
    }

    /// How hard.
    pub fn compression_level(&self) -> CompressionLevel {
        CompressionLevel::named_by(self.value(key!("compression_level")))
    }

    /// The shell command line of `compression = custom`.
    pub fn custom_compression_filter(&self) -> Option<&str> {
        self.text(key!("custom_compression_filter"))
    }

    /// The one that undoes it.
    pub fn custom_decompression_filter(&self) -> Option<&str> {
        self.text(key!("custom_decompression_filter"))
    }

    /// What its files begin with, in hexadecimal digits.
    pub fn custom_compression_magic(&self) -> Option<&str> {
        self.text(key!("custom_compression_magic"))
    }

    /// Whether WAL from before the first backup stays.
    pub fn worm_mode(&self) -> bool {
        self.flag(key!("worm_mode"))
    }

    /// How WAL and backups are encrypted.
    pub fn encryption(&self) -> Option<Encryption<'_>> {
        (self.value(key!("encryption")) != &Value::Null)
            .then(|| Encryption { key_id: self.text(key!("encryption_key_id")) })
    }

    /// Prints the passphrase of the private key. Without `encryption`, too, since that may have been on before.
    pub fn encryption_passphrase_command(&self) -> Option<&str> {
        self.text(key!("encryption_passphrase_command"))
    }

    /// How the tar files of backups are compressed.
    pub fn backup_compression(&self) -> Option<&str> {
        self.text(key!("backup_compression"))
    }

    /// Whether compressed backups stay tar files.
    pub fn backup_compression_format(&self) -> Option<&str> {
        self.text(key!("backup_compression_format"))
    }
}

/// What is kept, checked and restored.
impl ServerConfig {
    /// Which backups are kept; `None` all.
    pub fn retention_policy(&self) -> Option<RetentionPolicy> {
        match self.value(key!("retention_policy")) {
            Value::Retention(policy) => Some(*policy),
            _ => None,
        }
    }

    /// What is wrong with a policy that cannot be understood and so is not enforced.
    pub fn retention_fault(&self) -> Option<&str> {
        self.retention_fault.as_deref()
    }

    /// How many backups stay whatever the policy says.
    pub fn minimum_redundancy(&self) -> u32 {
        self.count(key!("minimum_redundancy")).map_or(0, |number| u32::try_from(number).unwrap_or(u32::MAX))
    }

    /// The age at which the newest backup is too old.
    pub fn last_backup_maximum_age(&self) -> Option<Duration> {
        self.span(key!("last_backup_maximum_age"))
    }

    /// The size below which the newest backup is too small, in bytes.
    pub fn last_backup_minimum_size(&self) -> Option<u64> {
        self.count(key!("last_backup_minimum_size"))
    }

    /// The age at which the newest WAL file is too old.
    pub fn last_wal_maximum_age(&self) -> Option<Duration> {
        self.span(key!("last_wal_maximum_age"))
    }

    /// How many WAL files may wait to be archived.
    pub fn max_incoming_wals_queue(&self) -> Option<u64> {
        self.count(key!("max_incoming_wals_queue"))
    }

    /// How long a check may take; `None` for ever.
    pub fn check_timeout(&self) -> Option<Duration> {
        self.seconds(key!("check_timeout"))
    }

    /// Defaults of a restore.
    pub fn recovery_options(&self) -> RecoveryOptions {
        let has = |word| self.has_word(key!("recovery_options"), word);
        RecoveryOptions { get_wal: has("get-wal"), delta_restore: has("delta-restore") }
    }

    /// The commands that run before or after an event.
    pub fn hooks(&self, phase: HookPhase, event: HookEvent) -> Hooks<'_> {
        let (phase, event) = (phase.as_str(), event.as_str());
        let find = |option: String| Key::find(&option).and_then(|key| self.text(key));
        Hooks {
            script: find(format!("{phase}_{event}_script")),
            retry_script: find(format!("{phase}_{event}_retry_script")),
        }
    }
}

/// Snapshots of disks.
impl ServerConfig {
    /// The Google Cloud project, by the option's present or former name.
    pub fn gcp_project(&self) -> Option<&str> {
        self.text(key!("gcp_project")).or_else(|| self.text(key!("snapshot_gcp_project")))
    }

    /// The Google Cloud zone, by the option's present or former name.
    pub fn gcp_zone(&self) -> Option<&str> {
        self.text(key!("gcp_zone")).or_else(|| self.text(key!("snapshot_zone")))
    }
}

impl ServerConfig {
    fn has_word(&self, key: Key, word: &str) -> bool {
        matches!(self.value(key), Value::Set(set) if set.contains(word))
    }

    fn span(&self, key: Key) -> Option<Duration> {
        match self.value(key) {
            Value::Interval(span) => Some(*span),
            _ => None,
        }
    }

    /// A number of seconds that is not 0.
    fn seconds(&self, key: Key) -> Option<Duration> {
        self.count(key).filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }
}

fn saturated(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
