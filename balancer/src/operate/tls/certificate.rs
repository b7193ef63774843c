//! A certificate and its key, from two PEM files to what a handshake needs. What cannot be used is said with the file, why, and the
//! way out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::config::tls::Pair;

/// What two files hold.
#[derive(Debug, Hash)]
pub struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// One that can be served.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// What a handshake needs.
    pub key: Arc<CertifiedKey>,
    /// The names it is for, in lower case; one that begins with `*.` is for any one label there.
    pub names: Vec<String>,
    /// When it ends, in seconds since 1970.
    pub expires_at: i64,
}

/// Why two files are of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", file.display())]
pub struct Unusable {
    /// The file at fault.
    pub file: PathBuf,
    message: String,
}

impl Unusable {
    pub(super) fn new(file: &Path, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), message: message.into() }
    }
}

/// Reads both files.
pub fn read(pair: &Pair) -> Result<Files, Unusable> {
    let contents = |file: &Path| {
        std::fs::read(file)
            .map_err(|error| Unusable::new(file, format!("{error}; name a PEM file that can be read")))
    };
    Ok(Files { certificate: contents(&pair.certificate)?, key: contents(&pair.key)? })
}

/// Makes one certificate of them.
pub fn parse(pair: &Pair, files: &Files, provider: &CryptoProvider) -> Result<Certificate, Unusable> {
    let chain = chain(&pair.certificate, &files.certificate)?;
    let (names, expires_at) = describe(&pair.certificate, &chain[0])?;
    let key = PrivateKeyDer::from_pem_slice(&files.key).map_err(|_| {
        Unusable::new(&pair.key, "no private key in it; it needs a PEM block such as BEGIN PRIVATE KEY")
    })?;
    let key = provider.key_provider.load_private_key(key).map_err(|_| {
        Unusable::new(&pair.key, "a kind of key that is not known; use ECDSA P-256 or P-384, Ed25519 or RSA")
    })?;
    let key = CertifiedKey::new(chain, key);
    match key.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(Certificate { key: Arc::new(key), names, expires_at })
        }
        Err(_) => Err(Unusable::new(
            &pair.key,
            format!(
                "not the key of {}; put the certificate's own key there, and the certificate before its issuers",
                pair.certificate.display()
            ),
        )),
    }
}

fn chain(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| Unusable::new(file, format!("not PEM: {error}; write it again")))?;
    if chain.is_empty() {
        return Err(Unusable::new(file, "no certificate in it; it needs a PEM block BEGIN CERTIFICATE"));
    }
    Ok(chain)
}

/// Names and end of a certificate.
fn describe(file: &Path, certificate: &CertificateDer<'_>) -> Result<(Vec<String>, i64), Unusable> {
    let wrong = |error: String| Unusable::new(file, format!("not a certificate: {error}; write it again"));
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| wrong(error.to_string()))?;
    let alternatives = parsed.subject_alternative_name().map_err(|error| wrong(error.to_string()))?;
    let names = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    Ok((names.collect(), parsed.validity().not_after.timestamp()))
}

#[cfg(test)]
pub(super) mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// A certificate for these names, and its key, both as PEM.
    pub(crate) fn made_for(names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("key");
        let certificate = CertificateParams::new(names).expect("names").self_signed(&key).expect("signed");
        (certificate.pem(), key.serialize_pem())
    }

    pub(crate) fn pair() -> Pair {
        Pair { certificate: "cert.pem".into(), key: "key.pem".into() }
    }

    fn parsed(certificate: &str, key: &str) -> Result<Certificate, Unusable> {
        let files = Files { certificate: certificate.into(), key: key.into() };
        parse(&pair(), &files, &rustls::crypto::ring::default_provider())
    }

    #[test]
    fn a_pair_tells_its_names_and_its_end() {
        let (certificate, key) = made_for(&["Seats.example", "*.seats.example"]);
        let parsed = parsed(&certificate, &key).expect("usable");
        assert_eq!(parsed.names, ["seats.example", "*.seats.example"]);
        assert!(parsed.expires_at > 2_000_000_000);
    }

    #[test]
    fn what_cannot_be_used_names_the_file_and_the_way_out() {
        let ((certificate, key), (_, other)) = (made_for(&["a.example"]), made_for(&["b.example"]));
        let cut = &certificate[..certificate.len() / 2];
        let cases = [
            (key.as_str(), key.as_str(), "cert.pem: no certificate in it", "BEGIN CERTIFICATE"),
            (cut, &key, "cert.pem: ", "PEM"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                &key,
                "cert.pem: not a cert",
                "again",
            ),
            (&certificate, &certificate, "key.pem: no private key in it", "BEGIN PRIVATE KEY"),
            (
                &certificate,
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "key.pem: a kind",
                "ECDSA",
            ),
            (&certificate, &other, "key.pem: not the key of cert.pem", "own key"),
        ];
        for (certificate, key, what, way_out) in cases {
            let error = parsed(certificate, key).expect_err(what).to_string();
            assert!(error.starts_with(what) && error.contains(way_out), "{error}");
        }
        let missing = read(&Pair { certificate: "/nowhere/cert.pem".into(), key: "/nowhere/key.pem".into() });
        let error = missing.expect_err("there is no such file").to_string();
        assert!(error.starts_with("/nowhere/cert.pem: No such file"), "{error}");
    }
}
