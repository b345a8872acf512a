//! Which files of a tree are copied, in rsync's patterns; and what a PostgreSQL backup leaves out.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::types::PgVersion;

/// What no backup holds, of PGDATA and of tablespaces: what lives no longer than the server does, or must not
/// reach a copy of it.
pub const BACKUP_EXCLUDES: [&str; 16] = [
    "pgsql_tmp*",
    "postgresql.auto.conf.tmp",
    "current_logfiles.tmp",
    "pg_internal.init",
    "postmaster.pid",
    "postmaster.opts",
    "recovery.conf",
    "standby.signal",
    "**/[0-9]*/t[0-9]*_[0-9]*",
    "pg_dynshmem/*",
    "pg_notify/*",
    "pg_replslot/*",
    "pg_serial/*",
    "pg_stat_tmp/*",
    "pg_snapshots/*",
    "pg_subtrans/*",
];

/// What a backup of PGDATA leaves out besides: logs, WAL, and the control file, which is copied last.
pub const PGDATA_EXCLUDES: [&str; 5] =
    ["/pg_log/*", "/log/*", "/pg_xlog/*", "/pg_wal/*", "/global/pg_control"];

/// What a restore of PGDATA leaves out, should the backup hold it, and removes from the destination: what steered
/// the recovery of the original must not steer that of the copy.
pub const RESTORE_EXCLUDES: [&str; 9] = [
    "/pg_log/*",
    "/log/*",
    "/pg_xlog/*",
    "/pg_wal/*",
    "/postmaster.pid",
    "/recovery.conf",
    "/recovery.signal",
    "/standby.signal",
    "/tablespace_map",
];

/// rsync's patterns for one tree, the first that matches deciding; an anchored one begins with `/`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filters {
    /// Copied although an exclude matches.
    pub include: Vec<OsString>,
    /// Not copied, and removed from the destination.
    pub exclude: Vec<OsString>,
    /// Not copied, and left alone in the destination.
    pub protect: Vec<OsString>,
}

impl Filters {
    /// Filters that only exclude.
    pub fn excluding<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        Self { exclude: patterns.into_iter().map(OsString::from).collect(), ..Self::default() }
    }

    /// What a backup takes of PGDATA.
    pub fn backup_of_pgdata() -> Self {
        Self::excluding(PGDATA_EXCLUDES.into_iter().chain(BACKUP_EXCLUDES))
    }

    /// What a backup takes of a tablespace: the directory of its own major version. Before 9.0 the tablespace
    /// belonged to one version as a whole.
    pub fn backup_of_tablespace(version: PgVersion) -> Self {
        if version < PgVersion::new(90_000) {
            return Self::excluding(BACKUP_EXCLUDES);
        }
        let filters = Self::excluding(["/*"].into_iter().chain(BACKUP_EXCLUDES));
        Self { include: vec![format!("/PG_{}_*", version.major()).into()], ..filters }
    }

    /// What a restore puts into PGDATA.
    pub fn restore_of_pgdata() -> Self {
        Self::excluding(RESTORE_EXCLUDES)
    }

    /// What a restore puts into a tablespace: the directory of its own major version. Those of others stay there, which
    /// another cluster may use.
    pub fn restore_of_tablespace(version: PgVersion) -> Self {
        if version < PgVersion::new(90_000) {
            return Self::default();
        }
        let own = format!("/PG_{}_*", version.major());
        Self { include: vec![own.into()], protect: vec!["/*".into()], ..Self::default() }
    }

    /// Leaves the path `relative` out, and alone in the destination.
    #[must_use]
    pub fn protecting(mut self, relative: impl AsRef<OsStr>) -> Self {
        self.protect.push(protection_of(relative.as_ref()));
        self
    }

    /// Whether the path `relative` itself is [protected](Self::protecting).
    pub(super) fn protects(&self, relative: &OsStr) -> bool {
        self.protect.contains(&protection_of(relative))
    }

    /// Whether the path `name` is left out by an anchored pattern (`/name`, `/name/*`) without other wildcards.
    pub fn exclude_anchored(&self, name: &Path) -> bool {
        self.exclude.iter().any(|pattern| {
            let Some(pattern) = pattern.as_bytes().strip_prefix(b"/") else { return false };
            match pattern.strip_suffix(b"/*") {
                Some(dir) => name.parent().is_some_and(|parent| parent.starts_with(OsStr::from_bytes(dir))),
                None => name.starts_with(OsStr::from_bytes(pattern)),
            }
        })
    }

    /// Leaves the log files of a server alone in the destination; no backup has any. They tell what happened, and may lie
    /// on another disk, with those of other servers.
    #[must_use]
    pub fn sparing_logs(mut self) -> Self {
        self.protect.extend(["/pg_log/*", "/log/*"].map(OsString::from));
        self
    }

    /// Whether everything in the directory `name` is excluded by a pattern made for it (`/pg_wal/*`).
    pub(super) fn empties(&self, name: &[u8]) -> bool {
        self.exclude.iter().any(|pattern| {
            let pattern = pattern.as_bytes();
            pattern.strip_prefix(b"/").unwrap_or(pattern).strip_suffix(b"/*") == Some(name)
        })
    }

    pub(super) fn arguments(&self) -> Vec<OsString> {
        let argument = |option: &str, pattern: &OsString| {
            let mut argument = OsString::from(option);
            argument.push(pattern);
            argument
        };
        let includes = self.include.iter().map(|pattern| argument("--include=", pattern));
        let excludes = self.exclude.iter().map(|pattern| argument("--exclude=", pattern));
        let protects = self
            .protect
            .iter()
            .flat_map(|pattern| [argument("--exclude=", pattern), argument("--filter=P_", pattern)]);
        includes.chain(excludes).chain(protects).collect()
    }
}

fn protection_of(relative: &OsStr) -> OsString {
    OsString::from_vec([b"/", &literal(relative.as_bytes())[..]].concat())
}

/// A pattern that matches `name` and nothing else. To rsync a backslash is itself as long as nothing in the
/// pattern is a wildcard.
pub(super) fn literal(name: &[u8]) -> Vec<u8> {
    if !name.iter().any(|byte| b"*?[".contains(byte)) {
        return name.to_vec();
    }
    let escaped = |&byte: &u8| if b"*?[\\".contains(&byte) { vec![b'\\', byte] } else { vec![byte] };
    name.iter().flat_map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_in_the_order_in_which_rsync_must_see_them() {
        let filters = Filters {
            include: vec!["/PG_15_*".into()],
            exclude: vec!["/*".into(), "pgsql_tmp*".into()],
            ..Filters::default()
        }
        .protecting("pg_tblspc/16385");
        assert_eq!(
            filters.arguments(),
            [
                "--include=/PG_15_*",
                "--exclude=/*",
                "--exclude=pgsql_tmp*",
                "--exclude=/pg_tblspc/16385",
                "--filter=P_/pg_tblspc/16385"
            ]
        );
    }

    #[test]
    fn a_protected_path_is_no_pattern() {
        let filters = Filters::default().protecting("a*[b]").protecting(r"c\d");
        assert_eq!(filters.protect, [r"/a\*\[b]", r"/c\d"]);
    }

    #[test]
    fn only_the_protected_path_itself_is_protected() {
        let filters = Filters::default().protecting("a*").protecting("pg_tblspc/16385").sparing_logs();
        assert!(filters.protects(OsStr::new("a*")) && filters.protects(OsStr::new("pg_tblspc/16385")));
        for name in ["ab", "pg_tblspc", "log", "pg_tblspc/16385/x"] {
            assert!(!filters.protects(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn what_a_restore_leaves_out_is_known_without_rsync() {
        let filters = Filters::restore_of_pgdata();
        for name in
            ["pg_wal/0", "pg_wal/archive_status", "pg_wal/a/b", "log/x", "recovery.signal", "tablespace_map"]
        {
            assert!(filters.exclude_anchored(Path::new(name)), "{name}");
        }
        for name in ["pg_wal", "log", "base/log/x", "base/1/recovery.conf", "logs/x", "recovery.conf.old"] {
            assert!(!filters.exclude_anchored(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn a_directory_that_must_be_empty_is_known() {
        let filters = Filters::backup_of_pgdata();
        assert!(filters.empties(b"pg_wal") && filters.empties(b"pg_notify"));
        assert!(!filters.empties(b"base") && !filters.empties(b"postmaster.pid"));
    }
}
