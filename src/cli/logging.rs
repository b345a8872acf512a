//! The log, in the line format that Barman's users grep: `2025-01-02 10:00:00,123 [4242] barman.ops.backup INFO: …`.

use std::fmt::{self, Write};
use std::io::Write as _;

use chrono::{DateTime, Local};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{LogField, LogFill, LogFormat, LogLevel, LogPiece};
use crate::pg;
use crate::sys::log_file::LogFile;
use crate::sys::process;

/// Sends what is logged from now on to `file`, or to standard error when there is none.
pub fn install(file: Option<LogFile>, threshold: LogLevel, format: LogFormat) {
    let layer = LineLayer { file, threshold, format };
    // A second subscriber could only come from a test that runs two programs in one process.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer));
}

struct LineLayer {
    file: Option<LogFile>,
    threshold: LogLevel,
    format: LogFormat,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LineLayer {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        // What libraries log is theirs, and may hold what must not be shown.
        metadata.target().starts_with("barman") && level_of(metadata).0 >= self.threshold
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = render(&self.format, event, Local::now());
        match &self.file {
            Some(file) => file.write_line(&line),
            None => drop(std::io::stderr().lock().write_all(line.as_bytes())),
        }
    }
}

fn level_of(metadata: &Metadata<'_>) -> (LogLevel, &'static str) {
    match *metadata.level() {
        Level::ERROR => (LogLevel::ERROR, "ERROR"),
        Level::WARN => (LogLevel::WARNING, "WARNING"),
        Level::INFO => (LogLevel::INFO, "INFO"),
        Level::DEBUG | Level::TRACE => (LogLevel::DEBUG, "DEBUG"),
    }
}

fn render(format: &LogFormat, event: &Event<'_>, now: DateTime<Local>) -> String {
    let mut message = Message::default();
    event.record(&mut message);
    let text = message.text + &message.fields;
    let message = pg::redact(&text);
    let mut line = String::new();
    for piece in &format.0 {
        match piece {
            LogPiece::Text(text) => line += text,
            LogPiece::Field { field, width, fill } => {
                line += &filled(&value(*field, event.metadata(), &message, now), *width, *fill);
            }
        }
    }
    line + "\n"
}

fn value(field: LogField, metadata: &Metadata<'_>, message: &str, now: DateTime<Local>) -> String {
    let target = metadata.target().replace("::", ".");
    let path = metadata.file().unwrap_or_default();
    match field {
        LogField::Time => now.format("%Y-%m-%d %H:%M:%S,%3f").to_string(),
        LogField::Milliseconds => now.timestamp_subsec_millis().to_string(),
        LogField::Name => target,
        LogField::Module | LogField::Function => target.rsplit('.').next().unwrap_or_default().to_owned(),
        LogField::Level => level_of(metadata).1.to_owned(),
        LogField::LevelNumber => level_of(metadata).0.0.to_string(),
        LogField::Process | LogField::Thread => process::id().to_string(),
        LogField::ProcessName | LogField::ThreadName => "barman".to_owned(),
        LogField::File => path.rsplit('/').next().unwrap_or_default().to_owned(),
        LogField::Path => path.to_owned(),
        LogField::Line => metadata.line().unwrap_or(0).to_string(),
        LogField::Message => message.to_owned(),
    }
}

fn filled(text: &str, width: usize, fill: LogFill) -> String {
    match fill {
        LogFill::Right => format!("{text:>width$}"),
        LogFill::Left => format!("{text:<width$}"),
        LogFill::Zeros => format!("{text:0>width$}"),
    }
}

/// The text of an event, and its other fields as ` key=value`.
#[derive(Default)]
struct Message {
    text: String,
    fields: String,
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.text, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
