//! `[access_log]`: one JSON line per request.

use std::path::PathBuf;

use serde::Deserialize;

use super::ConfigError;
use super::reader::Reader;

/// Access log lines that may wait; their places are allocated at the start.
pub const QUEUE_LINES_MAX: usize = 1 << 20;

/// `[access_log]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Off means no line at all.
    enabled: bool,
    /// A file to append to; `-` is stdout.
    path: String,
    /// Lines that may wait for the writer; beyond it lines are dropped and counted.
    queue_lines_max: usize,
}

impl Default for Written {
    fn default() -> Self {
        Self { enabled: true, path: "-".into(), queue_lines_max: 8_192 }
    }
}

/// Where access log lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// A file; stdout when none.
    pub path: Option<PathBuf>,
    /// Lines that may wait.
    pub queue_lines_max: usize,
}

impl Written {
    /// None when it is off.
    pub(super) fn read(self, reader: &Reader<'_>) -> Result<Option<AccessLog>, ConfigError> {
        let queue_lines_max =
            reader.size(&["access_log", "queue_lines_max"], self.queue_lines_max, QUEUE_LINES_MAX)?;
        let path = (self.path != "-").then(|| PathBuf::from(self.path));
        Ok(self.enabled.then_some(AccessLog { path, queue_lines_max }))
    }
}
