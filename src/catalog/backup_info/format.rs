//! The text form: one `name=value` a line, sorted by name, `None` for what is not known.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::BackupInfo;
use crate::catalog::py_literal::{Literal, LiteralError};
use crate::catalog::{CopyStats, Tablespace};
use crate::types::{BackupId, ParseError, PgVersion, SegmentSize, Timeline, parse_timestamp, timestamp_text};

/// The line of a record that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} cannot be read: {problem}")]
pub struct Malformed {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a line of a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Bytes that are not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// No field in the whole file. Barman does not sync a record before it counts: a power cut can leave it empty.
    #[error("the file holds no fields")]
    NoFields,
    /// Not a field at all.
    #[error("it is not 'name=value'")]
    NotAField,
    /// A word or number that the field cannot have.
    #[error("'{field}': {source}")]
    Value {
        /// The field.
        field: String,
        /// Why its value is refused.
        source: ParseError,
    },
    /// A list, dictionary or quoted text that the field cannot have.
    #[error("'{field}': {source}")]
    Literal {
        /// The field.
        field: String,
        /// Why its value is refused.
        source: LiteralError,
    },
}

impl BackupInfo {
    /// Reads the content of a `backup.info` of any Barman; `id` comes from the name of the file.
    ///
    /// Fields that are not there keep what [`BackupInfo::new`] gives; unknown ones are remembered.
    pub fn parse(id: BackupId, content: &[u8]) -> Result<Self, Malformed> {
        let mut info = Self::new(id);
        let mut fields = 0;
        for (at, line) in content.split(|byte| *byte == b'\n').enumerate() {
            // To Python a carriage return ends a line, too.
            for part in line.split(|byte| *byte == b'\r') {
                fields += info.read_line(part).map_err(|problem| Malformed { line: at + 1, problem })?;
            }
        }
        if fields == 0 {
            return Err(Malformed { line: 1, problem: Problem::NoFields });
        }
        Ok(info)
    }

    /// Tells how many fields the line has: one or, as a comment, none.
    fn read_line(&mut self, line: &[u8]) -> Result<usize, Problem> {
        let line = std::str::from_utf8(line).map_err(|_| Problem::NotText)?;
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(0);
        }
        let (name, value) = line.split_once('=').ok_or(Problem::NotAField)?;
        self.set_text(name.trim(), value.trim())?;
        Ok(1)
    }

    /// Gives a field the value that stands in the file.
    pub(super) fn set_text(&mut self, name: &str, text: &str) -> Result<(), Problem> {
        self.set(name, Value { name, text: (text != "None").then_some(text) })
    }

    fn set(&mut self, name: &str, value: Value<'_>) -> Result<(), Problem> {
        match name {
            "backup_label" => self.backup_label = value.quoted()?,
            "backup_name" => self.backup_name = value.text(),
            "begin_offset" => self.begin_offset = value.number()?,
            "begin_time" => self.begin_time = value.with(|text| parse_timestamp(text, &chrono::Local))?,
            "begin_wal" => self.begin_wal = value.parse()?,
            "begin_xlog" => self.begin_xlog = value.parse()?,
            "children_backup_ids" => self.children_backup_ids = value.with(parse_ids)?.unwrap_or_default(),
            "cluster_size" => self.cluster_size = value.number()?,
            "compression" => self.compression = value.text(),
            "config_file" => self.config_file = value.path(),
            "copy_stats" => self.copy_stats = value.literal()?.map(CopyStats::from),
            "data_checksums" => self.data_checksums = value.text(),
            "deduplicated_size" => self.deduplicated_size = value.number()?,
            "encryption" => self.encryption = value.text(),
            "end_offset" => self.end_offset = value.number()?,
            "end_time" => self.end_time = value.with(|text| parse_timestamp(text, &chrono::Local))?,
            "end_wal" => self.end_wal = value.parse()?,
            "end_xlog" => self.end_xlog = value.parse()?,
            "error" => self.error = value.text(),
            "hba_file" => self.hba_file = value.path(),
            "ident_file" => self.ident_file = value.path(),
            "included_files" => self.included_files = value.converted("list of paths", paths_of)?,
            "mode" => self.mode = value.text(),
            "parent_backup_id" => self.parent_backup_id = value.parse()?,
            "pgdata" => self.pgdata = value.path(),
            "server_name" => self.server_name = value.text(),
            "size" => self.size = value.number()?,
            "snapshots_info" => self.snapshots_info = value.literal()?,
            "status" => self.status = value.parse()?.unwrap_or_default(),
            "summarize_wal" => self.summarize_wal = value.text(),
            "systemid" => self.systemid = value.text(),
            "tablespaces" => {
                self.tablespaces =
                    value.converted("list of tablespaces", tablespaces_of)?.unwrap_or_default();
            }
            "timeline" => self.timeline = value.with(parse_timeline)?,
            "version" => self.version = value.number()?.map(PgVersion::new),
            "xlog_segment_size" => {
                self.xlog_segment_size = value.with(parse_segment_size)?.unwrap_or_default();
            }
            _ => self.unknown.push((name.to_owned(), value.text.unwrap_or("None").to_owned())),
        }
        Ok(())
    }

    /// Writes the record as today's Barman does.
    ///
    /// A line break inside a value that is not quoted becomes a blank: it would make the record unreadable.
    pub fn to_text(&self) -> String {
        let unknown = self.unknown.iter().map(|(name, value)| (name.as_str(), value.clone()));
        Self::text_of(self.lines().into_iter().chain(unknown).collect())
    }

    /// The same with the fields of Barman 3.19 only, which refuses to read others.
    pub fn to_known_text(&self) -> String {
        Self::text_of(self.lines())
    }

    fn text_of(mut lines: Vec<(&str, String)>) -> String {
        // Stable: what an unknown field was said twice stays in its order.
        lines.sort_by_key(|(name, _)| *name);
        lines.iter().map(|(name, value)| format!("{name}={}\n", value.replace(['\n', '\r'], " "))).collect()
    }

    fn lines(&self) -> Vec<(&str, String)> {
        let children: Vec<&str> = self.children_backup_ids.iter().map(BackupId::as_str).collect();
        let included = self.included_files.as_deref().map(literal_of_paths);
        let tablespaces = (!self.tablespaces.is_empty()).then(|| literal_of_tablespaces(&self.tablespaces));
        let mut lines = vec![
            ("backup_label", or_none(self.backup_label.as_deref().map(Literal::from))),
            ("begin_offset", or_none(self.begin_offset)),
            ("begin_time", or_none(self.begin_time.map(timestamp_text))),
            ("begin_wal", or_none(self.begin_wal)),
            ("begin_xlog", or_none(self.begin_xlog)),
            ("children_backup_ids", or_none((!children.is_empty()).then(|| children.join(",")))),
            ("cluster_size", or_none(self.cluster_size)),
            ("compression", or_none(self.compression.as_ref())),
            ("config_file", path(self.config_file.as_deref())),
            ("copy_stats", or_none(self.copy_stats.as_ref())),
            ("data_checksums", or_none(self.data_checksums.as_ref())),
            ("deduplicated_size", or_none(self.deduplicated_size)),
            ("encryption", or_none(self.encryption.as_ref())),
            ("end_offset", or_none(self.end_offset)),
            ("end_time", or_none(self.end_time.map(timestamp_text))),
            ("end_wal", or_none(self.end_wal)),
            ("end_xlog", or_none(self.end_xlog)),
            ("error", or_none(self.error.as_ref())),
            ("hba_file", path(self.hba_file.as_deref())),
            ("ident_file", path(self.ident_file.as_deref())),
            ("included_files", or_none(included)),
            ("mode", or_none(self.mode.as_ref())),
            ("parent_backup_id", or_none(self.parent_backup_id.as_ref())),
            ("pgdata", path(self.pgdata.as_deref())),
            ("server_name", or_none(self.server_name.as_ref())),
            ("size", or_none(self.size)),
            ("status", self.status.to_string()),
            ("summarize_wal", or_none(self.summarize_wal.as_ref())),
            ("systemid", or_none(self.systemid.as_ref())),
            ("tablespaces", or_none(tablespaces)),
            ("timeline", or_none(self.timeline.map(Timeline::number))),
            ("version", or_none(self.version.map(PgVersion::number))),
            ("xlog_segment_size", self.xlog_segment_size.to_string()),
        ];
        // Older releases of Barman do not know these two, so they are left out where they say nothing.
        lines.extend(self.backup_name.clone().map(|name| ("backup_name", name)));
        lines.extend(self.snapshots_info.as_ref().map(|info| ("snapshots_info", info.to_string())));
        lines
    }
}

/// What a line says of a field: nothing, or a text to be understood.
#[derive(Clone, Copy)]
struct Value<'a> {
    name: &'a str,
    text: Option<&'a str>,
}

impl Value<'_> {
    fn text(self) -> Option<String> {
        self.text.map(str::to_owned)
    }

    fn path(self) -> Option<PathBuf> {
        self.text.map(PathBuf::from)
    }

    fn with<T>(self, parse: impl FnOnce(&str) -> Result<T, ParseError>) -> Result<Option<T>, Problem> {
        self.text
            .map(parse)
            .transpose()
            .map_err(|source| Problem::Value { field: self.name.to_owned(), source })
    }

    fn parse<T: FromStr<Err = ParseError>>(self) -> Result<Option<T>, Problem> {
        self.with(str::parse)
    }

    fn number<T: FromStr>(self) -> Result<Option<T>, Problem> {
        self.with(|text| text.parse().map_err(|_| ParseError::new("number", text)))
    }

    fn literal(self) -> Result<Option<Literal>, Problem> {
        self.text
            .map(str::parse)
            .transpose()
            .map_err(|source| Problem::Literal { field: self.name.to_owned(), source })
    }

    fn converted<T>(
        self,
        kind: &'static str,
        of: impl FnOnce(&Literal) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let refused = || ParseError::new(kind, self.text.unwrap_or_default());
        let Some(literal) = self.literal()? else { return Ok(None) };
        let source = of(&literal).ok_or_else(refused);
        source.map(Some).map_err(|source| Problem::Value { field: self.name.to_owned(), source })
    }

    fn quoted(self) -> Result<Option<String>, Problem> {
        self.converted("quoted text", |literal| literal.as_str().map(str::to_owned))
    }
}

fn parse_ids(text: &str) -> Result<Vec<BackupId>, ParseError> {
    let ids =
        |text: &str| text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::parse).collect();
    match letters_apart(text) {
        Some(text) => parse_ids(&text),
        None => ids(text),
    }
}

/// A passive node of Barman 3.19 has put a comma behind each letter of the list, the commas in it included: what the
/// list was. `None` when it is as it should be.
fn letters_apart(text: &str) -> Option<String> {
    let is_apart = text.len() > 1 && text.bytes().skip(1).step_by(2).all(|byte| byte == b',');
    is_apart.then(|| text.chars().step_by(2).collect())
}

fn parse_timeline(text: &str) -> Result<Timeline, ParseError> {
    let timeline = text.parse().ok().and_then(Timeline::new);
    timeline.ok_or_else(|| ParseError::new("timeline", text))
}

fn parse_segment_size(text: &str) -> Result<SegmentSize, ParseError> {
    let bytes = text.parse().map_err(|_| ParseError::new("WAL segment size", text))?;
    SegmentSize::new(bytes)
}

fn paths_of(literal: &Literal) -> Option<Vec<PathBuf>> {
    literal.as_sequence()?.iter().map(|item| item.as_str().map(PathBuf::from)).collect()
}

fn tablespaces_of(literal: &Literal) -> Option<Vec<Tablespace>> {
    literal.as_sequence()?.iter().map(tablespace_of).collect()
}

fn tablespace_of(literal: &Literal) -> Option<Tablespace> {
    match literal.as_sequence()? {
        [Literal::Str(name), Literal::Int(oid), Literal::Str(location)] => Some(Tablespace {
            name: name.clone(),
            oid: u32::try_from(*oid).ok()?,
            location: PathBuf::from(location),
        }),
        _ => None,
    }
}

fn or_none(value: Option<impl Display>) -> String {
    value.map_or_else(|| "None".to_owned(), |value| value.to_string())
}

fn path(path: Option<&Path>) -> String {
    or_none(path.map(Path::display))
}

fn literal_of_paths(paths: &[PathBuf]) -> Literal {
    Literal::List(paths.iter().map(|path| literal_of_path(path)).collect())
}

fn literal_of_path(path: &Path) -> Literal {
    Literal::Str(path.to_string_lossy().into_owned())
}

fn literal_of_tablespaces(tablespaces: &[Tablespace]) -> Literal {
    let tuple = |tablespace: &Tablespace| {
        let name = Literal::Str(tablespace.name.clone());
        let oid = Literal::Int(i128::from(tablespace.oid));
        Literal::Tuple(vec![name, oid, literal_of_path(&tablespace.location)])
    };
    Literal::List(tablespaces.iter().map(tuple).collect())
}
