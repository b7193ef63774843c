//! Framing that could be read in two ways, and limits.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::{Answer, Rig, config};
use crate::upstream::Upstream;

async fn start() -> (Upstream, Rig) {
    let up = Upstream::start("a").await;
    let rig =
        Rig::start(&config(&[&up]).replace("[edge]", "[edge]\nbody_bytes_max = 1000\nheader_seconds = 1"))
            .await;
    (up, rig)
}

#[tokio::test]
async fn ambiguous_framing_is_400_and_reaches_nobody() {
    let (up, rig) = start().await;
    let heads = [
        "content-length: 3\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\nContent-Length: 3",
        "transfer-encoding: chunked\r\ncontent-length: 3\r\nconnection: content-length",
        "content-length: 3\r\ncontent-length: 4",
        "content-length: 3, 4",
        "content-length: +3",
        "content-length: -1",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "host: y",
        "bad name: x",
    ];
    for head in heads {
        let answer = rig.raw(&format!("POST /x HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n0\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{head}: {answer}");
    }
    assert!(up.seen().is_empty(), "{:?}", up.seen());
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13";
    let answer = rig
        .raw(&format!("GET /socket HTTP/1.1\r\nhost: x\r\n{upgrade}\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 400"), "an upgrade skipped the check: {answer}");
}

#[tokio::test]
async fn a_smuggled_request_is_not_a_second_request() {
    let (up, rig) = start().await;
    let smuggled = "GET /internal/x HTTP/1.1\r\nhost: x\r\n\r\n";
    let request = format!(
        "POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{smuggled}",
        smuggled.len()
    );
    assert!(rig.raw(&request).await.starts_with("HTTP/1.1 200"));
    let seen = up.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].body, smuggled);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_announced_or_not() {
    let (up, rig) = start().await;
    let large = "x".repeat(1_001);
    let answer = Answer::of(rig.client.post(rig.url("/echo")).body(large.clone())).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.problem()["code"], "body_too_large");
    assert!(up.seen().is_empty(), "it was announced, so nobody had to hear of it");

    let chunked = "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = rig.raw(&format!("{chunked}{:x}\r\n{large}\r\n0\r\n\r\n", large.len())).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("body_too_large"), "{answer}");

    let fits = "x".repeat(1_000);
    assert_eq!(Answer::of(rig.client.post(rig.url("/echo")).body(fits.clone())).await.body, fits);
}

#[tokio::test]
async fn a_route_may_have_its_own_body_limit() {
    let up = Upstream::start("a").await;
    let route = "[[routes]]\nmatch = \"/upload\"\npool = \"main\"\nbody_bytes_max = 200000\n";
    let rig = Rig::start(&format!("{}{route}", config(&[&up]))).await;
    let large = "x".repeat(200_000);
    assert_eq!(Answer::of(rig.client.post(rig.url("/upload")).body(large.clone())).await.status, 200);
    assert_eq!(Answer::of(rig.client.post(rig.url("/x")).body(large)).await.status, 413);
    assert_eq!(up.seen()[0].body.len(), 200_000);
}

#[tokio::test]
async fn too_large_a_header_is_431() {
    let (up, rig) = start().await;
    let answer = rig.get_with("/x", "x-large", &"x".repeat(20_000)).await;
    assert_eq!(answer.status, 431);
    assert_eq!(answer.problem()["code"], "headers_too_large");
    let fields = "x-field: y\r\n".repeat(100);
    let answer = rig.raw(&format!("GET /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{fields}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(up.seen().is_empty());
}

#[tokio::test]
async fn a_header_that_drips_is_cut_off_at_its_deadline() {
    let (up, rig) = start().await;
    let mut stream = TcpStream::connect(rig.public).await.expect("connect");
    stream.write_all(b"GET /x HTTP/1.1\r\nhost: x\r\nx-drip: ").await.expect("sent");
    let (mut read, mut write) = stream.split();
    // Each byte starts Pingora's own timeout again; only a deadline on the whole ends this.
    let drip = async {
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let mut rest = Vec::new();
    tokio::select! {
        () = drip => {}
        // An end or a reset: either way the balancer let go.
        _ = read.read_to_end(&mut rest) => {}
        () = tokio::time::sleep(std::time::Duration::from_secs(15)) => panic!("the header could drip for ever"),
    }
    assert!(up.seen().is_empty());
}

#[tokio::test]
async fn connections_are_kept_between_requests() {
    let (_up, rig) = start().await;
    let mut stream = TcpStream::connect(rig.public).await.expect("connect");
    for _ in 0..3 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
        let mut some = [0; 1024];
        let length = stream.read(&mut some).await.expect("read");
        assert!(some[..length].starts_with(b"HTTP/1.1 200"));
    }
}

/// The second request arrives while the first one is being answered, or together with it.
#[tokio::test]
async fn requests_that_do_not_wait_are_answered_in_their_order() {
    let (up, rig) = start().await;
    let last = "GET /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(rig.public).await.expect("connect");
    let first = "POST /one/slow HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx";
    stream.write_all(first.as_bytes()).await.expect("sent");
    rig.until("the first is being answered", || async { !up.seen().is_empty() }).await;
    let more = format!("GET /two HTTP/1.1\r\nhost: x\r\n\r\n{last}");
    stream.write_all(more.as_bytes()).await.expect("sent");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.expect("read");
    let paths: Vec<_> = up.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/one/slow", "/two", "/last"]);
    let at = |text| answers.find(text).unwrap_or_else(|| panic!("no {text} in {answers}"));
    assert!(at("a /one/slow 1") < at("a /two 2") && at("a /two 2") < at("a /last 3"), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 3);
}

#[tokio::test]
async fn what_is_never_routed_is_not_behind_another_request_either() {
    let (up, rig) = start().await;
    let hidden = "GET /internal/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answers = rig.raw(&format!("GET /x HTTP/1.1\r\nhost: x\r\n\r\n{hidden}")).await;
    assert!(answers.contains("HTTP/1.1 200") && answers.contains("HTTP/1.1 404"), "{answers}");
    assert_eq!(up.seen().len(), 1);
}

#[tokio::test]
async fn a_body_that_stops_coming_is_408() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up]).replace("[edge]", "[edge]\nbody_idle_seconds = 1")).await;
    let answer = rig.raw("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf").await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{answer}");
}

#[tokio::test]
async fn lines_that_can_be_read_in_two_ways_are_400() {
    let (up, rig) = start().await;
    let heads = [
        "GET /x HTTP/1.1\nhost: x\n\n",
        "GET /x HTTP/1.1\r\nhost: x\nx-a: b\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: x\r\nx-a: b\r\n c\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: x\r\nx-a: b\r\n\tc: d\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: x\r\nx-a : b\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost : x\r\n\r\n",
        "GET /x HTTP/1.1\r\n host: x\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: x\r\nx-a: b\rc: d\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: x\r\nx-a: b\0c\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: x\r\n: nameless\r\n\r\n",
        "GET /x HTTP/1.1\r\n\r\n",
        "GET  /x HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /x HTTP/1.1 \r\nhost: x\r\n\r\n",
        "GET /x HTTP/2.0\r\nhost: x\r\n\r\n",
        "POST /x HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    for head in heads {
        let answer = rig.raw(head).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{head:?}: {answer}");
    }
    assert!(up.seen().is_empty(), "{:?}", up.seen());
}

/// Somebody in front who sees the end of a chunked body later than we do takes what follows for its rest.
#[tokio::test]
async fn nothing_is_read_behind_a_chunked_body() {
    let (up, rig) = start().await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in ["3\r\nabc\r\n0\r\n\r\n", "3;a\nb\r\nabc\r\n0\r\n\r\n", "\r\n\r\n"] {
        let answer = rig.raw(&format!("{head}{body}{smuggled}")).await;
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{body:?}: {answer}");
        let answer = answer.to_lowercase();
        assert!(!answer.starts_with("http/1.1 200") || answer.contains("connection: close\r\n"), "{answer}");
    }
    assert!(up.seen().iter().all(|seen| seen.path == "/echo"), "{:?}", up.seen());
}

/// A chunked body is taken apart and put together again, so what is unclear in it must not get through as something else.
#[tokio::test]
async fn chunks_that_can_be_read_in_two_ways_are_refused() {
    let (up, rig) = start().await;
    let post = |body: &str| {
        let head =
            "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
        format!("{head}{body}")
    };
    let unclear = [
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "g\r\nabc\r\n0\r\n\r\n",
    ];
    for body in unclear {
        let answer = rig.raw(&post(body)).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{body:?}: {answer}");
    }
    // Extensions are for this hop alone, and so are trailers.
    let answer = rig.raw(&post("3;a=b\r\nabc\r\n0\r\nx-trailer: 1\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let bodies: Vec<_> =
        up.seen().into_iter().map(|seen| seen.body).filter(|body| !body.is_empty()).collect();
    assert_eq!(bodies, ["abc"]);
}

#[tokio::test]
async fn too_long_a_target_is_414() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up]).replace("[edge]", "[edge]\nuri_bytes_max = 100")).await;
    for long in [format!("/{}", "x".repeat(100)), format!("/?{}", "x".repeat(99))] {
        let answer = rig.get(&long).await;
        assert_eq!(answer.status, 414);
        assert_eq!(answer.problem()["code"], "uri_too_long");
    }
    assert!(up.seen().is_empty());
    assert_eq!(rig.get(&format!("/{}", "x".repeat(99))).await.status, 200);
}

#[tokio::test]
async fn what_concerns_one_hop_stays_on_it() {
    let (up, rig) = start().await;
    let request = "GET /hop HTTP/1.1\r\nhost: x\r\nconnection: close, x-private\r\nx-private: 1\r\nkeep-alive: timeout=5\r\n\
                   proxy-connection: keep-alive\r\nproxy-authorization: basic x\r\nte: trailers\r\ntrailer: x-sum\r\n\
                   forwarded: for=9.9.9.9\r\nx-forwarded-for: 9.9.9.9\r\nx-forwarded-proto: https\r\nx-forwarded-host: evil\r\n\
                   x-forwarded-port: 1\r\nx-real-ip: 9.9.9.9\r\nx-request-id: mine\r\nx-public: 1\r\n\r\n";
    let answer = rig.raw(request).await.to_lowercase();
    assert!(answer.contains("\r\nx-public: 1\r\n"), "{answer}");
    for name in ["x-private", "keep-alive", "trailer"] {
        assert!(!answer.contains(&format!("\r\n{name}: ")), "{name} came back: {answer}");
    }
    let seen = &up.seen()[0];
    for gone in [
        "x-private",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "trailer",
        "forwarded",
        "x-real-ip",
        "x-forwarded-port",
    ] {
        assert_eq!(seen.header(gone), "", "{gone} went on");
    }
    let ours = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "x")];
    for (name, value) in ours {
        assert_eq!(seen.header(name), value, "{name}");
    }
    assert_eq!(seen.header("x-public"), "1");
    assert_ne!(seen.header("x-request-id"), "mine");
}

#[tokio::test]
async fn browsers_are_told_to_be_careful_unless_the_service_has() {
    let (_up, rig) = start().await;
    let names = ["x-content-type-options", "referrer-policy", "x-frame-options"];
    let told = |answer: &Answer| names.map(|name| answer.header(name).to_owned());
    assert_eq!(told(&rig.get("/x").await), ["nosniff", "strict-origin-when-cross-origin", "SAMEORIGIN"]);
    assert_eq!(told(&rig.get("/careful").await), ["nosniff", "no-referrer", ""]);
    assert_eq!(rig.get("/internal/x").await.header("x-content-type-options"), "nosniff");

    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up]).replace("[edge]", "[edge]\nsecurity_headers = false")).await;
    assert_eq!(told(&rig.get("/x").await), ["", "", ""]);
}
