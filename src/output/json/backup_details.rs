use serde_json::{Value, json};

use super::Object;
use crate::catalog::BackupInfo;
use crate::output::percent;
use crate::types::{BackupId, ByteSize, HumanDuration, PgVersion, Timeline, timestamp_text};
use crate::view::{AvailableDetails, BackupDetails, WalUse};

/// What Barman warns of, with its blanks.
const TIMELINES_WARNING: &str = "WAL information is inaccurate                     \
                                 due to multiple timelines interacting with                     this backup";

/// The answer of `show-backup`.
pub fn backup_details(view: &BackupDetails) -> Value {
    let BackupDetails { info, available, .. } = view;
    let mut object = Object::new();
    object.put("backup_id", info.id.to_string());
    object.put("status", info.status.to_string());
    object.put_if("backup_name", info.backup_name.clone());
    object.put_if("system_id", info.systemid.clone());
    object.put(
        "server_information",
        json!({"data_checksums": info.data_checksums, "summarize_wal": info.summarize_wal}),
    );
    match available {
        Some(available) => add_available(&mut object, view, available),
        None => object.put_if("error", info.error.clone()),
    }
    object.finish()
}

fn add_available(object: &mut Object, view: &BackupDetails, available: &AvailableDetails) {
    let info = &view.info;
    object.put("backup_type", info.kind().to_string());
    if let Some(size) = info.cluster_size.filter(|size| *size > 0) {
        object.put_size("cluster_size", ByteSize::from(size));
    }
    object.put("postgresql_version", info.version.map(PgVersion::number));
    object.put("pgdata_directory", info.pgdata.as_ref().map(|path| path.display().to_string()));
    let tablespaces = info.tablespaces.iter();
    let tablespaces: Vec<Value> = tablespaces
        .map(|it| json!({"name": it.name, "location": it.location.display().to_string(), "oid": it.oid}))
        .collect();
    object.put("tablespaces", tablespaces);
    object.put_if("snapshots_info", info.snapshots_info.as_ref().map(|snapshots| json!(snapshots)));
    object.put("base_backup_information", base_backup_information(view, &available.wal));
    object.put("wal_information", wal_information(info, available));
    object.put("catalog_information", catalog_information(info, available));
}

fn base_backup_information(view: &BackupDetails, wal: &WalUse) -> Value {
    let info = &view.info;
    let mut object = Object::new();
    object.put("backup_method", info.mode.clone());
    object.put("encryption", info.encryption.clone());
    object.put("compression", info.compression.clone());
    let stored = ByteSize::from(info.deduplicated_size.unwrap_or(0));
    object.put_size("backup_size", stored);
    object.put_size("backup_size_with_wals", ByteSize(stored.0.saturating_add(wal.required_size.0)));
    object.put_size("wal_size", wal.required_size);
    object.put("wal_num", wal.required_files);
    let ratio = wal.required_compression(info.xlog_segment_size);
    object.put_if("wal_compression_ratio", ratio.map(percent));
    object.put("timeline", info.timeline.map(Timeline::number));
    object.put("begin_wal", info.begin_wal.map(|wal| wal.to_string()));
    object.put("end_wal", info.end_wal.map(|wal| wal.to_string()));
    object.put_moment("begin_time", info.begin_time, timestamp_text);
    object.put_moment("end_time", info.end_time, timestamp_text);
    object.put("begin_offset", info.begin_offset);
    object.put("end_offset", info.end_offset);
    object.put("begin_lsn", info.begin_xlog.map(|lsn| lsn.to_string()));
    object.put("end_lsn", info.end_xlog.map(|lsn| lsn.to_string()));
    if let Some(saved) = view.saved() {
        object.put_size("resources_saved", saved.size);
        object.put("resources_saved_percentage", percent(saved.share));
    }
    add_copy_times(&mut object, info);
    object.finish()
}

fn add_copy_times(object: &mut Object, info: &BackupInfo) {
    let Some(stats) = &info.copy_stats else { return };
    let Some(copy_time) = stats.copy_time().filter(|took| !took.is_zero()) else { return };
    object.put("copy_time", HumanDuration::from(copy_time).to_string());
    object.put("copy_time_seconds", stats.copy_time_seconds());
    if let Some(analysis) = stats.startup_time() {
        object.put("analysis_time", HumanDuration::from(analysis).to_string());
        object.put("analysis_time_seconds", stats.startup_time_seconds());
    }
    let per_second = ByteSize((info.deduplicated_size.unwrap_or(0) as f64 / copy_time.as_secs_f64()) as i64);
    object.put("throughput", format!("{per_second}/s"));
    object.put("throughput_bytes", per_second.0);
    object.put("number_of_workers", stats.number_of_workers().unwrap_or(1));
}

fn wal_information(info: &BackupInfo, available: &AvailableDetails) -> Value {
    let wal = &available.wal;
    let mut object = Object::new();
    object.put("no_of_files", wal.following_files);
    object.put_size("disk_usage", wal.following_size);
    // Where nothing is known, a plain zero takes the place of the text.
    let or_zero = |text: Option<String>| text.map_or_else(|| json!(0), Value::from);
    object.put("wal_rate", or_zero(wal.files_per_second.map(|rate| format!("{:.2}/hour", rate * 3600.0))));
    object.put("wal_rate_per_second", wal.files_per_second.map_or_else(|| json!(0), Value::from));
    object.put("compression_ratio", or_zero(wal.following_compression(info.xlog_segment_size).map(percent)));
    object.put("last_available", wal.last.map(|segment| segment.to_string()));
    let timelines = available.reachable_timelines.iter().map(|timeline| timeline.number().to_string());
    object.put("timelines", timelines.collect::<Vec<_>>());
    if !available.reachable_timelines.is_empty() {
        object.put("_WARNING", TIMELINES_WARNING);
    }
    object.finish()
}

fn catalog_information(info: &BackupInfo, available: &AvailableDetails) -> Value {
    let or = |id: &Option<BackupId>, none: &str| id.as_ref().map_or(none.to_owned(), BackupId::to_string);
    let retention = available.retention.map(|status| status.to_string());
    let mut object = Object::new();
    object.put("retention_policy", retention.as_deref().unwrap_or("not enforced"));
    object.put("previous_backup", or(&available.previous, "- (this is the oldest base backup)"));
    object.put("next_backup", or(&available.next, "- (this is the latest base backup)"));
    if let Some(chain) = &available.chain {
        object.put("root_backup_id", chain.root.to_string());
        object.put("parent_backup_id", chain.parent.to_string());
        object.put("chain_size", chain.len);
    }
    if info.mode.as_deref() == Some("postgres") {
        let children: Vec<String> = info.children_backup_ids.iter().map(ToString::to_string).collect();
        object.put("children_backup_ids", Some(children).filter(|children| !children.is_empty()));
    }
    object.finish()
}
