//! Reads who serves a pool from a file that somebody else keeps: TOML with one key, `endpoints`, written as in the
//! main configuration.
//!
//! The file is read again and again and its content compared. That sees an edit in place, a rename over it and a
//! symbolic link that leads elsewhere, on any file system; a watch would stay with the file that it began with.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use super::found::{Failure, Found};
use crate::config::{ConfigError, endpoint};

/// The pause between two looks.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// Many times what a full pool takes.
const BYTES_MAX: usize = 64 * 1024;

/// What the file says now.
pub(super) async fn look_up(path: &Path) -> Result<Found, Failure> {
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || read(&owned)).await;
    let text = read.unwrap_or_else(|error| Err(error.to_string()));
    let text = text.map_err(|message| ConfigError { place: path.display().to_string(), message });
    let endpoints = text.and_then(|text| endpoint::from_file(path, text)).map_err(Failure::File)?;
    Found::new(endpoints)
}

fn read(path: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    // A pipe that nobody writes to would keep us waiting for ever.
    if !metadata.is_file() {
        return Err("not a file".to_owned());
    }
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() > BYTES_MAX {
        return Err(format!("larger than {BYTES_MAX} bytes"));
    }
    Ok(text)
}
