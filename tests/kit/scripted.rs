//! A stand-in for PostgreSQL of versions that cannot be installed any more.
//!
//! It speaks the wire protocol, knows which functions, views and columns each version had (see `vocabulary`), and
//! refuses SQL that uses any other; what is left it answers by purpose. It has a data directory to copy and ships
//! WAL files, but stores nothing.

mod vocabulary;
mod wire;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use chrono::Utc;

use wire::{Answer, Refusal, Value};

/// Bytes of a WAL segment.
const SEGMENT: u64 = 16 << 20;

/// A server that plays PostgreSQL as long as the test runs.
pub struct ScriptedServer {
    port: u16,
    state: Arc<Mutex<State>>,
}

/// What the server is and what it does at the moment.
pub struct State {
    version: u32,
    data: PathBuf,
    tablespace: PathBuf,
    incoming: PathBuf,
    /// Log and segment that WAL is written to.
    current: (u32, u32),
    /// Where and in which segment the last backup began.
    begin: (u32, u32),
    /// The schema of pgespresso, when it is installed.
    pub espresso: Option<String>,
    /// Backups that pgespresso counts.
    pub counted: i32,
}

impl ScriptedServer {
    /// A server of this version (`server_version_num`), with files in `dir`, that ships WAL to `incoming`. Its next
    /// segments are the last ones of a log.
    pub fn start(version: u32, dir: &Path, incoming: &Path) -> Self {
        let (data, tablespace) = (dir.join("data"), dir.join("space"));
        lay_out(version, &data, &tablespace);
        let state = State {
            version,
            data,
            tablespace,
            incoming: incoming.into(),
            current: (0, 0xFC),
            begin: (0, 0),
            espresso: None,
            counted: 0,
        };
        let state = Arc::new(Mutex::new(state));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, shared) = (listener.local_addr().unwrap().port(), state.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                let has_names = version >= 90_000;
                let name = version_name(version);
                thread::spawn(move || {
                    // A client that hangs up is none of our concern.
                    let _ = wire::serve(stream, &name, has_names, |sql, parameters| {
                        state.lock().unwrap().answer(sql, parameters)
                    });
                });
            }
        });
        Self { port, state }
    }

    /// What reaches it.
    pub fn conninfo(&self) -> String {
        format!("host=127.0.0.1 port={} user=barman dbname=postgres", self.port)
    }

    /// Looks at its state, or changes it.
    pub fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap())
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.with(|state| state.data.clone())
    }
}

/// `9.2.24` for 90224.
pub fn version_name(version: u32) -> String {
    format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
}

/// A data directory and a tablespace as this version has them.
fn lay_out(version: u32, data: &Path, tablespace: &Path) {
    let major = version_name(version).rsplit_once('.').unwrap().0.to_owned();
    let inside =
        if version < 90_000 { tablespace.into() } else { tablespace.join(format!("PG_{major}_2012")) };
    for dir in ["base/1", "global", "pg_tblspc", "pg_xlog"] {
        fs::create_dir_all(data.join(dir)).unwrap();
    }
    fs::create_dir_all(inside.join("1")).unwrap();
    fs::write(inside.join("1/16500"), "rows").unwrap();
    fs::write(data.join("PG_VERSION"), format!("{major}\n")).unwrap();
    fs::write(data.join("global/pg_control"), "control").unwrap();
    fs::write(data.join("base/1/1259"), vec![7; 1 << 20]).unwrap();
    fs::write(data.join("postgresql.conf"), "archive_command = 'scripted'\n").unwrap();
    std::os::unix::fs::symlink(tablespace, data.join("pg_tblspc/16400")).unwrap();
}

impl State {
    fn answer(&mut self, sql: &str, parameters: &[String]) -> Answer {
        vocabulary::check(sql, self.version)?;
        let has = |words: &str| sql.contains(words);
        let row = |columns: &[&str], values: Vec<Value>| {
            Ok((columns.iter().map(|&name| name.into()).collect(), vec![values]))
        };
        if has("AS system_id") {
            let columns =
                ["system_id", "segment_bytes", "is_in_recovery", "is_superuser", "roles", "may_execute"];
            let id = if self.version >= 90_600 { Value::text("7000000000000000001") } else { Value::Null };
            let size = Value::Int8(SEGMENT as i64);
            row(&columns, vec![id, size, false.into(), true.into(), Value::NoTexts, false.into()])
        } else if has("FROM pg_catalog.pg_settings WHERE name = ANY") {
            Ok((["name", "setting", "shown", "sourcefile"].map(String::from).into(), self.settings()))
        } else if has("pg_stat_archiver") {
            let columns = [
                ("archived_count", Value::Int8(1)),
                ("last_archived_wal", Value::Null),
                ("last_archived_time", Value::Null),
                ("failed_count", Value::Int8(0)),
                ("last_failed_wal", Value::Null),
                ("last_failed_time", Value::Null),
                ("stats_reset", Value::Null),
                ("is_archiving", true.into()),
                ("rate", Value::NullFloat),
            ];
            let (names, values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
            row(&names, values)
        } else if has("WHERE false") {
            Ok((vec!["?column?".into()], Vec::new()))
        } else if has("AS standby) AS server") {
            row(&["lsn", "timeline"], vec![Value::text(&self.position(0x1000)), Value::text("00000001")])
        } else if has("FROM pg_catalog.pg_tablespace WHERE") {
            let location = self.tablespace.display().to_string();
            row(
                &["name", "oid", "location"],
                vec![Value::text("fast"), Value::Oid(16400), Value::text(&location)],
            )
        } else if has("pg_tablespace_size") {
            row(&["bytes"], vec![Value::Int8(1 << 20)])
        } else if has("pg_extension") {
            let rows = self.espresso.iter().map(|schema| vec![Value::text(&format!("\"{schema}\""))]);
            Ok((vec!["schema".into()], rows.collect()))
        } else if has("pg_read_file('backup_label'") {
            match fs::read_to_string(self.data.join("backup_label")) {
                Ok(label) => row(&["label"], vec![Value::text(&label)]),
                Err(_) => Err(Refusal::new("58P01", "could not stat file \"backup_label\"")),
            }
        } else if has("pg_terminate_backend") {
            Ok((vec!["pg_terminate_backend".into()], Vec::new()))
        } else if has("start_backup(") {
            self.start_backup(sql, parameters)
        } else if has("stop_backup(") {
            self.stop_backup(sql)
        } else if has("pgespresso_abort_backup()") {
            self.counted -= 1;
            row(&["?column?"], vec![Value::Int4(1)])
        } else if has("switch_xlog()") {
            self.ship();
            row(&["lsn"], vec![Value::text(&self.position(0))])
        } else if has("AS wal") {
            row(&["wal"], vec![Value::text(&segment_name(self.current))])
        } else if has("pg_create_restore_point") {
            row(&["lsn"], vec![Value::text(&self.position(0x2000))])
        } else if has("AS yes") {
            row(&["yes"], vec![false.into()])
        } else if has("set_config") || has("CHECKPOINT") {
            row(&["set_config"], vec![Value::text("0")])
        } else {
            Err(Refusal::new("0A000", &format!("this request is not in the script: {sql}")))
        }
    }

    fn settings(&self) -> Vec<Vec<Value>> {
        let data = self.data.display();
        let mut settings = vec![
            ("archive_command", "scripted".to_owned()),
            ("archive_mode", "on".to_owned()),
            ("data_directory", data.to_string()),
            ("config_file", format!("{data}/postgresql.conf")),
            ("hba_file", format!("{data}/pg_hba.conf")),
            ("ident_file", format!("{data}/pg_ident.conf")),
        ];
        if self.version >= 90_000 {
            settings.push(("wal_level", "archive".to_owned()));
        }
        let row = |(name, value): (&str, String)| {
            vec![Value::text(name), Value::text(&value), Value::text(&value), Value::Null]
        };
        settings.into_iter().map(row).collect()
    }

    fn start_backup(&mut self, sql: &str, parameters: &[String]) -> Answer {
        let is_exclusive = !sql.contains("pgespresso") && !sql.contains(", false) AS start");
        if is_exclusive && self.data.join("backup_label").exists() {
            return Err(Refusal::new("55000", "a backup is already in progress"));
        }
        self.begin = self.current;
        let (file, lsn) = (segment_name(self.current), self.position(0x28));
        let label = format!(
            "START WAL LOCATION: {lsn} (file {file})\nCHECKPOINT LOCATION: {lsn}\nSTART TIME: today\nLABEL: {}\n",
            parameters[0]
        );
        let time = Value::text(&now());
        if sql.contains("pgespresso") {
            self.counted += 1;
            return Ok((["label", "time"].map(String::from).into(), vec![vec![Value::text(&label), time]]));
        }
        if is_exclusive {
            fs::write(self.data.join("backup_label"), label).unwrap();
        }
        self.answer_position(&lsn, time)
    }

    fn stop_backup(&mut self, sql: &str) -> Answer {
        let is_exclusive = !sql.contains("pgespresso") && !sql.contains("(false)");
        if is_exclusive && fs::remove_file(self.data.join("backup_label")).is_err() {
            return Err(Refusal::new("55000", "a backup is not in progress"));
        }
        // The backup ends one segment after the one in which it began.
        self.ship();
        let last = self.current;
        self.ship();
        let label = format!("{}.00000028.backup", segment_name(self.begin));
        fs::write(self.incoming.join(label), "START WAL LOCATION\n").unwrap();
        let (lsn, time) = (position(last, 0x100), Value::text(&now()));
        if sql.contains("pgespresso") {
            self.counted -= 1;
            let wal = Value::text(&segment_name(last));
            return Ok((["wal", "time"].map(String::from).into(), vec![vec![wal, time]]));
        }
        if sql.contains("labelfile") {
            let columns = ["lsn", "label", "time", "timeline"].map(String::from).into();
            let label = Value::text("LABEL: concurrent\n");
            return Ok((columns, vec![vec![Value::text(&lsn), label, time, Value::text("00000001")]]));
        }
        self.answer_position(&lsn, time)
    }

    fn answer_position(&self, lsn: &str, time: Value) -> Answer {
        let columns = ["lsn", "time", "timeline"].map(String::from).into();
        Ok((columns, vec![vec![Value::text(lsn), time, Value::text("00000001")]]))
    }

    fn position(&self, offset: u64) -> String {
        position(self.current, offset)
    }

    /// Closes the current segment and ships it.
    fn ship(&mut self) {
        let part = self.incoming.join(".arriving");
        fs::File::create(&part).unwrap().set_len(SEGMENT).unwrap();
        fs::rename(part, self.incoming.join(segment_name(self.current))).unwrap();
        let per_log = if self.version < 90_300 { 0xFF } else { 0x100 };
        let (log, seg) = self.current;
        self.current = if seg + 1 < per_log { (log, seg + 1) } else { (log + 1, 0) };
    }
}

fn segment_name((log, seg): (u32, u32)) -> String {
    format!("00000001{log:08X}{seg:08X}")
}

fn position((log, seg): (u32, u32), offset: u64) -> String {
    format!("{log:X}/{:X}", u64::from(seg) * SEGMENT + offset)
}

fn now() -> String {
    Utc::now().format("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}
