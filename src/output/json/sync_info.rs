use std::io::{self, Write};

use super::python::{indented_at, quoted};
use crate::catalog::py_literal::Literal;
use crate::view::{SyncInfo, SyncedWal};

/// Writes the answer of `sync-info`, one WAL file after the other as `wals` gives them.
///
/// An error of `wals` ends the document in the middle; nobody takes such a one for whole.
pub fn write_sync_info<E: From<io::Error>>(
    out: &mut impl Write,
    info: &SyncInfo,
    wals: impl Iterator<Item = Result<SyncedWal, E>>,
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
        out.write_all(separator.as_bytes())?;
        write_wal(out, &wal?)?;
        separator = ",";
    }
    let end = if separator.is_empty() { "]" } else { "\n    ]" };
    write!(out, "{end},\n    \"version\": {},", indented_at(1, version))?;
    write!(out, "\n    \"config\": {}\n}}", indented_at(1, config))?;
    Ok(out.flush()?)
}

/// Writes one of the files. There may be millions: nothing is made of them that lives on.
fn write_wal(out: &mut impl Write, wal: &SyncedWal) -> io::Result<()> {
    let label = |label: Option<&str>| label.map_or_else(|| "null".to_owned(), quoted);
    let SyncedWal { compression, encryption, name, size, time } = wal;
    let (compression, encryption) = (label(compression.as_deref()), label(encryption.as_deref()));
    write!(out, "\n        {{\n            \"compression\": {compression},")?;
    write!(out, "\n            \"encryption\": {encryption},")?;
    write!(out, "\n            \"name\": {},", quoted(name))?;
    write!(out, "\n            \"size\": {size},")?;
    write!(out, "\n            \"time\": {}\n        }}", Literal::Float(*time))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn written(wals: Vec<Result<SyncedWal, io::Error>>) -> Result<String, io::Error> {
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
        let wal = |encryption: Option<&str>| SyncedWal {
            compression: Some("gzip".into()),
            encryption: encryption.map(str::to_owned),
            name: "000000010000000000000002".into(),
            size: 5,
            time: 1_767_225_660.0,
        };
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
            "compression": "gzip",
            "encryption": null,
            "name": "000000010000000000000002",
            "size": 5,
            "time": 1767225660.0
        },
        {
            "compression": "gzip",
            "encryption": "gpg",
            "name": "000000010000000000000002",
            "size": 5,
            "time": 1767225660.0
        }
    ],
    "version": "3.19.1",
    "config": {
        "name": "main"
    }
}"#;
        assert_eq!(written(vec![Ok(wal(None)), Ok(wal(Some("gpg")))]).unwrap(), expected);
        assert!(written(vec![]).unwrap().contains("\n    \"wals\": [],\n    \"version\""));
    }

    #[test]
    fn wal_that_cannot_be_read_ends_the_document() {
        assert!(written(vec![Err(io::Error::other("disk"))]).is_err());
    }
}
