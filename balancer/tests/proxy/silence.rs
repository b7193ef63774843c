//! How long an endpoint may be silent: before its answer, and inside of it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::rig::{Rig, config};
use crate::upstream::{LARGE_BYTES, Upstream};

/// Longer than the short one of two times, far shorter than the long one.
const PAUSE: Duration = Duration::from_millis(800);
const FIRST_BYTE_SHORT: &str = "first_byte_ms = 200\nanswer_idle_ms = 60000";
const ANSWER_IDLE_SHORT: &str = "first_byte_ms = 60000\nanswer_idle_ms = 200";

/// One connection's requests, answered with pauses by their paths.
async fn answer(mut stream: TcpStream) -> Option<()> {
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalfhalf";
    let (half, rest) = whole.split_at(whole.len() - 4);
    let mut request = vec![0; 4 * 1024];
    loop {
        let read = stream.read(&mut request).await.ok().filter(|read| *read > 0)?;
        let line = String::from_utf8_lossy(&request[..read]).into_owned();
        let pieces = match line.split(' ').nth(1)? {
            "/begins-late" => ["", whole],
            "/pauses" => [half, rest],
            "/stalls" => [half, ""],
            "/stalls-without-length" => ["HTTP/1.1 200 OK\r\n\r\nhalf", ""],
            _ => [whole, ""],
        };
        stream.write_all(pieces[0].as_bytes()).await.ok()?;
        if !pieces[1].is_empty() {
            tokio::time::sleep(PAUSE).await;
            stream.write_all(pieces[1].as_bytes()).await.ok()?;
        }
    }
}

async fn endpoint() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

async fn with(times: &str) -> (Rig, Upstream) {
    let up = Upstream::start("a").await;
    let config = config(&[&up]).replace(&up.address.to_string(), &endpoint().await.to_string());
    (Rig::start(&config.replace("first_byte_ms = 2000", times)).await, up)
}

#[tokio::test]
async fn an_answer_must_begin_in_time_and_then_may_pause() {
    let (rig, _up) = with(FIRST_BYTE_SHORT).await;
    let late = rig.get("/begins-late").await;
    assert_eq!((late.status, &late.problem()["code"]), (504, &"upstream_timeout".into()));
    for _ in 0..3 {
        let paused = rig.get("/pauses").await;
        assert_eq!((paused.status, paused.body.as_str()), (200, "halfhalf"));
    }
}

#[tokio::test]
async fn an_answer_may_begin_late_and_then_must_go_on() {
    let (rig, _up) = with(ANSWER_IDLE_SHORT).await;
    for _ in 0..3 {
        let late = rig.get("/begins-late").await;
        assert_eq!((late.status, late.body.as_str()), (200, "halfhalf"));
    }
    let cut = rig.raw("GET /stalls HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(cut.starts_with("HTTP/1.1 200") && cut.ends_with("\r\n\r\nhalf"), "{cut}");
    rig.until("its line is written", || async { rig.access_log().len() == 4 }).await;
    let error = &rig.access_log()[3]["error"];
    assert!(error.as_str().is_some_and(|error| error.contains("said nothing for too long")), "{error}");
}

/// Its connection ends, as it does at the end of such an answer; and yet it is not one.
#[tokio::test]
async fn half_an_answer_without_a_length_does_not_pass_for_a_whole_one() {
    let (rig, _up) = with(ANSWER_IDLE_SHORT).await;
    let cut = rig.raw("GET /stalls-without-length HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(cut.ends_with("4\r\nhalf\r\n"), "the last chunk is there: {cut}");
}

#[tokio::test]
async fn a_route_has_its_own_times() {
    let (rig, _up) = with(ANSWER_IDLE_SHORT).await;
    assert!(rig.raw("GET /pauses HTTP/1.1\r\nhost: x\r\n\r\n").await.ends_with("half"));
    let text = |config: String| {
        let route = "\n[[routes]]\nmatch = \"/pauses\"\npool = \"main\"\n";
        format!("{config}{route}{}", ANSWER_IDLE_SHORT.replace("200", "60000"))
    };
    rig.write("balancer.toml", text);
    assert_eq!(
        rig.client.post(format!("http://{}/reload", rig.admin)).send().await.expect("sent").status(),
        200
    );
    assert_eq!(rig.get("/pauses").await.body, "halfhalf");
}

/// What its client does not take is no silence of the endpoint.
#[tokio::test]
async fn a_client_that_pauses_gets_all_of_it() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up]).replace("first_byte_ms = 2000", ANSWER_IDLE_SHORT)).await;
    let mut stream = TcpStream::connect(rig.public).await.expect("connect");
    let request = "GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    tokio::time::sleep(PAUSE).await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("read");
    assert!(answer.len() > LARGE_BYTES, "only {} bytes", answer.len());
}
