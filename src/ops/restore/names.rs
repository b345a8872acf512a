//! What the files of a restored data directory are called.

/// The file without which PostgreSQL does not start.
pub const CONTROL_FILE: &str = "global/pg_control";

/// The file by which a server tells that it runs.
pub const PID_FILE: &str = "postmaster.pid";

/// The file that tells an unfinished restore from a stranger's directory.
pub const INCOMPLETE_MARK: &str = ".barman-restore-incomplete";

/// The record of the backup that a data directory was restored from.
pub const RESTORED_RECORD: &str = ".barman-recover.info";

/// Where WAL waits for a recovery that is steered; PostgreSQL fetches it from there.
pub const WAL_DIRECTORY: &str = "barman_wal";

/// The file for settings that a program makes.
pub const AUTO_CONF: &str = "postgresql.auto.conf";

/// The file that recovery is told by before PostgreSQL 12.
pub const RECOVERY_CONF: &str = "recovery.conf";

/// The empty file that has a server recover from an archive, from PostgreSQL 12 on.
pub const RECOVERY_SIGNAL: &str = "recovery.signal";

/// The one that has it stay a standby.
pub const STANDBY_SIGNAL: &str = "standby.signal";

/// The files whose presence alone steers recovery.
pub const STEERING_FILES: [&str; 3] = [RECOVERY_CONF, RECOVERY_SIGNAL, STANDBY_SIGNAL];
