//! TLS at the public listener: which certificate is shown, how it is renewed, and what is different inside.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{
    ALL_VERSIONS, ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::ring, version,
};

use crate::rig::{Rig, config, directory, free_address};
use crate::upstream::Upstream;

/// A certificate in two files, which go when it does.
pub(crate) struct Made {
    directory: PathBuf,
    pub(crate) der: CertificateDer<'static>,
}

impl Made {
    pub(crate) fn new(names: &[&str]) -> Self {
        let directory = directory();
        let der = write(&directory, names, |_| {});
        Self { directory, der }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Puts another one for these names in its place.
    fn renew(&mut self, names: &[&str]) {
        self.der = write(&self.directory, names, |_| {});
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // What is left behind is small.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn write(
    directory: &std::path::Path,
    names: &[&str],
    adjust: impl FnOnce(&mut rcgen::CertificateParams),
) -> CertificateDer<'static> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = rcgen::CertificateParams::new(names).expect("names");
    adjust(&mut parameters);
    let key = rcgen::KeyPair::generate().expect("key");
    let certificate = parameters.self_signed(&key).expect("signed");
    std::fs::write(directory.join("key.pem"), key.serialize_pem()).expect("written");
    std::fs::write(directory.join("cert.pem"), certificate.pem()).expect("written");
    certificate.der().clone()
}

/// The part of a configuration that shows these.
pub(crate) fn shows(certificates: &[&Made]) -> String {
    let pairs = certificates.iter().map(|made| {
        let (certificate, key) = (made.file("cert.pem"), made.file("key.pem"));
        let (certificate, key) = (certificate.display(), key.display());
        format!("[[tls.certificates]]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n")
    });
    pairs.collect()
}

/// A balancer that speaks TLS too, and where.
pub(crate) async fn start(config: &str, certificates: &[&Made]) -> (Rig, SocketAddr) {
    let address = free_address();
    let config = format!("{config}{}", shows(certificates));
    let rig = Rig::start_with(&config, &[("MARQUEE_BALANCER__LISTEN__TLS", address.to_string())]).await;
    rig.until("the TLS listener is open", || async { TcpStream::connect(address).await.is_ok() }).await;
    (rig, address)
}

/// What a client brings to a handshake.
pub(crate) struct Client<'a> {
    pub(crate) trusts: &'a Made,
    pub(crate) name: &'a str,
    pub(crate) protocols: &'a [&'a str],
    pub(crate) versions: &'a [&'static SupportedProtocolVersion],
}

impl<'a> Client<'a> {
    pub(crate) fn new(trusts: &'a Made, name: &'a str) -> Self {
        Self { trusts, name, protocols: &[], versions: ALL_VERSIONS }
    }

    pub(crate) async fn over(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.trusts.der.clone()).expect("a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(self.versions)
            .expect("versions");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = self.protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(self.name.to_owned()).expect("name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        self.over(TcpStream::connect(address).await.expect("connect")).await
    }
}

/// Asks once and reads to the end.
pub(crate) async fn ask(stream: &mut TlsStream<TcpStream>, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: seats.example\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    answer
}

#[tokio::test]
async fn each_client_is_shown_the_certificate_it_asks_for() {
    let up = Upstream::start("a").await;
    let [first, star, own] =
        [&["localhost"][..], &["*.seats.example"], &["box.seats.example"]].map(Made::new);
    let (rig, address) = start(&config(&[&up]), &[&first, &star, &own]).await;
    let cases = [
        ("localhost", &first),
        ("a.seats.example", &star),
        ("box.seats.example", &own),
        ("127.0.0.1", &first),
    ];
    for versions in [&[&version::TLS12][..], &[&version::TLS13]] {
        for (name, shown) in cases {
            let client = Client { versions, ..Client::new(shown, name) };
            // A client that wants an address names nobody, and will not have the one for localhost.
            let Ok(mut stream) = client.connect(address).await else {
                assert_eq!(name, "127.0.0.1");
                continue;
            };
            let presented = stream.get_ref().1.peer_certificates().expect("shown")[0].clone();
            assert_eq!(presented, shown.der, "{name}");
            assert!(ask(&mut stream, "/x").await.starts_with("HTTP/1.1 200"), "{name}");
        }
    }
    // Somebody unknown is shown the first one, and it is up to the client to refuse it.
    assert!(Client::new(&first, "unknown.example").connect(address).await.is_err());
    rig.until_metric("marquee_balancer_tls_handshakes_total{result=\"ok\"}", 6).await;
}

#[tokio::test]
async fn what_comes_by_tls_is_known_to_everybody() {
    let up = Upstream::start("a").await;
    let made = Made::new(&["seats.example"]);
    let config = config(&[&up]).replace("[edge]", "[edge]\nhsts_seconds = 86400");
    let (rig, address) = start(&config, &[&made]).await;
    let mut stream = Client::new(&made, "seats.example").connect(address).await.expect("handshake");
    let answer = ask(&mut stream, "/x").await.to_lowercase();
    assert!(answer.contains("strict-transport-security: max-age=86400\r\n"), "{answer}");
    assert!(answer.contains("set-cookie: affinity=") && answer.contains("; secure\r\n"), "{answer}");
    assert_eq!(up.seen()[0].header("x-forwarded-proto"), "https");

    let plain = rig.get("/x").await;
    assert_eq!(plain.header("strict-transport-security"), "");
    assert!(!plain.header("set-cookie").contains("Secure"), "{plain:?}");
    assert_eq!(up.seen()[1].header("x-forwarded-proto"), "http");
}

#[tokio::test]
async fn a_socket_is_opened_by_tls_too() {
    let up = Upstream::start("a").await;
    let made = Made::new(&["seats.example"]);
    let (_rig, address) = start(&config(&[&up]), &[&made]).await;
    let client = Client { protocols: &["http/1.1"], ..Client::new(&made, "seats.example") };
    let stream = client.connect(address).await.expect("handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let (mut socket, _) =
        tokio_tungstenite::client_async("ws://seats.example/socket", stream).await.expect("upgraded");
    for text in ["a", "one", "two"] {
        let heard = socket.next().await.expect("open").expect("a frame").into_text().expect("text");
        assert_eq!(heard, text);
        socket.send(if text == "a" { "one" } else { "two" }.into()).await.expect("sent");
    }
}

fn reloads(result: &str) -> String {
    format!("marquee_balancer_certificate_reloads_total{{result=\"{result}\"}}")
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_a_bad_one_is_not() {
    let up = Upstream::start("a").await;
    let mut made = Made::new(&["seats.example"]);
    let (rig, address) = start(&config(&[&up]), &[&made]).await;
    let expiry = format!(
        "marquee_balancer_certificate_expiry_timestamp_seconds{{certificate=\"{}\"}}",
        made.file("cert.pem").display()
    );
    rig.until("its end is told", || async { rig.metric(&expiry).await > 2_000_000_000 }).await;

    let before = made.der.clone();
    made.renew(&["seats.example"]);
    assert_ne!(before, made.der);
    // Between the two files they may have been looked at too, and not been taken.
    rig.until("it is read", || async { rig.metric(&reloads("ok")).await == 1 }).await;
    let refused = rig.metric(&reloads("refused")).await;
    assert!(Client::new(&made, "seats.example").connect(address).await.is_ok(), "the new one is not shown");

    std::fs::write(made.file("cert.pem"), "nothing").expect("written");
    rig.signal("HUP");
    rig.until("it is refused", || async { rig.metric(&reloads("refused")).await > refused }).await;
    assert!(Client::new(&made, "seats.example").connect(address).await.is_ok(), "the good one is gone");
    rig.until("it is said why", || async { rig.stderr().contains("cert.pem: no certificate in it") }).await;

    write(&made.directory, &["seats.example"], |parameters| {
        parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    rig.until("an expired one was looked at", || async { rig.stderr().contains("it expired at 2020") }).await;
    assert!(Client::new(&made, "seats.example").connect(address).await.is_ok(), "the good one is gone");
}

#[tokio::test]
async fn a_new_process_takes_its_listener_over_too() {
    let up = Upstream::start("a").await;
    let made = Made::new(&["seats.example"]);
    let (mut rig, address) = start(&config(&[&up]), &[&made]).await;
    let listen = format!("[listen]\ntls = \"{address}\"");
    rig.write("next.toml", |config| config.replace("[listen]", &listen));
    let successor = rig.successor("next.toml");
    rig.until("the new one serves", || async { successor.serves() }).await;
    assert_eq!(rig.exit_code().await, Some(0), "{}", rig.stderr());
    let mut stream = Client::new(&made, "seats.example").connect(address).await.expect("handshake");
    assert!(ask(&mut stream, "/x").await.starts_with("HTTP/1.1 200"), "{}", successor.said());
}

#[tokio::test]
async fn who_does_not_finish_a_handshake_is_let_go() {
    let up = Upstream::start("a").await;
    let made = Made::new(&["seats.example"]);
    let (rig, address) =
        start(&config(&[&up]).replace("[edge]", "[tls]\nhandshake_seconds = 1\n[edge]"), &[&made]).await;
    let mut silent = TcpStream::connect(address).await.expect("connect");
    let mut plain = TcpStream::connect(address).await.expect("connect");
    plain.write_all(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    for stream in [&mut silent, &mut plain] {
        let mut rest = Vec::new();
        // An end or a reset, after an alert at most.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.len() < 16 && !rest.starts_with(b"HTTP"), "{rest:?}");
    }
    let counted = |result| format!("marquee_balancer_tls_handshakes_total{{result=\"{result}\"}}");
    rig.until_metric(&counted("timeout"), 1).await;
    rig.until("the other is counted", || async { rig.metric(&counted("failed")).await >= 1 }).await;
    assert!(up.seen().is_empty());
}
