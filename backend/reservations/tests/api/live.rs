//! The live socket: snapshot first, then every step, on every instance, through every loss.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::live::ServerFrame;
use domain::status::SeatStatus;
use futures_util::{SinkExt, StreamExt};
use reservations::config::Config;
use serde_json::{Value, json};
use service::stream;
use testkit::client::Client;
use testkit::wait::until;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

use crate::world::{SHOW, World, hold, payment};

/// Far beyond anything expected: it only ends a failed test.
const PATIENCE: Duration = Duration::from_secs(30);

/// No epoch goes on, and a sequence tells of the first that was refused: it stays when the rest is rolled back.
const REFUSE_EPOCHS: &str = "
    CREATE SEQUENCE refused;
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM nextval('public.refused'); RAISE 'not now'; END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON reservations.epochs FOR EACH ROW EXECUTE FUNCTION refuse()";

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(world: &World, at: usize, query: &str, cookie: Option<&str>) -> Socket {
    let url = format!("ws://{}/api/live{query}", world.instance(at).address);
    let mut request = url.into_client_request().unwrap();
    if let Some(cookie) = cookie {
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
    }
    connect_async(request).await.unwrap().0
}

pub(crate) async fn watch(world: &World, at: usize) -> Socket {
    connect(world, at, &format!("?show={SHOW}"), None).await
}

/// The next frame of ours.
async fn next(socket: &mut Socket) -> ServerFrame {
    serde_json::from_str(&text(socket).await).unwrap()
}

async fn text(socket: &mut Socket) -> Utf8Bytes {
    loop {
        match socket.next().await.expect("the socket is open").unwrap() {
            Message::Text(text) => return text,
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) async fn snapshot(socket: &mut Socket) -> (u64, domain::live::Seats) {
    match next(socket).await {
        ServerFrame::Snapshot { version, seats, .. } => (version, seats),
        other => panic!("{other:?}"),
    }
}

/// Reads until the seat has a status, checking that versions only grow; returns the last version.
pub(crate) async fn sees(socket: &mut Socket, mut version: u64, seat: &str, wanted: SeatStatus) -> u64 {
    loop {
        let (new, seats) = match next(socket).await {
            ServerFrame::Seats { version, changes, .. } => (version, changes),
            ServerFrame::Snapshot { version, seats, .. } => (version, seats),
            _ => continue,
        };
        assert!(new > version, "{new} after {version}");
        version = new;
        let status = seats.iter().find(|(id, _)| id.as_str() == seat).map(|(_, status)| *status);
        if status == Some(wanted) {
            return version;
        }
    }
}

/// A visitor and the cookie the first answer gave.
async fn known(world: &World) -> (Client, String) {
    let client = world.visitor();
    let answer = client.get("/api/bookings").await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    (client, cookie)
}

#[tokio::test]
async fn a_watcher_on_another_instance_sees_every_step() {
    let world = World::start(2).await;
    let mut socket = watch(&world, 1).await;
    let (version, seats) = snapshot(&mut socket).await;
    assert!(seats.is_empty());
    let buyer = world.visitor_of(0);
    let held = hold(&buyer, &["A1"]).await;
    let version = sees(&mut socket, version, "A1", SeatStatus::Held).await;
    buyer.post_keyed(&format!("/api/holds/{held}/confirm"), "k", &payment("ok")).await;
    let version = sees(&mut socket, version, "A1", SeatStatus::Booked).await;
    let other = hold(&buyer, &["A2"]).await;
    let version = sees(&mut socket, version, "A2", SeatStatus::Held).await;
    buyer.delete(&format!("/api/holds/{other}")).await;
    sees(&mut socket, version, "A2", SeatStatus::Free).await;

    let mut late = watch(&world, 0).await;
    let (_, seats) = snapshot(&mut late).await;
    assert_eq!(json!(seats), json!({ "A1": "booked" }));
}

#[tokio::test]
async fn a_lapse_is_seen_by_all_and_told_to_its_buyer_only() {
    let world = World::with(2, |config| config.hold_seconds = 1).await;
    let (buyer, cookie) = known(&world).await;
    let mut own = connect(&world, 1, "", Some(&cookie)).await;
    let mut other = watch(&world, 0).await;
    let (version, _) = snapshot(&mut other).await;
    let held = hold(&buyer, &["A1"]).await;
    match next(&mut own).await {
        ServerFrame::HoldExpired { hold_id, seats, .. } => {
            assert_eq!((hold_id.as_str(), json!(seats)), (held.as_str(), json!(["A1"])));
        }
        frame => panic!("{frame:?}"),
    }
    sees(&mut other, version, "A1", SeatStatus::Free).await;
}

#[tokio::test]
async fn how_late_a_lapse_is_shown_is_measured_where_somebody_sees_it() {
    let shown = "marquee_reservations_expiry_shown_seconds_count";
    let mut world = World::start(1).await;
    world.add(Config { hold_seconds: 1, ..world.config() }).await;
    let mut socket = watch(&world, 0).await;
    let (version, _) = snapshot(&mut socket).await;
    let buyer = world.visitor_of(0);
    let given_back = hold(&buyer, &["A2"]).await;
    buyer.delete(&format!("/api/holds/{given_back}")).await;
    let version = sees(&mut socket, version, "A2", SeatStatus::Free).await;
    assert_eq!(world.counted(shown).await, 0, "what was given back did not lapse");

    hold(&world.visitor_of(1), &["A1"]).await;
    let version = sees(&mut socket, version, "A1", SeatStatus::Held).await;
    let frame: Value = serde_json::from_str(&text(&mut socket).await).unwrap();
    let free =
        json!({ "type": "seats", "show_id": SHOW, "version": version + 1, "changes": { "A1": "free" } });
    assert_eq!(frame, free, "deadlines are not for sockets");
    until("it to be measured", async || (world.counted(shown).await == 1).then_some(())).await;
    let metrics = world.visitor_of(0).get("/metrics").await.body.to_string();
    assert!(metrics.contains(&format!("{shown} 1\\n")), "it is measured where it is seen: {metrics}");
    assert!(
        metrics.contains(r#"marquee_reservations_expiry_shown_seconds_bucket{le=\"60\"} 1\n"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_lost_message_and_a_reloaded_mirror_are_repaired() {
    let world = World::start(1).await;
    let mut socket = watch(&world, 0).await;
    let (version, _) = snapshot(&mut socket).await;
    hold(&world.visitor(), &["A1"]).await;
    let version = sees(&mut socket, version, "A1", SeatStatus::Held).await;

    // A change whose message is lost, and nothing after it.
    let config = world.stores.redis();
    let mut redis = world.stores.redis_connection().await;
    let key = format!("{}:show:{{{SHOW}}}", config.prefix);
    let silent = "redis.call('HSET', KEYS[1], 's:B1', 'b:9:0:x') redis.call('HINCRBY', KEYS[1], 'v', 1)";
    let () = redis::Script::new(silent).key(&key).invoke_async(&mut redis).await.unwrap();
    let version = sees(&mut socket, version, "B1", SeatStatus::Booked).await;

    // The mirror vanishes; the picture is taken from Postgres in a later epoch.
    let () = redis::cmd("DEL").arg(&key).query_async(&mut redis).await.unwrap();
    sees(&mut socket, version, "A1", SeatStatus::Held).await;
}

#[tokio::test]
async fn without_redis_watchers_learn_from_postgres() {
    let world = World::with(2, |config| config.redis.url = "redis://127.0.0.1:1".into()).await;
    let mut socket = watch(&world, 1).await;
    let (version, _) = snapshot(&mut socket).await;
    hold(&world.visitor_of(0), &["A1"]).await;
    sees(&mut socket, version, "A1", SeatStatus::Held).await;
}

#[tokio::test]
async fn frames_are_followed_ignored_or_refused() {
    let world = World::start(1).await;
    let mut socket = connect(&world, 0, "", None).await;
    let mut say = async |text: &str| socket.send(Message::text(text)).await.unwrap();
    say(r#"{"type":"of_a_newer_protocol"}"#).await;
    say("not json").await;
    say(r#"{"type":"watch","show_id":"no_such_show"}"#).await;
    say(&json!({ "type": "watch", "show_id": SHOW }).to_string()).await;
    let code = |frame| match frame {
        ServerFrame::Error { code, .. } => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(next(&mut socket).await), "malformed_frame");
    assert_eq!(code(next(&mut socket).await), "show_not_found");
    snapshot(&mut socket).await;

    socket.send(Message::text(json!({ "type": "unwatch", "show_id": SHOW }).to_string())).await.unwrap();
    socket.send(Message::text("still there?")).await.unwrap();
    assert_eq!(code(next(&mut socket).await), "malformed_frame");
    until("the show to be forgotten", async || {
        let metrics = world.visitor().get("/metrics").await.body.to_string();
        metrics.contains("marquee_reservations_shows_watched 0").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_server_that_goes_away_says_so() {
    let world = World::start(1).await;
    let mut socket = watch(&world, 0).await;
    snapshot(&mut socket).await;
    world.instance(0).drain.stop();
    let close = loop {
        if let Message::Close(Some(frame)) = socket.next().await.expect("a close frame comes").unwrap() {
            break frame;
        }
    };
    assert_eq!(close.code, CloseCode::Restart);
}

#[tokio::test]
async fn all_are_told_when_the_server_goes_and_can_come_back_elsewhere() {
    let world = World::with(2, |config| config.live.drain_spread_ms = 7_000).await;
    let mut sockets = Vec::new();
    for _ in 0..50 {
        let mut socket = watch(&world, 0).await;
        snapshot(&mut socket).await;
        sockets.push(socket);
    }
    world.instance(0).drain.stop();
    for mut socket in sockets {
        let close = loop {
            if let Message::Close(frame) = socket.next().await.expect("a close frame comes").unwrap() {
                break frame.unwrap();
            }
        };
        assert_eq!(close.code, CloseCode::Restart);
    }
    let mut elsewhere = watch(&world, 1).await;
    snapshot(&mut elsewhere).await;
}

/// What the gate would publish, with so much in it that a client who does not read is soon full.
async fn publish_steps(world: &World, versions: std::ops::Range<u64>) {
    let config = world.stores.redis();
    let mut redis = world.stores.redis_connection().await;
    let channel = format!("{}:live:{SHOW}", config.prefix);
    let many: BTreeMap<_, _> = (0..4_000).map(|seat| (format!("Z{seat}"), "held")).collect();
    for version in versions {
        let step = json!({ "type": "seats", "show_id": SHOW, "version": version, "changes": many });
        let () =
            redis::cmd("PUBLISH").arg(&channel).arg(step.to_string()).query_async(&mut redis).await.unwrap();
    }
}

/// So many steps of one seat, published in one go.
async fn publish_burst(world: &World, versions: std::ops::Range<u64>) {
    let config = world.stores.redis();
    let mut redis = world.stores.redis_connection().await;
    let channel = format!("{}:live:{SHOW}", config.prefix);
    let mut burst = redis::pipe();
    for version in versions {
        let changes = json!({ "A1": if version % 2 == 0 { "held" } else { "free" } });
        let step = json!({ "type": "seats", "show_id": SHOW, "version": version, "changes": changes });
        burst.cmd("PUBLISH").arg(&channel).arg(step.to_string());
    }
    let _: Vec<i64> = burst.query_async(&mut redis).await.unwrap();
}

fn is_step(text: &str, version: u64) -> bool {
    // Keys are in the order of the alphabet.
    text.starts_with(r#"{"changes""#) && text.ends_with(&format!(r#""version":{version}}}"#))
}

/// Somebody was shown a step by another instance, which this one has not heard of yet; they come here.
#[tokio::test]
async fn nobody_is_shown_less_than_the_mirror_has() {
    let world = World::start(1).await;
    let mut early = watch(&world, 0).await;
    let (version, _) = snapshot(&mut early).await;
    let config = world.stores.redis();
    let mut redis = world.stores.redis_connection().await;
    let mirror = format!("{}:show:{{{SHOW}}}", config.prefix);
    let ahead: u64 =
        redis::cmd("HINCRBY").arg(&mirror).arg("v").arg(1).query_async(&mut redis).await.unwrap();
    assert_eq!(ahead, version + 1);
    let mut late = watch(&world, 0).await;
    assert_eq!(snapshot(&mut late).await.0, ahead);
}

/// A mirror that is gone may have counted further than we have heard.
#[tokio::test]
async fn nobody_is_shown_less_than_a_mirror_had_that_is_gone() {
    let world = World::start(1).await;
    let mut early = watch(&world, 0).await;
    snapshot(&mut early).await;
    let mirror = format!("{}:show:{{{SHOW}}}", world.stores.redis().prefix);
    let mut gone = redis::pipe();
    gone.atomic().hincr(&mirror, "v", 1).del(&mirror).ignore();
    let [ahead]: [u64; 1] = gone.query_async(&mut world.stores.redis_connection().await).await.unwrap();
    let mut late = watch(&world, 0).await;
    assert!(snapshot(&mut late).await.0 > ahead);
}

/// Redis did not say what it has, and Postgres let no picture begin that is above all it may have: the next one does.
#[tokio::test]
async fn who_came_while_no_picture_could_begin_is_shown_the_next() {
    let world = World::start(1).await;
    let mut early = watch(&world, 0).await;
    let (version, _) = snapshot(&mut early).await;
    let database = world.database().await;
    database.batch_execute(REFUSE_EPOCHS).await.unwrap();
    let mirror = format!("{}:show:{{{SHOW}}}", world.stores.redis().prefix);
    let (aside, mut redis) = (format!("{mirror}:aside"), world.stores.redis_connection().await);
    let mut spoiled = redis::pipe();
    // A type that no script can read stands for a Redis that refuses.
    spoiled.atomic().rename(&mirror, &aside).set(&mirror, "not a mirror");
    let () = spoiled.query_async(&mut redis).await.unwrap();
    let mut late = watch(&world, 0).await;
    until("an epoch to be refused", async || {
        let refused = database.query_one("SELECT is_called FROM refused", &[]).await.unwrap();
        refused.get::<_, bool>(0).then_some(())
    })
    .await;
    let () = redis::cmd("RENAME").arg(&aside).arg(&mirror).query_async(&mut redis).await.unwrap();
    database.batch_execute("DROP TRIGGER refuse ON reservations.epochs").await.unwrap();
    let shown = timeout(PATIENCE, snapshot(&mut late)).await.expect("somebody begins it");
    assert!(shown.0 > version);
}

#[tokio::test]
async fn whoever_comes_during_a_burst_sees_a_picture_and_each_later_step_once() {
    let world = World::start(1).await;
    let mut early = watch(&world, 0).await;
    let mut next_version = snapshot(&mut early).await.0 + 1;
    for _ in 0..20 {
        let burst = next_version..next_version + 100;
        next_version = burst.end;
        // Somebody arrives in the middle of it, most likely.
        let (mut late, ()) = tokio::join!(watch(&world, 0), publish_burst(&world, burst.clone()));
        let (seen, _) = snapshot(&mut late).await;
        for (socket, from) in [(&mut early, burst.start), (&mut late, seen + 1)] {
            for version in from..burst.end {
                let ServerFrame::Seats { version: step, .. } = next(socket).await else {
                    panic!("not a step")
                };
                assert_eq!(step, version);
            }
        }
    }
}

/// A watcher who reads nothing after its snapshot, and whose own buffers are small.
async fn lazy(world: &World) -> (WebSocketStream<TcpStream>, u64) {
    let address = world.instance(0).address;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let url = format!("ws://{address}/api/live?show={SHOW}");
    let (mut socket, _) = client_async(url, stream).await.unwrap();
    let version = loop {
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
        match serde_json::from_str(&text).unwrap() {
            ServerFrame::Snapshot { version, .. } => break version,
            other => panic!("{other:?}"),
        }
    };
    (socket, version)
}

#[tokio::test]
async fn a_slow_reader_is_cut_with_a_reason_and_comes_back_to_a_snapshot_while_others_miss_nothing() {
    let world = World::start(1).await;
    let mut brisk = watch(&world, 0).await;
    snapshot(&mut brisk).await;
    let (mut lazy, version) = lazy(&world).await;
    let steps = version + 1..version + 450;
    let expected = steps.clone();
    let reading = tokio::spawn(async move {
        for version in expected {
            assert!(is_step(&text(&mut brisk).await, version), "{version}");
        }
        brisk
    });
    publish_steps(&world, steps.clone()).await;
    until("the slow one to be cut", async || {
        let metrics = world.visitor().get("/metrics").await.body.to_string();
        metrics.contains("marquee_reservations_sockets_cut_total 1").then_some(())
    })
    .await;
    // What was on its way comes first, each frame whole.
    let mut texts = Vec::new();
    let close = loop {
        match lazy.next().await.expect("a close frame comes").unwrap() {
            Message::Text(text) => texts.push(text),
            Message::Close(close) => break close.unwrap(),
            _ => {}
        }
    };
    assert_eq!((close.code, close.reason.as_str()), (CloseCode::Again, "too slow"));
    for (text, version) in texts.iter().zip(steps.clone()) {
        assert!(is_step(text, version), "{version}");
    }
    assert!(texts.len() < 449, "not all of it");
    let still_there = reading.await.unwrap();
    let mut back = watch(&world, 0).await;
    assert_eq!(snapshot(&mut back).await.0, steps.end - 1);
    drop(still_there);
}

#[tokio::test]
async fn pages_of_others_are_refused_a_socket() {
    let partner = "https://partner.example";
    let world = World::with(1, |config| config.live.allowed_origins = vec![partner.to_owned()]).await;
    let address = world.instance(0).address;
    let attempt = async |origin: &str| {
        let mut request = format!("ws://{address}/api/live").into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        connect_async(request).await.map(|_| ())
    };
    for welcome in [&format!("http://{address}"), partner] {
        attempt(welcome).await.unwrap();
    }
    for other in ["https://evil.example", "null"] {
        match attempt(other).await.unwrap_err() {
            tungstenite::Error::Http(answer) => {
                assert_eq!(answer.status(), 403, "{other}");
                let body: Value = serde_json::from_slice(answer.body().as_ref().unwrap()).unwrap();
                assert_eq!(body["code"], "origin_not_allowed");
            }
            error => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn what_is_too_large_or_too_much_is_closed_with_its_reason() {
    let world = World::start(1).await;
    let closed = async |socket: &mut Socket| loop {
        if let Message::Close(frame) = socket.next().await.expect("a close frame comes").unwrap() {
            break frame.unwrap().code;
        }
    };
    let mut large = connect(&world, 0, "", None).await;
    large.send(Message::text("x".repeat(5_000))).await.unwrap();
    assert_eq!(closed(&mut large).await, CloseCode::Size);
    let mut eager = connect(&world, 0, "", None).await;
    for _ in 0..200 {
        // It may be closed before the last.
        drop(eager.send(Message::text(r#"{"type":"of_a_newer_protocol"}"#)).await);
    }
    assert_eq!(closed(&mut eager).await, CloseCode::Policy);
}

#[tokio::test]
async fn sockets_are_bounded() {
    let world = World::with(1, |config| config.sockets_max = 1).await;
    let mut first = watch(&world, 0).await;
    snapshot(&mut first).await;
    let url = format!("ws://{}/api/live", world.instance(0).address);
    let refused = connect_async(url).await.expect_err("the second is refused").to_string();
    assert!(refused.contains("503"), "{refused}");
}

/// A batch of the outbox whose answer was lost is added to the stream again.
#[tokio::test]
async fn an_event_that_is_in_the_stream_twice_is_told_once() {
    let world = World::start(1).await;
    let (buyer, cookie) = known(&world).await;
    let held = hold(&buyer, &["A1"]).await;
    let session: String = world
        .database()
        .await
        .query_one("SELECT session_id FROM reservations.holds WHERE id = $1", &[&held])
        .await
        .unwrap()
        .get(0);
    let mut socket = connect(&world, 0, "", Some(&cookie)).await;
    let config = world.stores.redis();
    let mut redis = world.stores.redis_connection().await;
    let stream = stream::key(&config.prefix, "reservations", stream::partition(SHOW));
    let mut add = async |number: i64, hold: &str| {
        let data = json!({ "hold_id": hold, "session_id": session, "seats": ["A1"], "entry_id": null });
        let event = json!({ "id": "reservations-1", "type": "HoldExpired", "version": 1, "show_id": SHOW,
            "at": "2026-01-01T00:00:00Z", "data": data });
        let mut add = redis::cmd("XADD");
        add.arg(&stream).arg("*").arg("type").arg("HoldExpired");
        add.arg("event").arg(event.to_string()).arg("number").arg(number);
        let () = add.query_async(&mut redis).await.unwrap();
    };
    // The first may come before the socket is known; then it is not ours to count.
    for (number, hold) in [(900, "one"), (900, "one"), (901, "two"), (900, "one"), (902, "end")] {
        add(number, hold).await;
    }
    let mut told = Vec::new();
    while told.last().is_none_or(|hold| hold != "end") {
        if let ServerFrame::HoldExpired { hold_id, .. } = next(&mut socket).await {
            told.push(hold_id.to_string());
        }
    }
    assert_eq!(told, ["one", "two", "end"]);
}

/// What the waitlist tells comes to the sockets of those it names.
#[tokio::test]
async fn who_waits_is_told_where_they_stand_and_when_it_is_over() {
    let world = World::start(1).await;
    let (buyer, cookie) = known(&world).await;
    let held = hold(&buyer, &["A1"]).await;
    let find = "SELECT session_id FROM reservations.holds WHERE id = $1";
    let session: String = world.database().await.query_one(find, &[&held]).await.unwrap().get(0);
    let mut socket = connect(&world, 0, "", Some(&cookie)).await;
    let config = world.stores.redis();
    let mut redis = world.stores.redis_connection().await;
    let stream = stream::key(&config.prefix, "waitlist", stream::partition(SHOW));
    let mut add = async |number: i64, kind: &str, data: Value| {
        let event = json!({ "id": "waitlist-1", "type": kind, "version": 1, "show_id": SHOW,
            "at": "2026-01-01T00:00:00Z", "data": data });
        let mut add = redis::cmd("XADD");
        add.arg(&stream).arg("*").arg("type").arg(kind);
        add.arg("event").arg(event.to_string()).arg("number").arg(number);
        let () = add.query_async(&mut redis).await.unwrap();
    };
    let estimate = json!({ "minutes": 12, "seats_per_hour": 30 });
    let place = |session: &str, entry: &str, estimate: &Value| json!({ "entry_id": entry, "session_id": session, "position": 3, "estimate": estimate });
    let places = json!({ "places": [
        place("another", "not_ours", &estimate), place(&session, "ours", &estimate),
        place(&session, "unknown_rate", &json!(null)),
    ] });
    let over = json!({ "reason": "started", "entries": [{ "entry_id": "ours", "session_id": session }] });
    add(1, "LineMoved", places).await;
    add(2, "LineClosed", over).await;
    let mut told = Vec::new();
    while told.len() < 3 {
        let frame = next(&mut socket).await;
        if matches!(frame, ServerFrame::Queue { .. } | ServerFrame::Closed { .. }) {
            told.push(json!(frame));
        }
    }
    let queue = |entry: &str, estimate: &Value| json!({ "type": "queue", "entry_id": entry, "show_id": SHOW, "position": 3, "estimate": estimate });
    let closed = json!({ "type": "closed", "entry_id": "ours", "show_id": SHOW, "reason": "started" });
    assert_eq!(told, [queue("ours", &estimate), queue("unknown_rate", &json!(null)), closed]);
}
