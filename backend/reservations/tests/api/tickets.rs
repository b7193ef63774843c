//! Tickets: signed in the answer, a picture for the phone, checked at the door without us, void when cancelled.

use std::path::PathBuf;
use std::process::Command;

use reservations::ticket::PublicKeys;
use reservations::ticket::void::{self, PAGE_MAX};
use serde_json::{Value, json};
use testkit::client::{Answer, Client};

use crate::world::{SHOW, World, hold, payment};

const NEW_KEY: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
const KEYS: &str = "/api/tickets/keys";

fn void_path() -> String {
    format!("/api/shows/{SHOW}/tickets/void")
}

/// Holds seats and books them.
async fn book(buyer: &Client, seats: &[&str]) -> Answer {
    let hold = hold(buyer, seats).await;
    let booked = buyer.post_keyed(&format!("/api/holds/{hold}/confirm"), "k", &payment("ok")).await;
    assert_eq!(booked.status, 201, "{}", booked.body);
    booked
}

fn code(booking: &Value) -> String {
    booking["ticket"]["code"].as_str().unwrap_or_else(|| panic!("no ticket in {booking}")).to_owned()
}

async fn public_keys(visitor: &Client) -> PublicKeys {
    serde_json::from_value(visitor.get(KEYS).await.body).unwrap()
}

#[tokio::test]
async fn a_booking_has_the_same_ticket_wherever_it_is_shown() {
    let world = World::start(2).await;
    let (buyer, other) = (world.visitor(), world.visitor_of(1));
    let hold = hold(&buyer, &["A1", "A2"]).await;
    let confirm = format!("/api/holds/{hold}/confirm");
    let booked = buyer.post_keyed(&confirm, "k", &payment("ok")).await;
    let (code, id) = (code(&booked.body), booked.text("id"));
    assert_eq!(buyer.post_keyed(&confirm, "k", &payment("ok")).await.body, booked.body, "a repetition");
    assert_eq!(buyer.get(&format!("/api/bookings/{id}")).await.body, booked.body);
    assert_eq!(buyer.get("/api/bookings").await.body["bookings"], json!([booked.body]));

    let ticket = public_keys(&other).await.check(&code).unwrap();
    assert_eq!((ticket.booking().as_str(), ticket.show().as_str()), (id, SHOW));
    assert_eq!(json!(ticket.seats()), json!(["A1", "A2"]));
    let tampered = code.replacen("MQ1.", "MQ1.A", 1);
    assert!(public_keys(&other).await.check(&tampered).is_err());
}

#[tokio::test]
async fn a_ticket_is_a_picture_for_its_buyer_alone() {
    let world = World::start(1).await;
    let buyer = world.visitor();
    let id = book(&buyer, &["A1"]).await.text("id").to_owned();
    let path = format!("/api/bookings/{id}/ticket.svg");
    let picture = buyer.get(&path).await;
    assert_eq!(picture.status, 200);
    assert_eq!(picture.headers["content-type"], "image/svg+xml");
    assert_eq!(picture.headers["cache-control"], "private, no-store");
    let svg = picture.body.as_str().unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains(">Ticket for seat A1</title>"), "{svg}");
    for missing in [path.as_str(), "/api/bookings/none/ticket.svg"] {
        let refused = world.visitor().get(missing).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (404, "booking_not_found"));
    }

    assert_eq!(buyer.delete(&format!("/api/bookings/{id}")).await.body["ticket"], Value::Null);
    let gone = buyer.get(&path).await;
    assert_eq!((gone.status.as_u16(), gone.code()), (410, "booking_cancelled"));
}

#[tokio::test]
async fn a_cancelled_booking_has_no_ticket_and_scanners_are_told() {
    let world = World::start(2).await;
    let (buyer, scanner) = (world.visitor(), world.visitor_of(1));
    let (kept, cancelled) = (book(&buyer, &["A1"]).await, book(&world.visitor(), &["B1"]).await);
    let none = json!({ "show_id": SHOW, "cursor": null, "void": [], "next_cursor": null });
    assert_eq!(scanner.get(&void_path()).await.body, none);

    let path = format!("/api/bookings/{}", kept.text("id"));
    assert_eq!(buyer.delete(&path).await.body["ticket"], Value::Null);
    assert_eq!(buyer.get(&path).await.body["ticket"], Value::Null);
    assert_eq!(buyer.get("/api/bookings").await.body["bookings"][0]["ticket"], Value::Null);
    let void = scanner.get(&void_path()).await;
    let ids =
        |answer: &Answer| json!([void::id(&serde_json::from_value(answer.body["id"].clone()).unwrap())]);
    assert_eq!(void.body["void"], ids(&kept));
    assert_ne!(void.body["void"], ids(&cancelled));
    assert!(!void.body.to_string().contains(kept.text("id")), "no booking is named");
    assert_eq!(void.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn what_scanners_load_is_for_all_and_nobodys_session() {
    let world = World::start(1).await;
    let keys = world.visitor().get(KEYS).await;
    assert_eq!(keys.headers["cache-control"], "public, max-age=300");
    for answer in [keys, world.visitor().get(&void_path()).await] {
        assert_eq!(answer.status, 200);
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    for (query, code) in [("?cursor=x", "invalid_cursor"), ("?page=2", "invalid_query")] {
        let refused = world.visitor().get(&format!("{}{query}", void_path())).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, code));
    }
    let unknown = world.visitor().get("/api/shows/none/tickets/void").await;
    assert_eq!((unknown.status.as_u16(), unknown.code()), (404, "show_not_found"));
}

#[tokio::test]
async fn many_void_tickets_are_told_page_by_page() {
    let world = World::start(1).await;
    let scanner = world.visitor();
    let many = i64::try_from(PAGE_MAX + 1).unwrap();
    let database = world.database().await;
    for statement in [
        "INSERT INTO reservations.holds (id, show_id, session_id, seats, token, status, price_minor, currency, fingerprint, expires_at)
         SELECT 'hold_' || n, 'show_1', 's', '{A1}', n, 'booked', 1, 'USD', '', now() FROM generate_series(1, $1::bigint) AS n",
        "INSERT INTO reservations.bookings (id, hold_id, show_id, session_id, email, seats, status, price_minor, currency,
            payment_reference, idempotency_key)
         SELECT 'booking_' || n, 'hold_' || n, 'show_1', 's', '', '{A1}', 'cancelled', 1, 'USD', '', ''
         FROM generate_series(1, $1::bigint) AS n",
    ] {
        database.execute(statement, &[&many]).await.unwrap();
    }
    let first = scanner.get(&void_path()).await.body;
    assert_eq!(first["void"].as_array().unwrap().len(), PAGE_MAX);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = scanner.get(&format!("{}?cursor={cursor}", void_path())).await.body;
    assert_eq!((second["void"].as_array().unwrap().len(), &second["next_cursor"]), (1, &Value::Null));
    let pages = [first, second].map(|page| serde_json::from_value(page).unwrap());
    let list = void::VoidList::of(&pages).unwrap();
    let all = (1..=many).map(|number| domain::id::BookingId::parse(format!("booking_{number}")).unwrap());
    assert_eq!(all.filter(|booking| !list.contains(booking)).count(), 0);
}

#[tokio::test]
async fn a_key_is_rotated_and_old_tickets_stay_good() {
    let mut world = World::start(1).await;
    let buyer = world.visitor();
    let old = book(&buyer, &["A1"]).await;
    world.ticket_keys = format!("{NEW_KEY},{}", testkit::TICKET_KEY);
    world.add(world.config()).await;
    let keys = public_keys(&world.visitor_of(1)).await;
    assert_eq!(keys.keys.len(), 2);
    let new = code(&book(&world.visitor_of(1), &["B1"]).await.body);
    for code in [&code(&old.body), &new] {
        assert!(keys.check(code).is_ok(), "{code}");
    }
    assert!(public_keys(&buyer).await.check(&new).is_err(), "the first key signs");
}

/// Files of one test, removed when it ends.
struct Files(PathBuf);

impl Files {
    fn new(world: &World) -> Self {
        let directory = std::env::temp_dir().join(world.stores.redis().prefix);
        std::fs::create_dir(&directory).unwrap();
        Self(directory)
    }

    fn write(&self, name: &str, body: &Value) {
        std::fs::write(self.0.join(name), body.to_string()).unwrap();
    }

    /// The scanner, where there is nothing but these files: its exit code and its words.
    fn verify(&self, arguments: &[&str]) -> (i32, String) {
        let program = env!("CARGO_BIN_EXE_reservations");
        let output = Command::new(program)
            .arg("verify-ticket")
            .args(arguments)
            .current_dir(&self.0)
            .env_clear()
            .output()
            .unwrap();
        let words = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(words).unwrap())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[tokio::test]
async fn a_scanner_needs_nothing_but_files() {
    let world = World::start(1).await;
    let (buyer, files) = (world.visitor(), Files::new(&world));
    let (kept, cancelled) = (book(&buyer, &["A1", "A2"]).await, book(&world.visitor(), &["B1"]).await);
    files.write("keys.json", &world.visitor().get(KEYS).await.body);
    let good = code(&kept.body);
    let (status, words) = files.verify(&["--keys", "keys.json", &good]);
    let expected = format!("valid: seats A1, A2, show {SHOW}, starts 2");
    assert!(status == 0 && words.starts_with(&expected) && words.contains(kept.text("id")), "{words}");

    buyer.delete(&format!("/api/bookings/{}", kept.text("id"))).await;
    files.write("void.json", &buyer.get(&void_path()).await.body);
    let door = ["--keys", "keys.json", "--void", "void.json"];
    let at = |code: &str| files.verify(&[&door[..], &[code]].concat());
    assert_eq!(at(&good).0, 10, "void");
    assert_eq!(at(&code(&cancelled.body)).0, 0);
    let other_show = files.verify(&["--keys", "keys.json", "--show", "show_2", &good]);
    assert!(other_show.0 == 11 && other_show.1.starts_with("for another show: "), "{other_show:?}");
    assert_eq!(at(&good[..50]).0, 14, "malformed");
    files.write("keys.json", &json!({ "keys": [] }));
    assert_eq!(at(&good).0, 13, "unknown key");

    let unreadable = files.verify(&["--keys", "none.json", &good]);
    assert!(unreadable.0 == 1 && unreadable.1.starts_with("verify-ticket: none.json: "), "{unreadable:?}");
    let wrong_list = files.verify(&[&door[..], &["--show", "show_2", &good]].concat());
    assert!(wrong_list.0 == 1 && wrong_list.1.contains("the void tickets are of show"), "{wrong_list:?}");
}

#[test]
fn a_missing_ticket_key_is_said_at_the_start() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/reservations.toml");
    let output = Command::new(env!("CARGO_BIN_EXE_reservations"))
        .args(["--config", file, "serve"])
        .env_clear()
        .env("MARQUEE_SESSION_KEY", testkit::SESSION_KEY)
        .output()
        .unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && words.contains("MARQUEE_TICKET_KEY must hold"), "{words}");
}
