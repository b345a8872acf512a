use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::python;

/// The one JSON object that a command prints when it ends: its answers by key, and what it said, in lists.
#[derive(Debug, Default)]
pub struct Document(Map<String, Value>);

impl Document {
    /// Puts an answer under a key, most often the name of a server.
    pub fn insert(&mut self, key: &str, answer: Value) {
        self.0.insert(key.to_owned(), answer);
    }

    /// Adds to the messages of a kind: `_INFO`, `_WARNING`, `_ERROR`, `_DEBUG`.
    pub fn say(&mut self, kind: &str, text: &str) {
        let messages = self.0.entry(kind).or_insert_with(|| json!([]));
        if let Some(messages) = messages.as_array_mut() {
            messages.push(text.into());
        }
    }

    /// Whether nothing was answered and nothing said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the document on one line. Every text goes through `redact`, which removes passwords.
    pub fn write(self, redact: fn(&str) -> Cow<'_, str>) -> String {
        let mut document = Value::Object(self.0);
        redact_all(&mut document, redact);
        python::one_line(document)
    }
}

fn redact_all(value: &mut Value, redact: fn(&str) -> Cow<'_, str>) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(redacted) = redact(text) {
                *text = redacted;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact_all(item, redact)),
        Value::Object(entries) => entries.values_mut().for_each(|entry| redact_all(entry, redact)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(text: &str) -> Cow<'_, str> {
        if text.contains("secret") { Cow::Owned(text.replace("secret", "*")) } else { Cow::Borrowed(text) }
    }

    #[test]
    fn answers_and_messages_stand_side_by_side() {
        let mut document = Document::default();
        document.insert("main", json!({"b": 1.0, "a": null}));
        document.say("_INFO", "first");
        document.say("_INFO", "second");
        let line = "{\"_INFO\": [\"first\", \"second\"], \"main\": {\"a\": null, \"b\": 1.0}}\n";
        assert_eq!(document.write(hide), line);
    }

    #[test]
    fn a_command_that_says_nothing_gives_an_empty_object() {
        assert_eq!(Document::default().write(hide), "{}\n");
    }

    #[test]
    fn passwords_are_removed_wherever_they_stand() {
        let mut document = Document::default();
        document.insert("main", json!({"conninfo": ["secret"]}));
        document.say("_ERROR", "a secret");
        assert_eq!(document.write(hide), "{\"_ERROR\": [\"a *\"], \"main\": {\"conninfo\": [\"*\"]}}\n");
    }
}
