//! Which value counts for each keyword, and where it comes from.

use std::collections::BTreeMap;

use super::Surroundings;
use super::error::{Error, Origin, Source};
use super::keywords::Keyword;
use super::parse::Parameters;
use super::service::load_service;

/// The values in force: string over service file over environment. What none of them gives is absent.
pub(super) struct Overlay(BTreeMap<Keyword, (String, Source)>);

impl Overlay {
    pub(super) fn load(text: &Parameters, around: &Surroundings<'_>) -> Result<Self, Error> {
        let variable = |key: Keyword| Some((key.variable()?, (around.variable)(key.variable()?)?));
        let mut values: BTreeMap<Keyword, (String, Source)> =
            text.iter().map(|(key, value)| (*key, (value.clone(), Source::Text))).collect();
        let ask = |key: Keyword| text.get(&key).cloned().or_else(|| Some(variable(key)?.1));
        if let Some(service) = ask(Keyword::Service).filter(|name| !name.is_empty()) {
            let (path, parameters) = load_service(&service, ask(Keyword::ServiceFile).as_deref(), around)?;
            for (key, value) in parameters {
                values.entry(key).or_insert((value, Source::Service(path.clone())));
            }
        }
        for key in Keyword::all() {
            if let Some((name, value)) = variable(key) {
                values.entry(key).or_insert((value, Source::Variable(name)));
            }
        }
        // The variable of libpq's early days.
        if (around.variable)("PGREQUIRESSL").is_some_and(|value| value.starts_with('1')) {
            values.entry(Keyword::SslMode).or_insert(("require".into(), Source::Variable("PGREQUIRESSL")));
        }
        Ok(Self(values))
    }

    /// The value; an empty one counts as none.
    pub(super) fn text(&self, key: Keyword) -> Option<&str> {
        self.0.get(&key).map(|(value, _)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The value as an integer.
    pub(super) fn integer(&self, key: Keyword) -> Result<Option<i32>, Error> {
        self.text(key).map(|text| text.trim().parse().map_err(|_| self.invalid(key))).transpose()
    }

    /// The value as one of those that `choices` names.
    pub(super) fn choice<T: Copy>(&self, key: Keyword, choices: &[(&str, T)]) -> Result<Option<T>, Error> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        found.map(Some).ok_or_else(|| self.invalid(key))
    }

    /// The entries of a list; an empty value is no list.
    pub(super) fn list(&self, key: Keyword) -> Option<Vec<&str>> {
        self.text(key).map(|text| text.split(',').collect())
    }

    /// Tells that a value is not one that its keyword takes. A port may be part of a password in a URI where `@`
    /// was not encoded, so it is not shown.
    pub(super) fn invalid(&self, key: Keyword) -> Error {
        let shown = !key.is_secret() && key != Keyword::Port;
        let value = self.text(key).filter(|_| shown).map(str::to_owned);
        Error::InvalidValue { key: self.origin(key), value }
    }

    /// Tells that a value excludes another one.
    pub(super) fn contradiction(&self, key: Keyword, reason: &'static str) -> Error {
        Error::Contradiction { key: self.origin(key), reason }
    }

    /// Tells that we cannot do what a value asks for.
    pub(super) fn not_supported(&self, key: Keyword, reason: &'static str) -> Error {
        Error::NotSupported { key: self.origin(key), reason }
    }

    fn origin(&self, key: Keyword) -> Origin {
        let source = self.0.get(&key).map_or(Source::Text, |(_, source)| source.clone());
        Origin { key: key.into(), source }
    }
}
