//! What is asked for: a JSON list with an object for each section.

use serde_json::{Map, Value};

use crate::config::{SectionKind, Written, validate_option};
use crate::ops::Error;

/// Changes of one section.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub kind: SectionKind,
    pub section: String,
    /// Names and values, in the order they were given.
    pub options: Vec<(String, String)>,
}

/// Reads the list.
pub(super) fn parse(json: &str) -> Result<Vec<Request>, Error> {
    let not_a_list = |why: String| {
        Error::refused(format!(
            "{why}; expected a JSON list of objects, such as [{{\"scope\": \"server\", \"server_name\": \"main\", \
             \"parallel_jobs\": \"2\"}}]"
        ))
    };
    let list: Value =
        serde_json::from_str(json).map_err(|error| not_a_list(format!("this is no JSON: {error}")))?;
    let Value::Array(list) = list else { return Err(not_a_list("this is no list".into())) };
    let requests = list.into_iter().enumerate().map(|(index, item)| match item {
        Value::Object(object) => Request::of(object),
        _ => Err(not_a_list(format!("item {} of the list is no object", index + 1))),
    });
    requests.collect()
}

impl Request {
    fn of(mut object: Map<String, Value>) -> Result<Self, Error> {
        let invalid = |why: String| Error::refused(format!("Invalid section: {why}"));
        let scope = object.shift_remove("scope").unwrap_or_default();
        let (kind, name_key) = match scope.as_str() {
            Some("server") => (SectionKind::Server, "server_name"),
            Some("model") => (SectionKind::Model, "model_name"),
            _ => {
                return Err(invalid(format!(
                    "'scope' is invalid: '{}'. It should be either 'server' or 'model'.",
                    scope.as_str().map_or_else(|| scope.to_string(), str::to_owned)
                )));
            }
        };
        let name = object.shift_remove(name_key);
        let section = name.as_ref().and_then(Value::as_str).filter(|name| is_section_name(name));
        let section = section.ok_or_else(|| invalid(format!("'{name_key}' is missing.")))?.to_owned();
        let text = |(key, value): (String, Value)| match value {
            Value::String(value) => Ok((key, value)),
            other => {
                Err(invalid(format!("the value of '{key}' must be a text: \"{other}\" in double quotes")))
            }
        };
        Ok(Self { kind, section, options: object.into_iter().map(text).collect::<Result<_, Error>>()? })
    }

    /// Refuses what would make a configuration that cannot be read.
    pub fn check(&self, written: &Written) -> Result<(), Error> {
        let Self { kind, section, options } = self;
        let invalid = |why: &str| Err(Error::refused(format!("Invalid section: '{section}' {why}")));
        match (written.kind_of(section), kind) {
            (Some(SectionKind::Model), SectionKind::Server) => return invalid("is a model, not a server."),
            (Some(SectionKind::Server), SectionKind::Model) => return invalid("is a server, not a model."),
            (None, SectionKind::Model) if options.iter().all(|(key, _)| key != "cluster") => {
                return invalid("is a new model but 'cluster' is missing.");
            }
            _ => {}
        }
        let checked = options.iter().try_for_each(|(key, value)| validate_option(*kind, section, key, value));
        checked.map_err(Error::refused)
    }
}

/// Whether a section can have that name: `all` means every server, and brackets end a header.
fn is_section_name(name: &str) -> bool {
    !matches!(name, "" | "all" | "DEFAULT") && !name.contains(['[', ']', '\n', '\r']) && name.trim() == name
}
