use std::io::{self, Write};

use serde_json::Value;

use super::python::indented_at;
use crate::view::SyncInfo;

/// Writes the answer of `sync-info`, one WAL file after the other as `wals` gives them.
///
/// An error of `wals` ends the document in the middle; nobody takes such a one for whole.
pub fn write_sync_info<E: From<io::Error>>(
    out: &mut impl Write,
    info: &SyncInfo,
    wals: impl Iterator<Item = Result<Value, E>>,
) -> Result<(), E> {
    let SyncInfo { last_position, last_name, backups, version, config } = info;
    let head = [
        ("last_position", last_position.to_string()),
        ("last_name", indented_at(1, last_name)),
        ("backups", indented_at(1, backups)),
    ];
    out.write_all(b"{")?;
    for (name, value) in head {
        write!(out, "\n    \"{name}\": {value},")?;
    }
    write!(out, "\n    \"wals\": [")?;
    let mut separator = "";
    for wal in wals {
        write!(out, "{separator}\n        {}", indented_at(2, &wal?))?;
        separator = ",";
    }
    let end = if separator.is_empty() { "]" } else { "\n    ]" };
    write!(out, "{end},\n    \"version\": {},", indented_at(1, version))?;
    write!(out, "\n    \"config\": {}\n}}", indented_at(1, config))?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn written(wals: Vec<Result<Value, io::Error>>) -> Result<String, io::Error> {
        let info = SyncInfo {
            last_position: 57,
            last_name: "000000010000000000000002".into(),
            backups: Map::from_iter([("20260101T100000".to_owned(), json!({"size": 1, "error": null}))]),
            version: "3.19.1".into(),
            config: Map::from_iter([("name".to_owned(), json!("main"))]),
        };
        let mut out = Vec::new();
        write_sync_info(&mut out, &info, wals.into_iter())?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_document_is_written_as_python_writes_it_and_its_order_is_kept() {
        let wal = json!({"name": "000000010000000000000002", "size": 5});
        let expected = r#"{
    "last_position": 57,
    "last_name": "000000010000000000000002",
    "backups": {
        "20260101T100000": {
            "size": 1,
            "error": null
        }
    },
    "wals": [
        {
            "name": "000000010000000000000002",
            "size": 5
        }
    ],
    "version": "3.19.1",
    "config": {
        "name": "main"
    }
}"#;
        assert_eq!(written(vec![Ok(wal)]).unwrap(), expected);
        assert!(written(vec![]).unwrap().contains("\n    \"wals\": [],\n    \"version\""));
    }

    #[test]
    fn wal_that_cannot_be_read_ends_the_document() {
        assert!(written(vec![Err(io::Error::other("disk"))]).is_err());
    }
}
