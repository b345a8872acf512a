//! What PostgreSQL says about itself.

use super::{Postgres, Rows};
use crate::ops::strategy::{Ground, Obstacle, Strategy};
use crate::ops::{Error, Server, primary};
use crate::pg::{self, ConcurrentBackup, ServerFacts};

/// Whether it answers, and lets us do what a backup needs.
pub fn check_server(server: &Server<'_>, postgres: &Postgres, rows: &mut Rows) {
    let facts = match postgres {
        Postgres::NotAsked => return,
        Postgres::Unreachable(reason) => {
            rows.fail_bare("PostgreSQL", reason);
            return;
        }
        Postgres::TooOld(error) => {
            rows.fail("PostgreSQL", format!("unsupported version: {error}"));
            return;
        }
        Postgres::Reached(_, facts) => facts,
    };
    if facts.version < pg::OLDEST_TESTED {
        let version = &facts.version_text;
        rows.ok(
            "PostgreSQL",
            format!("PostgreSQL {version} can be backed up, but that is not tested on a real one"),
        );
    } else {
        rows.ok("PostgreSQL", "");
    }
    if facts.has_backup_privileges {
        rows.ok("superuser or standard user with backup privileges", "");
    } else {
        rows.fail(
            "no access to backup functions",
            "privileges for PostgreSQL backup functions are required (see documentation)",
        );
    }
    match facts.settings.wal_level.as_deref() {
        Some("minimal") => rows.fail("wal_level", "please set it to a higher level than 'minimal'"),
        Some(_) => rows.ok("wal_level", ""),
        // Before 9.0 there was one level, and it would do.
        None => {}
    }
    if server.config.primary_conninfo().is_some() {
        check_primary(server, facts, rows);
    }
}

/// Whether `conninfo` and `primary_conninfo` lead to a standby and its primary.
fn check_primary(server: &Server<'_>, facts: &ServerFacts, rows: &mut Rows) {
    if !facts.is_in_recovery {
        rows.fail(
            "PostgreSQL server is standby",
            "conninfo should point to a standby server if primary_conninfo is set",
        );
        return;
    }
    rows.ok("PostgreSQL server is standby", "");
    let primary = primary::connect(server, true);
    let primary = primary.and_then(|client| Ok(client.map(|client| client.server_facts()).transpose()?));
    let primary = match primary {
        Ok(Some(primary)) => primary,
        Ok(None) => return,
        Err(error) => {
            let reason = format!("the primary of primary_conninfo does not answer: {}", error.with_causes());
            rows.fail("Primary server is not a standby", reason);
            return;
        }
    };
    if primary.is_in_recovery {
        let hint = "primary_conninfo should point to a primary server, not a standby";
        rows.fail("Primary server is not a standby", hint);
    } else {
        rows.ok("Primary server is not a standby", "");
    }
    if primary.system_id == facts.system_id {
        rows.ok("Primary and standby have same system ID", "");
    } else {
        rows.fail(
            "Primary and standby have same system ID",
            "primary_conninfo and conninfo should point to primary and standby servers which share the same system \
             identifier",
        );
    }
}

/// Whether it can be backed up in the way that the configuration asks for.
pub fn check_strategy(server: &Server<'_>, postgres: &Postgres, rows: &mut Rows) -> Result<(), Error> {
    let strategy = Strategy::configured(server.config);
    let Postgres::Reached(client, facts) = postgres else {
        // The same rows whether it answers or not: dashboards know them by name.
        if strategy == Strategy::Exclusive && matches!(postgres, Postgres::Unreachable(_)) {
            rows.ok("not in recovery", "");
            rows.fail("exclusive backup supported", "unable to determine postgres version");
        }
        return Ok(());
    };
    let ground = Ground::of(client, facts)?;
    let obstacles = strategy.obstacles(&ground);
    let labels: &[&'static str] = match strategy {
        Strategy::Exclusive => &["not in recovery", "exclusive backup supported"],
        Strategy::Concurrent => match client.features().concurrent_backup {
            ConcurrentBackup::Native => &[],
            ConcurrentBackup::Unknown | ConcurrentBackup::Extension => &["pgespresso extension"],
        },
    };
    for label in labels {
        match obstacles.iter().find(|obstacle| label_of(obstacle) == *label) {
            Some(obstacle) => rows.fail(label, obstacle.to_string()),
            None => rows.ok(label, ""),
        }
    }
    Ok(())
}

fn label_of(obstacle: &Obstacle) -> &'static str {
    match obstacle {
        Obstacle::ExclusiveOnStandby => "not in recovery",
        Obstacle::NoExclusiveMode(_) => "exclusive backup supported",
        Obstacle::NoConcurrentMode(_) | Obstacle::NoExtension(_) => "pgespresso extension",
    }
}

/// Whether it is the cluster that the backups are of.
pub fn check_identity(server: &Server<'_>, postgres: &Postgres, rows: &mut Rows) -> Result<(), Error> {
    let label = "systemid coherence";
    let Some(system_id) = postgres.facts().and_then(|facts| facts.system_id.as_ref()) else {
        rows.ok(label, "no system Id available");
        return Ok(());
    };
    match server.catalog()?.identity()? {
        None => rows.ok(label, "no system Id stored on disk"),
        Some(known) if known.systemid == *system_id => rows.ok(label, ""),
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
    match &facts.archiver {
        Some(archiver) => rows.add("continuous archiving", archiver.is_archiving, ""),
        None => rows.ok("continuous archiving", "not told by PostgreSQL before 9.4"),
    }
}
