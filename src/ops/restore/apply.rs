//! Carrying out a restore, in an order in which PostgreSQL cannot start on half of it.

use std::path::{Path, PathBuf};

use super::archived::{self, Transport};
use super::chosen::Chosen;
use super::configuration::{self, Edited, Outcome};
use super::delivery::{self, Delivery, FetchCommand};
use super::host::{Change, Host, NewFile, Place};
use super::names::{CONTROL_FILE, INCOMPLETE_MARK, RESTORED_RECORD, STEERING_FILES, WAL_DIRECTORY};
use super::places::Start;
use super::plan::RestorePlan;
use super::recovery_conf;
use super::scratch::Scratch;
use super::source::{Source, Trees};
use crate::catalog::{BackupArchive, Part};
use crate::ops::{CopySettings, Error, Server, get_wal};
use crate::transfer::smart_copy::{CopyItem, SmartCopy};
use crate::transfer::{Endpoint, Filters};
use crate::types::{Timestamp, WalName, WalSegment, timestamp_text};

/// Restores as `plan` says, on `host`.
pub fn apply(
    server: &Server<'_>,
    host: &dyn Host,
    plan: &RestorePlan,
    copy: &CopySettings,
) -> Result<Outcome, Error> {
    let restore = Restore { server, host, plan, destination: &plan.chosen.destination, copy };
    restore.claim_destination()?;
    if let Some(horizon) = restore.safe_horizon() {
        server.info(format!("Using safe horizon time for smart rsync copy: {}", timestamp_text(horizon)));
    }
    server.info("Copying the base backup.");
    let kept = restore.bring_data()?;
    restore.link_tablespaces()?;
    restore.provide_wal()?;
    if plan.recovery.is_some() {
        server.info("Generating recovery configuration");
        tell_custom_command(server, &plan.delivery);
    }
    server.info("Identify dangerous settings in destination directory.");
    let outcome = restore.write_configuration(kept.data())?;
    restore.finish(kept.data())?;
    Ok(outcome)
}

/// What was typed is not checked: the DBA sees what PostgreSQL will run.
fn tell_custom_command(server: &Server<'_>, delivery: &Delivery) {
    if let Delivery::Fetched(FetchCommand { command, is_custom: true, .. }) = delivery {
        let setting = recovery_conf::quote(command);
        server.info(format!("Custom restore command override: restore_command = {setting}"));
    }
}

struct Restore<'a> {
    server: &'a Server<'a>,
    host: &'a dyn Host,
    plan: &'a RestorePlan,
    destination: &'a Path,
    copy: &'a CopySettings,
}

/// What the files of the destination that come last are made of.
enum Kept<'a> {
    /// The data directory of the backup.
    Backup(&'a Path),
    /// What was kept of an archive, or all that was in it.
    Scratch { data: PathBuf, _scratch: Scratch },
}

impl Kept<'_> {
    fn data(&self) -> &Path {
        match self {
            Self::Backup(data) => data,
            Self::Scratch { data, .. } => data,
        }
    }
}

impl Restore<'_> {
    fn claim_destination(&self) -> Result<(), Error> {
        let directories: Vec<Change> =
            self.plan.chosen.places().map(|place| Change::Directory(place.into())).collect();
        self.host.change(&directories)?;
        // PostgreSQL refuses a directory that others may enter, as `mkdir` makes it. rsync gives it the mode that it has
        // in the backup; archives do not tell that.
        self.host.change(&[Change::Private(self.destination.into())])?;
        let mark = self.destination.join(INCOMPLETE_MARK);
        self.host.replace(&mark, self.plan.chosen.mark().as_bytes(), 0o600)?;
        if self.plan.places.start == Start::Nothing {
            return Ok(());
        }
        // From here on the files are neither those of before nor those of the backup. Unpacking removes nothing, and what
        // steered a recovery of before would steer this one.
        let of_before = [CONTROL_FILE, RESTORED_RECORD].into_iter().chain(STEERING_FILES);
        let removals: Vec<Change> =
            of_before.map(|name| Change::Remove(self.destination.join(name))).collect();
        self.host.change(&removals)?;
        // Old WAL would be replayed. A link may lead to it, behind which newer rsyncs remove nothing.
        let own = delivery::own_directory(self.destination, self.plan.version);
        let asides =
            [self.destination.join(WAL_DIRECTORY)].into_iter().chain(self.plan.chosen.wal_directory.clone());
        let empty: Vec<Change> = std::iter::once(own).chain(asides).map(Change::Empty).collect();
        self.host.change(&empty)
    }

    fn safe_horizon(&self) -> Option<Timestamp> {
        match self.plan.places.start {
            Start::Files { safe_horizon } => safe_horizon,
            Start::Nothing | Start::Repetition => None,
        }
    }

    /// Brings all but `pg_control`, without which PostgreSQL does not start.
    fn bring_data(&self) -> Result<Kept<'_>, Error> {
        let backup = &self.plan.chosen.backup;
        let (archives, scratch, is_staged) = match &self.plan.chosen.source {
            Source::Trees(trees) => {
                self.copy_trees(trees)?;
                return Ok(Kept::Backup(&trees.data));
            }
            Source::Archives { archives, staging_path, is_staged } => {
                (archives, Scratch::create(self.server, staging_path, &backup.id)?, *is_staged)
            }
        };
        if is_staged {
            let trees = archived::stage(self.server, (backup, archives), &scratch, self.copy)?;
            self.copy_trees(&trees)?;
            return Ok(Kept::Scratch { data: trees.data, _scratch: scratch });
        }
        let aside = scratch.dir().to_owned();
        let transports: Vec<Transport<'_>> =
            archives.iter().filter_map(|archive| self.transport_of(archive)).collect();
        archived::deliver(self.server, self.host, &transports, &aside, self.copy)?;
        Ok(Kept::Scratch { data: aside, _scratch: scratch })
    }

    /// Where the files of an archive go.
    fn transport_of<'a>(&'a self, archive: &'a BackupArchive) -> Option<Transport<'a>> {
        let Chosen { backup, tablespace_locations, .. } = &self.plan.chosen;
        let (place, bandwidth_limit) = match archive.part {
            Part::Data => (self.destination, self.copy.bandwidth_limit),
            Part::Tablespace(oid) => {
                let at = backup.tablespaces.iter().position(|known| known.oid == oid)?;
                let limit = self.copy.limit_of_tablespace(&backup.tablespaces[at].name);
                (tablespace_locations[at].as_path(), limit)
            }
        };
        Some(Transport { archive, place, bandwidth_limit })
    }

    fn copy_trees(&self, trees: &Trees) -> Result<(), Error> {
        let settings = self.copy;
        let backup = &self.plan.chosen.backup;
        let places =
            trees.tablespaces.iter().zip(&backup.tablespaces).zip(&self.plan.chosen.tablespace_locations);
        let tablespaces = places.map(|((source, tablespace), location)| CopyItem {
            filters: Filters::restore_of_tablespace(self.plan.version),
            bandwidth_limit: settings.limit_of_tablespace(&tablespace.name),
            ..CopyItem::tree(&tablespace.name, source, location)
        });
        let data = CopyItem {
            filters: self.data_filters(),
            bandwidth_limit: settings.bandwidth_limit,
            ..CopyItem::tree("pgdata", &trees.data, self.destination)
        };
        let mut items = Vec::new();
        for (item, place) in std::iter::once(data).chain(tablespaces).zip(&self.plan.places.all) {
            items.push(self.sparing_strangers(item, place)?);
        }
        let copy = SmartCopy {
            items,
            is_source_still: true,
            safe_horizon: self.safe_horizon(),
            ..settings.copy(Endpoint::Local, self.host.endpoint(), self.server.config)
        };
        copy.run(&self.server.context)?;
        Ok(())
    }

    /// The data directory without what does not come from its own tree.
    fn data_filters(&self) -> Filters {
        let links =
            self.plan.chosen.backup.tablespaces.iter().map(|known| format!("pg_tblspc/{}", known.oid).into());
        let inside = self.plan.places.tablespaces_inside();
        let ours = [CONTROL_FILE, INCOMPLETE_MARK, RESTORED_RECORD].map(PathBuf::from);
        let left_alone = links.chain(inside.map(Path::to_owned)).chain(ours);
        left_alone.fold(Filters::restore_of_pgdata(), Filters::protecting).sparing_logs()
    }

    /// Leaves the hidden files alone that were in the destination and are not the backup's: they do not keep a
    /// directory from being empty enough, and are not ours to remove.
    fn sparing_strangers(&self, mut item: CopyItem, place: &Place) -> Result<CopyItem, Error> {
        for name in place.hidden.iter().filter(|name| *name != INCOMPLETE_MARK) {
            if !self.server.context.files.exists(&item.source.join(name))? {
                item.filters = item.filters.protecting(name);
            }
        }
        Ok(item)
    }

    fn link_tablespaces(&self) -> Result<(), Error> {
        let Chosen { backup, tablespace_locations, .. } = &self.plan.chosen;
        if backup.tablespaces.is_empty() {
            return Ok(());
        }
        let directory = self.destination.join("pg_tblspc");
        let places = backup.tablespaces.iter().zip(tablespace_locations);
        let links = places.clone().map(|(tablespace, location)| Change::Link {
            target: location.clone(),
            link: directory.join(tablespace.oid.to_string()),
        });
        let changes: Vec<Change> =
            std::iter::once(Change::Directory(directory.clone())).chain(links).collect();
        self.host.change(&changes)?;
        for (tablespace, location) in places {
            self.server.info(format!("\t{}, {}, {}", tablespace.oid, tablespace.name, location.display()));
        }
        Ok(())
    }

    /// Puts the WAL where PostgreSQL will look for it, decoded.
    fn provide_wal(&self) -> Result<(), Error> {
        let own = delivery::own_directory(self.destination, self.plan.version);
        let directory = match &self.plan.delivery {
            Delivery::InPlace(directory) | Delivery::Aside(directory) => directory,
            Delivery::Fetched(_) => &own,
        };
        let status = directory.join("archive_status");
        self.host.change(&[Change::Directory(directory.clone()), Change::Directory(status)])?;
        if let Delivery::Fetched(_) = &self.plan.delivery {
            return Ok(());
        }
        self.server.info("Copying required WAL segments.");
        self.copy_wal(directory)?;
        if let Some(segment) = self.plan.partial {
            self.server.info("Copying .partial WAL files.");
            self.copy_partial(segment, directory)?;
        }
        if let Delivery::InPlace(_) = &self.plan.delivery {
            self.server.info("Generating archive status files");
            let names = &self.plan.wal.files;
            self.host.write(directory, names.len(), &|number| {
                Ok(NewFile::of(format!("archive_status/{}.done", names[number]), 0o600, Vec::new()))
            })?;
        }
        Ok(())
    }

    fn copy_wal(&self, directory: &Path) -> Result<(), Error> {
        let names = &self.plan.wal.files;
        let (archive, size) = (self.server.archive(), self.plan.chosen.backup.xlog_segment_size);
        self.host.write(directory, names.len(), &|number| {
            let name = names[number];
            let content = Box::new(archive.read(name)?.expecting(name, size));
            Ok(NewFile { name: name.to_string(), mode: 0o600, content, origin: archive.path_of(name) })
        })?;
        tracing::info!("Provided {} WAL files", names.len());
        Ok(())
    }

    /// Puts what has arrived of a segment under its name. It is not marked as archived: if the server goes on with it,
    /// it has to be.
    fn copy_partial(&self, segment: WalSegment, directory: &Path) -> Result<(), Error> {
        let archive = self.server.archive();
        self.host.write(directory, 1, &|_| {
            let found = get_wal::outlet(self.server, &archive)?.find(WalName::Segment(segment), true)?;
            let found = found.ok_or_else(|| {
                Error::refused(format!(
                    "the unfinished WAL segment {segment} has gone from server '{}' meanwhile; restore again",
                    self.server.name()
                ))
            })?;
            let origin = found.path().to_owned();
            Ok(NewFile {
                name: segment.to_string(),
                mode: 0o600,
                content: Box::new(found.content()?),
                origin,
            })
        })
    }

    /// Writes the configuration and the record of the backup, and moves the manifest, which no longer fits a changed
    /// directory, away.
    fn write_configuration(&self, data: &Path) -> Result<Outcome, Error> {
        let backup = &self.plan.chosen.backup;
        let (edited, outcome) = configuration::edit(self.server, data, self.plan)?;
        self.host.write(self.destination, edited.len() + 1, &|number| {
            let record = || NewFile::of(RESTORED_RECORD, 0o600, backup.to_text().into_bytes());
            Ok(edited.get(number).map_or_else(record, Edited::to_new_file))
        })?;
        let manifest = self.destination.join("backup_manifest");
        let aside = self.destination.join(format!("backup_manifest.{}", backup.id));
        self.host.change(&[Change::Rename { from: manifest, to: aside }])?;
        Ok(outcome)
    }

    /// Everything is on disk before `pg_control` makes it a data directory, and that before the mark goes.
    fn finish(&self, data: &Path) -> Result<(), Error> {
        let places: Vec<Change> = self.plan.chosen.places().map(|place| Change::Sync(place.into())).collect();
        self.host.change(&places)?;
        let control = self.server.context.files.read(&data.join(CONTROL_FILE))?;
        self.host.replace(&self.destination.join(CONTROL_FILE), &control, 0o600)?;
        self.host.change(&[Change::Remove(self.destination.join(INCOMPLETE_MARK))])
    }
}
