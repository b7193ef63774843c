//! What is sold between two counts.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use testkit::wait;

use crate::world::World;

/// A follower passes over what has the number of something it heard.
static NUMBER: AtomicU64 = AtomicU64::new(1);

#[tokio::test]
async fn a_sale_that_is_heard_of_is_in_the_list_at_once_and_once() {
    let mut world = World::fresh().await;
    // One count, and none after it.
    world.config.interval_ms = 3_600_000;
    world.config.pause_ms_max = 3_600_000;
    let warmer = world.start().await;
    world.newer(None).await;
    let client = world.stores.pool().get().await.expect("the test database answers");
    let show = "SELECT id, movie_id FROM catalog.shows WHERE starts_at > now() + interval '1 hour' ORDER BY id LIMIT 1";
    let row = client.query_one(show, &[]).await.expect("there is a show");
    let (show, movie): (String, String) = (row.get(0), row.get(1));
    let member = world.member(&movie).await;
    // Told again and again, until somebody listens: it counts once.
    let score = wait::until("the sale", async || {
        world.tell("BookingConfirmed", &show, 5).await;
        Some(world.score(&member).await).filter(|score| *score > 0.0)
    })
    .await;
    for _ in 0..3 {
        world.tell("BookingConfirmed", &show, 5).await;
    }
    world.tell("BookingCancelled", &show, 5).await;
    wait::until("it is taken back", async || (world.score(&member).await.abs() < 1e-6).then_some(())).await;
    assert!((4.9..=5.1).contains(&score), "{score}");
    let added = warmer.metric("marquee_cache_warmer_live_total{outcome=\"added\"}").await;
    assert_eq!(added.to_bits(), 2.0_f64.to_bits());
    warmer.stop().await;
}

impl World {
    /// How a film is called in the lists.
    async fn member(&self, movie: &str) -> String {
        let mut get = redis::cmd("HGET");
        get.arg(self.key("members")).arg(movie);
        self.redis.run(&get).await.expect("it is listed")
    }

    async fn score(&self, member: &str) -> f64 {
        let mut score = redis::cmd("ZSCORE");
        score.arg(self.key("list:all")).arg(member);
        self.redis.run(&score).await.expect("it is listed")
    }

    /// As reservations' relay tells it, by a transaction that no count has seen.
    async fn tell(&self, kind: &str, show: &str, seats: usize) {
        let now = self.as_of().await;
        let seats: Vec<String> = (1..=seats).map(|number| format!("A{number}")).collect();
        let data = json!({
            "booking_id": "b", "hold_id": "h", "session_id": "s", "seats": seats, "entry_id": null, "booked_at": now,
        });
        let event = json!({
            "id": "reservations-1", "at": now, "written_in": 1_u64 << 40, "type": kind, "version": 1, "show_id": show,
            "data": data,
        });
        let stream =
            service::stream::key(self.redis.prefix(), "reservations", service::stream::partition(show));
        let mut add = redis::cmd("XADD");
        add.arg(stream)
            .arg("*")
            .arg("type")
            .arg(kind)
            .arg("number")
            .arg(NUMBER.fetch_add(1, Ordering::Relaxed))
            .arg("event")
            .arg(event.to_string());
        self.redis.run::<()>(&add).await.expect("redis takes it");
    }
}
