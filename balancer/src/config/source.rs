//! Where a value came from: a line of the file, or a variable of the environment.
//! It must not know a single key of ours, but for the one that a variable of another standard sets.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::ConfigError;

/// Variables that override keys start with this.
pub const ENVIRONMENT_PREFIX: &str = "MARQUEE_BALANCER__";
/// By this everybody names a collector of traces.
const COLLECTOR: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// The file's text and the variables laid over it.
pub struct Source {
    path: PathBuf,
    text: String,
    overrides: Vec<Override>,
}

struct Override {
    variable: String,
    path: Vec<String>,
    value: Value,
}

impl Source {
    /// Reads the file; `environment` is the process's variables, ours are picked out.
    pub fn read(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            place: path.display().to_string(),
            message: format!("{error}; name an existing file with --config"),
        })?;
        Ok(Self::new(path, text, environment))
    }

    /// As [`Source::read`], with the text at hand.
    pub fn new(path: &Path, text: String, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut overrides: Vec<Override> = environment
            .into_iter()
            .filter_map(|(variable, value)| Override::from_variable(variable, &value))
            .collect();
        overrides.sort_by(|a, b| a.variable.cmp(&b.variable));
        Self { path: path.to_owned(), text, overrides }
    }

    /// The file with every variable laid over it, one after the other, so that an error has one culprit.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        let mut parsed = toml::from_str::<T>(&self.text).map_err(|error| self.unreadable(&error))?;
        let mut table: Table = toml::from_str(&self.text).map_err(|error| self.unreadable(&error))?;
        for over in &self.overrides {
            let culprit = |message: String| ConfigError {
                place: format!("environment variable {}", over.variable),
                message: format!("key `{}`: {message}", over.path.join(".")),
            };
            place(&mut table, &over.path, over.value.clone()).map_err(culprit)?;
            parsed = Value::Table(table.clone())
                .try_into()
                .map_err(|error: toml::de::Error| culprit(error.message().to_owned()))?;
        }
        Ok(parsed)
    }

    /// An error about the value at `path`, which names where that value was written.
    pub fn error(&self, path: &[&str], message: impl Into<String>) -> ConfigError {
        let over = self.overrides.iter().rev().find(|over| {
            let shared = over.path.len().min(path.len());
            shared > 0 && over.path[..shared].iter().zip(path).all(|(a, b)| same_key(a, b))
        });
        let place = match over {
            Some(over) => format!("environment variable {}", over.variable),
            None => self.line_of(path),
        };
        ConfigError { place, message: format!("key `{}`: {}", path.join("."), message.into()) }
    }

    fn unreadable(&self, error: &toml::de::Error) -> ConfigError {
        let Some(span) = error.span() else {
            return ConfigError {
                place: self.path.display().to_string(),
                message: error.message().to_owned(),
            };
        };
        let line = self.text[..span.start.min(self.text.len())].matches('\n').count() + 1;
        let key = self.key_at(line);
        let message = error.message().replace('\n', ", ");
        ConfigError {
            place: format!("{}:{line}", self.path.display()),
            message: if key.is_empty() { message } else { format!("key `{key}`: {message}") },
        }
    }

    /// The dotted key written on a line, as far as lines tell.
    fn key_at(&self, line: usize) -> String {
        let lines: Vec<&str> = self.text.lines().take(line).collect();
        let header = lines.iter().rev().find(|line| line.trim_start().starts_with('['));
        let header = header.map_or("", |line| line.trim().trim_matches(['[', ']']));
        let own = lines.last().and_then(|line| line.split_once('=')).map_or("", |(key, _)| key.trim());
        [header, own].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(".")
    }

    fn line_of(&self, path: &[&str]) -> String {
        let found = DeTable::parse(&self.text).ok().and_then(|table| offset(table.get_ref(), path));
        match found {
            Some(offset) => {
                format!("{}:{}", self.path.display(), self.text[..offset].matches('\n').count() + 1)
            }
            None => self.path.display().to_string(),
        }
    }
}

/// Byte offset of the deepest part of `path` that the file contains.
fn offset(table: &DeTable<'_>, path: &[&str]) -> Option<usize> {
    let (first, rest) = path.split_first()?;
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == first)?;
    Some(offset_in(value.get_ref(), rest).unwrap_or(key.span().start))
}

fn offset_in(value: &DeValue<'_>, path: &[&str]) -> Option<usize> {
    match value {
        DeValue::Table(table) => offset(table, path),
        DeValue::Array(items) => {
            let (index, rest) = path.split_first()?;
            let item = items.get(index.parse::<usize>().ok()?)?;
            Some(offset_in(item.get_ref(), rest).unwrap_or(item.span().start))
        }
        _ => None,
    }
}

impl Override {
    fn from_variable(variable: String, value: &str) -> Option<Self> {
        let path = match variable.as_str() {
            COLLECTOR => "TRACES__ENDPOINT",
            other => other.strip_prefix(ENVIRONMENT_PREFIX)?,
        };
        let path = path.split("__").map(str::to_lowercase).collect();
        Some(Self { path, value: as_toml(value), variable })
    }
}

/// A TOML value when it is one, else the text itself.
fn as_toml(text: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("value = {text}"));
    match parsed.map(|mut table| table.remove("value")) {
        Ok(Some(value)) => value,
        _ => Value::String(text.to_owned()),
    }
}

/// Variables cannot spell `-`, so `_` stands for it too.
fn same_key(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || a.replace('-', "_").eq_ignore_ascii_case(&b.replace('-', "_"))
}

fn place(table: &mut Table, path: &[String], value: Value) -> Result<(), String> {
    let (first, rest) = path.split_first().ok_or("names no key")?;
    let key = table.keys().find(|key| same_key(key, first)).cloned().unwrap_or_else(|| first.clone());
    if rest.is_empty() {
        table.insert(key, value);
        return Ok(());
    }
    let inner = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
    place_in(inner, rest, value)
}

fn place_in(inner: &mut Value, path: &[String], value: Value) -> Result<(), String> {
    match inner {
        Value::Table(table) => place(table, path, value),
        Value::Array(items) => {
            let count = items.len();
            let item = path[0].parse::<usize>().ok().and_then(|index| items.get_mut(index));
            match (item, &path[1..]) {
                (Some(item), []) => *item = value,
                (Some(item), rest) => place_in(item, rest, value)?,
                (None, _) => return Err(format!("`{}` is not an index below {count}", path[0])),
            }
            Ok(())
        }
        _ => Err(format!("`{}` would be inside a plain value", path[0])),
    }
}
