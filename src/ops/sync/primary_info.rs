//! What the primary has told: `primary.info`, which may tell of millions of WAL files and is never in memory as a whole.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::catalog::BackupInfo;
use crate::ops::{Error, Server};
use crate::sys::fs::PathContext;
use crate::types::{BackupId, WalName};
use crate::wal::XlogDbEntry;

/// What the primary has told, but for its WAL.
#[derive(Debug, Default)]
pub struct PrimaryInfo {
    /// The name on the last line of its list; empty when there is none.
    pub last_name: String,
    /// Where that line starts.
    pub last_position: u64,
    /// Its backups whose files are all there.
    pub backups: BTreeMap<BackupId, BackupInfo>,
    /// Whether it tells of any WAL.
    pub has_wal: bool,
    /// Where its files are.
    pub places: Places,
}

/// The settings of the primary that matter to the copy.
#[derive(Debug, Default, Deserialize)]
pub struct Places {
    /// Where its backups lie.
    pub basebackups_directory: PathBuf,
    /// Where its WAL lies.
    pub wals_directory: PathBuf,
    /// How it compresses WAL.
    #[serde(default)]
    pub compression: Option<String>,
}

/// A WAL file as the primary tells of it.
#[derive(Deserialize)]
struct Told {
    name: String,
    size: u64,
    time: f64,
    #[serde(default)]
    compression: Option<String>,
    #[serde(default)]
    encryption: Option<String>,
}

impl PrimaryInfo {
    /// What the last cron was told.
    pub fn load(server: &Server<'_>) -> Result<Self, Error> {
        let path = server.layout().primary_info();
        if let Err(error) = server.context.files.open(&path) {
            return Err(Error::refused(format!(
                "Cannot open primary.info file for server {}: {}\nHINT: 'barman cron' asks the primary node and writes it",
                server.name(),
                Error::from(error).with_causes(),
            )));
        }
        Self::read(server, &path)
    }

    /// Reads an answer of the primary.
    pub fn read(server: &Server<'_>, path: &Path) -> Result<Self, Error> {
        let mut has_wal = false;
        let mut info = parse(server, path, &mut |_, _| {
            has_wal = true;
            Ok(())
        })?;
        info.has_wal = has_wal;
        Ok(info)
    }

    /// Gives each WAL file that the primary tells of to `take`, in the order of its list.
    pub fn visit_wal(
        server: &Server<'_>,
        take: &mut dyn FnMut(WalName, XlogDbEntry) -> Result<(), Error>,
    ) -> Result<(), Error> {
        parse(server, &server.layout().primary_info(), take).map(drop)
    }
}

/// Takes the WAL files of an answer.
type Take<'a> = dyn FnMut(WalName, XlogDbEntry) -> Result<(), Error> + 'a;

fn parse(server: &Server<'_>, path: &Path, take: &mut Take<'_>) -> Result<PrimaryInfo, Error> {
    let file = server.context.files.open(path)?;
    let reader = BufReader::with_capacity(256 << 10, file.try_clone().at("read", path)?);
    let mut stopped = None;
    let mut json = serde_json::Deserializer::from_reader(reader);
    let document = Document { take, stopped: &mut stopped };
    let read = document.deserialize(&mut json).and_then(|info| json.end().map(|()| info));
    match (stopped, read) {
        (Some(error), _) => Err(error),
        (None, Ok(info)) => Ok(info),
        (None, Err(error)) => Err(Error::refused(format!(
            "the answer of the primary node of server '{}' to 'barman sync-info', kept in '{}', cannot be read: {error}\n\
             HINT: Run '{} barman sync-info {}' by hand: nothing but its answer may be printed there.",
            server.name(),
            path.display(),
            server.config.primary_ssh_command().unwrap_or_default(),
            server.name(),
        ))),
    }
}

/// The document while it is read.
struct Document<'a, 'b> {
    take: &'a mut Take<'b>,
    /// Why `take` wants no more.
    stopped: &'a mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for Document<'_, '_> {
    type Value = PrimaryInfo;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<PrimaryInfo, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = PrimaryInfo;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer of sync-info")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<PrimaryInfo, M::Error> {
        let (mut info, mut places) = (PrimaryInfo::default(), None);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "last_name" => info.last_name = map.next_value()?,
                "last_position" => info.last_position = map.next_value()?,
                "backups" => info.backups = records(map.next_value()?)?,
                "wals" => map.next_value_seed(WalList { take: self.take, stopped: self.stopped })?,
                "config" => places = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        info.places = places.ok_or_else(|| serde::de::Error::missing_field("config"))?;
        for dir in [&info.places.basebackups_directory, &info.places.wals_directory] {
            if !dir.is_absolute() {
                let shown = dir.display();
                return Err(serde::de::Error::custom(format_args!(
                    "'{shown}' is no directory of the primary"
                )));
            }
        }
        Ok(info)
    }
}

fn records<E: serde::de::Error>(told: Map<String, Value>) -> Result<BTreeMap<BackupId, BackupInfo>, E> {
    let record = |(id, fields): (String, Value)| {
        let id: BackupId = id.parse().map_err(E::custom)?;
        let fields =
            fields.as_object().ok_or_else(|| E::custom(format_args!("backup '{id}' has no fields")))?;
        let info = BackupInfo::from_peer_json(id.clone(), fields);
        let info = info.map_err(|problem| E::custom(format_args!("backup '{id}': {problem}")))?;
        Ok((id, info))
    };
    told.into_iter().map(record).collect()
}

/// The list of WAL files.
struct WalList<'a, 'b> {
    take: &'a mut Take<'b>,
    stopped: &'a mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for WalList<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for WalList<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of WAL files")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        use serde::de::Error as _;
        while let Some(told) = list.next_element::<Told>()? {
            let Some((name, entry)) = told.entry() else {
                return Err(S::Error::custom("a WAL file whose line cannot be one of xlog.db"));
            };
            let Some(name) = name else {
                tracing::warn!(
                    "'{}' in the archive of the primary node is no WAL file, and is not copied",
                    entry.name
                );
                continue;
            };
            if let Err(error) = (self.take)(name, entry) {
                *self.stopped = Some(error);
                return Err(S::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

impl Told {
    /// The file and its line; no file for a name that is none of PostgreSQL's. `None` when it would break the list.
    fn entry(self) -> Option<(Option<WalName>, XlogDbEntry)> {
        let Self { name, size, time, compression, encryption } = self;
        let is_word = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let words = [Some(&name), compression.as_ref(), encryption.as_ref()];
        let is_line = time.is_finite() && words.into_iter().flatten().all(is_word);
        // In the spelling of PostgreSQL only: another one would lie where nobody looks.
        let wal = name.parse().ok().filter(|wal: &WalName| wal.to_string() == name);
        is_line.then_some((wal, XlogDbEntry { name, size, time, compression, encryption }))
    }
}
