//! What PostgreSQL says about itself.

use super::{Postgres, Rows};
use crate::ops::{Error, Server};

/// Whether it answers, and lets us do what a backup needs.
pub fn check_server(server: &Server<'_>, postgres: &Postgres, rows: &mut Rows) {
    if matches!(postgres, Postgres::NotAsked) {
        return;
    }
    let Some(facts) = postgres.facts() else {
        rows.fail("PostgreSQL", "");
        return;
    };
    if !facts.version.at_least(10) {
        rows.fail(
            "PostgreSQL",
            format!("unsupported version: PostgreSQL server is too old ({} < 10)", facts.version_text),
        );
        return;
    }
    rows.ok("PostgreSQL", "");
    if facts.has_backup_privileges {
        rows.ok("superuser or standard user with backup privileges", "");
    } else {
        rows.fail(
            "no access to backup functions",
            "privileges for PostgreSQL backup functions are required (see documentation)",
        );
    }
    if facts.settings.wal_level.as_deref() == Some("minimal") {
        rows.fail("wal_level", "please set it to a higher level than 'minimal'");
    } else {
        rows.ok("wal_level", "");
    }
    if server.config.primary_conninfo().is_some() && !facts.is_in_recovery {
        rows.fail(
            "PostgreSQL server is standby",
            "conninfo should point to a standby server if primary_conninfo is set",
        );
    }
}

/// Whether it is the cluster that the backups are of.
pub fn check_identity(server: &Server<'_>, postgres: &Postgres, rows: &mut Rows) -> Result<(), Error> {
    let label = "systemid coherence";
    let Some(facts) = postgres.facts() else {
        rows.ok(label, "no system Id available");
        return Ok(());
    };
    match server.catalog()?.identity()? {
        None => rows.ok(label, "no system Id stored on disk"),
        Some(known) if known.systemid == facts.system_id => rows.ok(label, ""),
        Some(_) => {
            let path = server.layout().identity();
            let hint = format!(
                "the system Id of the connected PostgreSQL server changed, stored in \"{}\"",
                path.display()
            );
            rows.fail(label, hint);
        }
    }
    Ok(())
}

/// Whether it is told to archive, and does.
pub fn check_archiver(server: &Server<'_>, postgres: &Postgres, rows: &mut Rows) {
    let Some(facts) = postgres.facts().filter(|_| server.config.archiver()) else { return };
    if matches!(facts.settings.archive_mode.as_deref(), Some("on" | "always")) {
        rows.ok("archive_mode", "");
    } else {
        rows.fail("archive_mode", "please set it to 'on' or 'always'");
    }
    if matches!(facts.settings.archive_command.as_deref(), None | Some("" | "(disabled)")) {
        rows.fail("archive_command", "please set it accordingly to documentation");
        return;
    }
    rows.ok("archive_command", "");
    rows.add("continuous archiving", facts.archiver.is_archiving, "");
}
