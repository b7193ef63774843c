//! Configuration: one TOML file per program, every key overridable by environment.
//!
//! `MARQUEE_RESERVATIONS__HOLD_SECONDS=5` sets `hold_seconds`; a further `__` goes one table down. The value is read as
//! TOML and, where it is not TOML, taken as a string. Unknown keys are errors in both places. `DATABASE_URL`,
//! `REDIS_URL` and `OTEL_EXPORTER_OTLP_ENDPOINT`, which every program shares, set `postgres.url`, `redis.url` and `traces.endpoint`.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::traces::TracesConfig;

/// What a configuration must satisfy beyond its types.
pub trait Validate {
    /// The first thing that is wrong and the way out, or nothing.
    fn validate(&self) -> Result<(), String>;
}

/// The configuration of a program.
pub trait Program: DeserializeOwned + Validate {
    /// Where its traces go.
    fn traces(&self) -> &TracesConfig;
}

/// Why a configuration cannot be used. The text names the place and the way out.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or cannot be read.
    #[error("{}: {source}; name another file with --config", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key or value in the file is wrong.
    #[error("{}:{line}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A key or value in the environment is wrong.
    #[error("environment {variable}: {message}")]
    Environment {
        /// The variable.
        variable: String,
        /// What is wrong with it.
        message: String,
    },
    /// The keys are well-formed and do not make sense together.
    #[error("{}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the way out.
        message: String,
    },
}

/// Reads `path`, lays the process's environment over it, and validates the result.
pub fn load<C: DeserializeOwned + Validate>(program: &str, path: &Path) -> Result<C, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    parse(program, path, &text, std::env::vars())
}

/// As [`load`], with the text and the environment given.
pub fn parse<C: DeserializeOwned + Validate>(
    program: &str,
    path: &Path,
    text: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<C, ConfigError> {
    let in_file = |error: toml::de::Error| ConfigError::File {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1),
        message: error.message().to_owned(),
    };
    let mut config: C = toml::from_str(text).map_err(in_file)?;
    let mut table: Table = toml::from_str(text).map_err(in_file)?;

    let prefix = format!("MARQUEE_{}__", program.to_uppercase().replace('-', "_"));
    let mut overrides: Vec<_> = environment
        .into_iter()
        .filter_map(|(variable, value)| key_of(&prefix, &variable).map(|key| (variable, key, value)))
        .collect();
    overrides.sort();
    for (variable, key, value) in overrides {
        let in_environment = |message| ConfigError::Environment { variable: variable.clone(), message };
        set(&mut table, &key.split("__").collect::<Vec<_>>(), literal(&value)).map_err(in_environment)?;
        // Each is tried alone, so that the message names the variable that is wrong.
        config = table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| in_environment(error.message().to_owned()))?;
    }
    config.validate().map_err(|message| ConfigError::Invalid { path: path.to_owned(), message })?;
    Ok(config)
}

/// The key a variable sets, if it is one of ours.
fn key_of(prefix: &str, variable: &str) -> Option<String> {
    match variable {
        "DATABASE_URL" => Some("postgres__url".to_owned()),
        "REDIS_URL" => Some("redis__url".to_owned()),
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("traces__endpoint".to_owned()),
        other => other.strip_prefix(prefix).map(str::to_lowercase),
    }
}

fn literal(text: &str) -> Value {
    toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn set(table: &mut Table, keys: &[&str], value: Value) -> Result<(), String> {
    match keys {
        [] | [""] => Err("a key is missing behind the program's name".to_owned()),
        [key] => {
            table.insert((*key).to_owned(), value);
            Ok(())
        }
        [key, rest @ ..] => match table.entry(*key).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => set(inner, rest, value),
            _ => Err(format!("`{key}` is a value, not a table")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        hold_seconds: u64,
        http: Http,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Http {
        listen: String,
    }

    impl Validate for Sample {
        fn validate(&self) -> Result<(), String> {
            if self.hold_seconds == 0 { Err("`hold_seconds` must be at least 1".to_owned()) } else { Ok(()) }
        }
    }

    const FILE: &str = "hold_seconds = 300\n[http]\nlisten = \"127.0.0.1:7201\"\n";

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<Sample, String> {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        parse("cache-warmer", Path::new("sample.toml"), text, environment).map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_overrides_nested_keys_and_leaves_others_alone() {
        let sample = read(
            FILE,
            &[
                ("MARQUEE_CACHE_WARMER__HOLD_SECONDS", "5"),
                ("MARQUEE_CACHE_WARMER__HTTP__LISTEN", "127.0.0.1:0"),
                ("MARQUEE_OTHER__NONSENSE", "1"),
            ],
        );
        let sample = sample.expect("the configuration is good");
        assert_eq!((sample.hold_seconds, sample.http.listen.as_str()), (5, "127.0.0.1:0"));
    }

    #[test]
    fn a_wrong_key_in_the_file_is_named_with_its_line_and_the_way_out() {
        let message =
            read("hold_seconds = 300\n[http]\nlissten = \"x\"\n", &[]).expect_err("the key is unknown");
        assert!(message.starts_with("sample.toml:3: "), "{message}");
        assert!(message.contains("`lissten`") && message.contains("`listen`"), "{message}");
    }

    #[test]
    fn a_wrong_variable_is_named() {
        for (name, value) in [
            ("MARQUEE_CACHE_WARMER__HOLD_SECONDS", "soon"),
            ("MARQUEE_CACHE_WARMER__HOLD_SECOND", "5"),
            ("MARQUEE_CACHE_WARMER__HOLD_SECONDS__DEEP", "5"),
            ("MARQUEE_CACHE_WARMER__", "5"),
        ] {
            let message = read(FILE, &[(name, value)]).expect_err("the variable is wrong");
            assert!(message.starts_with(&format!("environment {name}: ")), "{message}");
        }
    }

    #[test]
    fn what_does_not_make_sense_is_refused() {
        let message =
            read(FILE, &[("MARQUEE_CACHE_WARMER__HOLD_SECONDS", "0")]).expect_err("zero is refused");
        assert_eq!(message, "sample.toml: `hold_seconds` must be at least 1");
    }
}
