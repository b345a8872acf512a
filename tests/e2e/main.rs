//! Stories on real PostgreSQL, sshd and rsync: what a DBA does, and what then must be true.
//!
//! They need what `bash tests/run.sh prepare` installs. With `BARMAN_BIN` they run on another program.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "this is test code")]

#[path = "../kit/mod.rs"]
mod kit;

mod archive;
mod backup;
mod backup_kinds;
mod catalogue;
mod compression;
mod documents;
mod encryption;
mod exchange;
mod hooks;
mod interop;
mod interrupted;
mod old_versions;
mod passive;
mod passive_kinds;
mod recovery;
mod remote;
mod repmgr;
mod restore_kinds;
mod tar;
mod trouble;
mod upkeep;
mod wal_clients;

/// Makes a test of `story` on each version of PostgreSQL.
macro_rules! on_every_version {
    ($($story:ident),+ $(,)?) => {$(
        mod $story {
            use $crate::kit::Version;

            #[test]
            fn on_postgresql_10() {
                super::$story(Version::V10);
            }

            #[test]
            fn on_postgresql_15() {
                super::$story(Version::V15);
            }

            #[test]
            fn on_postgresql_18() {
                super::$story(Version::V18);
            }
        }
    )+};
}
pub(crate) use on_every_version;
