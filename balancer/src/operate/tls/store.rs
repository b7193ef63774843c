//! The certificates that are served. A handshake asks for one by the name its client wants; files that have changed are read again,
//! and one that cannot be used leaves the one before it in place.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::{self, Certificate, Unusable};
use crate::config::tls::Pair;

/// Certificates, and the files they come from.
#[derive(Debug)]
pub struct Store {
    provider: Arc<CryptoProvider>,
    served: Mutex<Vec<Served>>,
    names: ArcSwap<Names>,
}

/// One of them.
#[derive(Debug)]
struct Served {
    pair: Pair,
    certificate: Certificate,
    /// What was in its files when they were last looked at, usable or not: each content is tried once.
    seen: u64,
}

/// What became of files that had changed.
pub struct Change {
    /// Which they are.
    pub pair: Pair,
    /// What is served from now on, or why nothing has changed.
    pub result: Result<Certificate, Unusable>,
}

impl Store {
    /// Reads all of them; the first is for clients that name nobody, or somebody unknown.
    pub fn open(pairs: &[Pair], provider: Arc<CryptoProvider>) -> Result<Self, Unusable> {
        let served: Vec<Served> =
            pairs.iter().map(|pair| Served::read(pair, &provider)).collect::<Result<_, _>>()?;
        if let Some(later) = served.iter().skip(1).find(|later| later.certificate.names.is_empty()) {
            let message = "no DNS name in it, so no client could ask for it; put it first or take it out";
            return Err(Unusable::new(&later.pair.certificate, message));
        }
        let names = ArcSwap::from_pointee(Names::of(&served));
        Ok(Self { provider, served: Mutex::new(served), names })
    }

    /// The certificates in use, with their files.
    pub fn certificates(&self) -> Vec<(Pair, Certificate)> {
        self.lock().iter().map(|served| (served.pair.clone(), served.certificate.clone())).collect()
    }

    /// Reads what has changed. What is expired at `now` is not taken.
    pub fn refresh(&self, now: i64) -> Vec<Change> {
        let mut served = self.lock();
        let changes: Vec<Change> =
            served.iter_mut().filter_map(|served| served.refresh(&self.provider, now)).collect();
        if changes.iter().any(|change| change.result.is_ok()) {
            self.names.store(Arc::new(Names::of(&served)));
        }
        changes
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Store {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.names.load().choose(hello.server_name())
    }
}

impl Served {
    fn read(pair: &Pair, provider: &CryptoProvider) -> Result<Self, Unusable> {
        let files = certificate::read(pair)?;
        let certificate = certificate::parse(pair, &files, provider)?;
        Ok(Self { pair: pair.clone(), certificate, seen: fingerprint(&Ok(files)) })
    }

    fn refresh(&mut self, provider: &CryptoProvider, now: i64) -> Option<Change> {
        let files = certificate::read(&self.pair);
        let seen = fingerprint(&files);
        if seen == self.seen {
            return None;
        }
        self.seen = seen;
        let fresh = files.and_then(|files| certificate::parse(&self.pair, &files, provider));
        let result = fresh.and_then(|fresh| unexpired(&self.pair, fresh, now));
        if let Ok(certificate) = &result {
            self.certificate = certificate.clone();
        }
        Some(Change { pair: self.pair.clone(), result })
    }
}

/// Refuses what nobody would accept.
pub fn unexpired(pair: &Pair, certificate: Certificate, now: i64) -> Result<Certificate, Unusable> {
    if certificate.expires_at > now {
        return Ok(certificate);
    }
    let ended = jiff::Timestamp::from_second(certificate.expires_at).unwrap_or_default();
    Err(Unusable::new(&pair.certificate, format!("it expired at {ended}; have it renewed")))
}

fn fingerprint(files: &Result<certificate::Files, Unusable>) -> u64 {
    let mut hasher = DefaultHasher::new();
    files.as_ref().map_err(ToString::to_string).hash(&mut hasher);
    hasher.finish()
}

/// Who is asked for by which name.
#[derive(Debug, Default)]
struct Names {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// Without the star and its dot.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
}

impl Names {
    /// Of two for the same name the first one counts.
    fn of(served: &[Served]) -> Self {
        let mut names = Self::default();
        for certificate in served.iter().map(|served| &served.certificate) {
            names.default.get_or_insert_with(|| certificate.key.clone());
            for name in &certificate.names {
                let (map, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut names.wildcard, parent),
                    None => (&mut names.exact, name.as_str()),
                };
                map.entry(name.to_owned()).or_insert_with(|| certificate.key.clone());
            }
        }
        names
    }

    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let known = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let parent = name.split_once('.').map_or("", |(_, parent)| parent);
            self.exact.get(&name).or_else(|| self.wildcard.get(parent)).cloned()
        });
        known.or_else(|| self.default.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::certificate::tests::{made_for, pair};
    use super::*;

    fn provider() -> Arc<CryptoProvider> {
        Arc::new(rustls::crypto::ring::default_provider())
    }

    fn served(names: &[&str]) -> Served {
        let (certificate, key) = made_for(names);
        let directory = std::env::temp_dir().join(format!("certificates-{:x}", rand::random::<u64>()));
        std::fs::create_dir_all(&directory).expect("directory");
        let pair = Pair { certificate: directory.join("cert.pem"), key: directory.join("key.pem") };
        std::fs::write(&pair.certificate, certificate).expect("written");
        std::fs::write(&pair.key, key).expect("written");
        let served = Served::read(&pair, &provider()).expect("usable");
        std::fs::remove_dir_all(&directory).expect("removed");
        served
    }

    #[test]
    fn a_name_finds_its_own_then_a_star_then_the_first() {
        let served =
            [served(&["first.example"]), served(&["*.b.example", "b.example"]), served(&["a.b.example"])];
        let names = Names::of(&served);
        let chosen = |name| {
            let key = names.choose(name).expect("there is always one");
            served.iter().position(|served| Arc::ptr_eq(&served.certificate.key, &key))
        };
        let cases = [
            (None, 0),
            (Some("nobody.example"), 0),
            (Some("first.example"), 0),
            (Some("b.example"), 1),
            (Some("x.b.example"), 1),
            (Some("X.B.Example"), 1),
            (Some("y.x.b.example"), 0),
            (Some("a.b.example"), 2),
            (Some("example"), 0),
        ];
        for (name, index) in cases {
            assert_eq!(chosen(name), Some(index), "{name:?}");
        }
    }

    #[test]
    fn what_is_expired_is_not_taken() {
        let certificate = served(&["a.example"]).certificate;
        let end = certificate.expires_at;
        assert!(unexpired(&pair(), certificate.clone(), end - 1).is_ok());
        let error = unexpired(&pair(), certificate, end).expect_err("expired").to_string();
        assert!(error.starts_with("cert.pem: it expired at "), "{error}");
    }
}
