use std::fmt::Display;

use crate::catalog::BackupInfo;
use crate::catalog::py_literal::Literal;
use crate::output::percent;
use crate::types::{BackupId, ByteSize, HumanDuration, PgVersion, SegmentSize, Timeline, timestamp_text};
use crate::view::{AvailableDetails, BackupDetails, WalUse};

/// Writes the answer of `show-backup`, sections with a row for each fact.
pub fn backup_details(view: &BackupDetails) -> String {
    let mut text = Text(format!("Backup {}:\n", view.info.id));
    general(&mut text, view);
    server_information(&mut text, &view.info);
    match &view.available {
        Some(available) => {
            snapshot_information(&mut text, &view.info);
            tablespaces(&mut text, &view.info);
            base_backup_information(&mut text, view, &available.wal);
            wal_information(&mut text, available, view.info.xlog_segment_size);
            catalog_information(&mut text, &view.info, available);
        }
        None => text.row_if("Error", view.info.error.as_ref()),
    }
    text.0
}

fn general(text: &mut Text, BackupDetails { server, info, available }: &BackupDetails) {
    text.row_if("Backup Name", info.backup_name.as_ref());
    text.row("Server Name", info.server_name.as_ref().unwrap_or(server));
    text.row_if("System Id", info.systemid.as_ref());
    text.row("Status", info.status);
    if available.is_some() {
        text.row("PostgreSQL Version", or_none(info.version.map(PgVersion::number)));
        text.row("PGDATA directory", or_none(info.pgdata.as_ref().map(|path| path.display())));
        text.row_if("Estimated Cluster Size", size(info.cluster_size));
    }
    text.end();
}

fn server_information(text: &mut Text, info: &BackupInfo) {
    if info.data_checksums.is_some() || info.summarize_wal.is_some() {
        text.title("Server information");
        text.detail_if("Checksums", info.data_checksums.as_ref());
        text.detail_if("WAL summarizer", info.summarize_wal.as_ref());
        text.end();
    }
}

fn snapshot_information(text: &mut Text, info: &BackupInfo) {
    let Some(snapshots) = &info.snapshots_info else { return };
    text.title("Snapshot information");
    text.detail_if("provider", snapshots.get("provider").map(plain));
    text.details(snapshots.get("provider_info"));
    text.end();
    for snapshot in snapshots.get("snapshots").and_then(Literal::as_sequence).unwrap_or_default() {
        text.details(snapshot.get("provider"));
        let mount =
            |key| plain(snapshot.get("mount").and_then(|mount| mount.get(key)).unwrap_or(&Literal::None));
        text.detail("Mount point", mount("mount_point"));
        text.detail("Mount options", mount("mount_options"));
        text.end();
    }
}

fn tablespaces(text: &mut Text, info: &BackupInfo) {
    if info.tablespaces.is_empty() {
        return;
    }
    text.title("Tablespaces");
    for tablespace in &info.tablespaces {
        text.detail(
            &tablespace.name,
            format_args!("{} (oid: {})", tablespace.location.display(), tablespace.oid),
        );
    }
    text.end();
}

fn base_backup_information(text: &mut Text, view: &BackupDetails, wal: &WalUse) {
    let info = &view.info;
    text.title("Base backup information");
    text.detail_if("Backup Method", info.mode.as_ref());
    text.detail_if("Encryption", info.encryption.as_ref());
    if info.mode.as_deref() == Some("postgres") {
        text.detail("Backup Type", info.kind());
    }
    text.detail_if("Backup Size", size(info.deduplicated_size).map(|alone| size_with_wal(alone, wal)));
    text.detail_if("Backup Compression", info.compression.as_ref());
    if wal.required_files > 0 {
        text.detail("WAL Size", wal.required_size);
    }
    let saved = view.saved().map(|saved| format!("{} ({})", saved.size, percent(saved.share)));
    text.detail_if("Resources saved", saved);
    text.detail("Timeline", or_none(info.timeline.map(Timeline::number)));
    text.detail("Begin WAL", or_none(info.begin_wal));
    text.detail("End WAL", or_none(info.end_wal));
    if wal.required_files > 0 {
        text.detail("Number of WALs", wal.required_files);
        let ratio = wal.required_compression(info.xlog_segment_size);
        text.detail_if("WAL compression ratio", ratio.map(percent));
    }
    text.detail("Begin time", or_none(info.begin_time.map(timestamp_text)));
    text.detail("End time", or_none(info.end_time.map(timestamp_text)));
    copy_times(text, info);
    text.detail("Begin Offset", or_none(info.begin_offset));
    text.detail("End Offset", or_none(info.end_offset));
    text.detail("Begin LSN", or_none(info.begin_xlog));
    text.detail("End LSN", or_none(info.end_xlog));
    text.end();
}

fn size_with_wal(alone: ByteSize, wal: &WalUse) -> String {
    match wal.required_files {
        0 => alone.to_string(),
        _ => format!("{alone} ({} with WALs)", ByteSize(alone.0.saturating_add(wal.required_size.0))),
    }
}

fn copy_times(text: &mut Text, info: &BackupInfo) {
    let Some(stats) = &info.copy_stats else { return };
    let Some(copy_time) = stats.copy_time().filter(|took| !took.is_zero()) else { return };
    let startup = stats.startup_time();
    let startup = startup.map(|took| format!(" + {} startup", HumanDuration::from(took))).unwrap_or_default();
    text.detail("Copy time", format_args!("{}{startup}", HumanDuration::from(copy_time)));
    if let Some(bytes @ 1..) = info.deduplicated_size {
        let per_second = ByteSize((bytes as f64 / copy_time.as_secs_f64()) as i64);
        let jobs = stats.number_of_workers().filter(|workers| *workers > 1);
        let jobs = jobs.map(|workers| format!(" ({workers} jobs)")).unwrap_or_default();
        text.detail("Estimated throughput", format_args!("{per_second}/s{jobs}"));
    }
}

fn wal_information(text: &mut Text, available: &AvailableDetails, segment_size: SegmentSize) {
    let wal = &available.wal;
    text.title("WAL information");
    text.detail("Number of files", wal.following_files);
    text.detail("Disk usage", wal.following_size);
    text.detail_if("WAL rate", wal.files_per_second.map(|rate| format!("{:.2}/hour", rate * 3600.0)));
    text.detail_if("Compression ratio", wal.following_compression(segment_size).map(percent));
    text.detail("Last available", or_none(wal.last));
    if !available.reachable_timelines.is_empty() {
        let numbers = available.reachable_timelines.iter().map(|timeline| timeline.number());
        text.detail("Reachable timelines", list(numbers));
    }
    text.end();
}

fn catalog_information(text: &mut Text, info: &BackupInfo, available: &AvailableDetails) {
    let or =
        |id: &Option<BackupId>, none: &str| id.as_ref().map_or_else(|| none.to_owned(), BackupId::to_string);
    let retention = available.retention.map(|status| status.to_string());
    text.title("Catalog information");
    text.detail("Retention Policy", retention.as_deref().unwrap_or("not enforced"));
    text.detail("Previous Backup", or(&available.previous, "- (this is the oldest base backup)"));
    text.detail("Next Backup", or(&available.next, "- (this is the latest base backup)"));
    // The warning stands among the rows: programs that read Barman's output expect it there.
    if !available.reachable_timelines.is_empty() {
        text.end();
        text.line(
            "WARNING: WAL information is inaccurate due to multiple timelines interacting with this backup",
        );
    }
    if let Some(chain) = &available.chain {
        text.detail("Root Backup", &chain.root);
        text.detail("Parent Backup", &chain.parent);
        text.detail("Backup chain size", chain.len);
    }
    if info.mode.as_deref() == Some("postgres") && !info.children_backup_ids.is_empty() {
        let children: Vec<&str> = info.children_backup_ids.iter().map(BackupId::as_str).collect();
        text.detail("Children Backup(s)", children.join(","));
    }
}

/// The text as it grows: rows of two levels below titles.
struct Text(String);

impl Text {
    fn line(&mut self, line: impl Display) {
        self.0 += &format!("{line}\n");
    }

    fn title(&mut self, title: &str) {
        self.line(format_args!("  {title}:"));
    }

    fn row(&mut self, label: &str, value: impl Display) {
        self.line(format_args!("  {label:<23}: {value}"));
    }

    fn row_if(&mut self, label: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.row(label, value);
        }
    }

    fn detail(&mut self, label: &str, value: impl Display) {
        self.line(format_args!("    {label:<21}: {value}"));
    }

    fn detail_if(&mut self, label: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.detail(label, value);
        }
    }

    /// A row for each pair of a dictionary.
    fn details(&mut self, dictionary: Option<&Literal>) {
        let mut pairs: Vec<(String, String)> = dictionary
            .and_then(Literal::as_dict)
            .unwrap_or_default()
            .iter()
            .map(|(key, value)| (plain(key), plain(value)))
            .collect();
        pairs.sort();
        for (key, value) in pairs {
            self.detail(&key, value);
        }
    }

    /// The empty line behind a section.
    fn end(&mut self) {
        self.line("");
    }
}

/// A size that says something: neither unknown nor zero.
fn size(bytes: Option<u64>) -> Option<ByteSize> {
    bytes.filter(|bytes| *bytes > 0).map(ByteSize::from)
}

fn or_none(value: Option<impl Display>) -> String {
    value.map_or_else(|| "None".to_owned(), |value| value.to_string())
}

/// Text without its quotes; anything else as Python writes it.
fn plain(literal: &Literal) -> String {
    literal.as_str().map_or_else(|| literal.to_string(), str::to_owned)
}

fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
