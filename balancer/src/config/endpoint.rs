//! One endpoint as written: `"127.0.0.1:7101"`, or `{ address = "127.0.0.1:7101", weight = 2 }`.

use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor, value::MapAccessDeserializer};

use super::ConfigError;
use super::reader::Reader;
use super::source::Source;

/// Endpoints of one pool: a request remembers those it tried in one machine word.
pub const ENDPOINTS_PER_POOL_MAX: usize = 64;
/// Weight of one endpoint, so that a ring stays small.
pub const WEIGHT_MAX: u32 = 16;

/// Who can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// Where.
    pub address: SocketAddr,
    /// Its share relative to the others.
    pub weight: u32,
}

/// The endpoints that a file of their own lists under the key `endpoints`.
pub fn from_file(path: &Path, text: String) -> Result<Vec<Endpoint>, ConfigError> {
    let source = Source::new(path, text, []);
    let file: File = source.parse()?;
    read_all(&Reader { source: &source }, &["endpoints"], &file.endpoints)
}

/// Such a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    endpoints: Vec<Written>,
}

/// All endpoints of a pool.
pub(super) fn read_all(
    reader: &Reader<'_>,
    path: &[&str],
    written: &[Written],
) -> Result<Vec<Endpoint>, ConfigError> {
    if written.is_empty() {
        return reader.wrong(path, "a pool needs an endpoint; add one, such as \"127.0.0.1:7101\"");
    }
    if written.len() > ENDPOINTS_PER_POOL_MAX {
        return reader.wrong(path, format!("more than {ENDPOINTS_PER_POOL_MAX} endpoints; split the pool"));
    }
    let mut known: Vec<Endpoint> = Vec::with_capacity(written.len());
    for (index, one) in written.iter().enumerate() {
        let index = index.to_string();
        let path = [path, &[&index]].concat();
        let address = reader.address(&path, &one.address)?;
        if known.iter().any(|other| other.address == address) {
            return reader.wrong(&path, format!("`{address}` is listed twice; remove one"));
        }
        if !(1..=WEIGHT_MAX).contains(&one.weight) {
            return reader.wrong(&path, format!("weight must be 1 to {WEIGHT_MAX}"));
        }
        known.push(Endpoint { address, weight: one.weight });
    }
    Ok(known)
}

/// One endpoint as written.
#[derive(Debug)]
pub(super) struct Written {
    /// IP address and port.
    address: String,
    /// Its share relative to the others.
    weight: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Weighted {
    address: String,
    #[serde(default = "weight")]
    weight: u32,
}

fn weight() -> u32 {
    1
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrTable)
    }
}

struct TextOrTable;

impl<'de> Visitor<'de> for TextOrTable {
    type Value = Written;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"ip:port\" or { address = \"ip:port\", weight = N }")
    }

    fn visit_str<E: serde::de::Error>(self, address: &str) -> Result<Written, E> {
        Ok(Written { address: address.to_owned(), weight: weight() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
        let Weighted { address, weight } =
            Weighted::deserialize(MapAccessDeserializer::new(map)).map_err(A::Error::custom)?;
        Ok(Written { address, weight })
    }
}
