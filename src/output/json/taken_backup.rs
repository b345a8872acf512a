use serde_json::json;

use super::Document;
use crate::catalog::BackupInfo;
use crate::types::ctime_text;

/// The end of a `backup`: every field of the record beside the messages, not below the name of the server. Of several
/// servers the last one is told.
pub fn taken_backup(record: &BackupInfo, document: &mut Document) {
    let mut fields = record.to_json(ctime_text);
    // The sum of sizes is a `numeric` of PostgreSQL, which Barman writes as such.
    fields.extend(record.cluster_size.map(|size| ("cluster_size".to_owned(), json!(size as f64))));
    for (name, value) in fields {
        document.insert(&name, value);
    }
}
