//! Stored answers are taken back: by tag, by URL, all of them; by the admin, by Redis, and by silence.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::rig::{Answer, Rig, config};
use crate::upstream::Upstream;
use crate::way::{State, Way, redis_url};

pub(crate) const SUBSCRIBED: &str = "marquee_balancer_cache_purge_subscribed";
/// Longer than any test.
const LONG: u64 = 3_600_000;

/// A channel of the test's own, and the way there.
pub(crate) struct Channel {
    name: String,
    redis: redis::aio::MultiplexedConnection,
}

impl Channel {
    pub(crate) async fn open() -> Self {
        let client = redis::Client::open(redis_url()).expect("a URL");
        // It waits as long as it takes: a busy machine is no failure.
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let redis =
            client.get_multiplexed_async_connection_with_config(&patient).await.expect("redis is there");
        Self { name: format!("purge:{:032x}", rand::random::<u128>()), redis }
    }

    /// `[purge]` of a balancer that hears it.
    pub(crate) fn section(&self, url: &str, lease_ms: u64) -> String {
        format!("\n[purge]\nredis_url = \"{url}\"\nchannel = \"{}\"\nlease_ms = {lease_ms}\n", self.name)
    }

    /// Says it to all who listen.
    pub(crate) async fn say(&self, message: &Value) {
        self.say_text(&message.to_string()).await;
    }

    async fn say_text(&self, text: &str) {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&self.name).arg(text);
        publish.query_async::<u64>(&mut self.redis.clone()).await.expect("published");
    }
}

impl Rig {
    /// One that hears purges.
    pub(crate) async fn hearing(up: &Upstream, section: &str) -> Self {
        let rig = Self::start(&(config(&[up]) + section)).await;
        rig.until_metric(SUBSCRIBED, 1).await;
        rig
    }

    async fn purge(&self, body: &Value) -> Answer {
        self.purge_text(&body.to_string()).await
    }

    async fn purge_text(&self, body: &str) -> Answer {
        let url = format!("http://{}/purge", self.admin);
        Answer::of(self.client.post(url).body(body.to_owned())).await
    }

    /// How many tags were purged by messages.
    pub(crate) async fn heard(&self) -> u64 {
        self.metric("marquee_balancer_cache_purges_total{kind=\"tag\",mode=\"hard\",source=\"redis\"}").await
    }

    /// How many stored answers were found and not used, for this reason.
    pub(crate) async fn unused(&self, reason: &str) -> u64 {
        self.metric(&format!("marquee_balancer_cache_unused_total{{reason=\"{reason}\"}}")).await
    }

    /// What is at this path, by the balancer.
    pub(crate) async fn version(&self, path: &str) -> u64 {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body.parse().expect("a number")
    }
}

const PATH: &str = "/cached/version?tags=show:1,film:7";

#[tokio::test]
async fn by_redis_a_tag_is_purged_at_every_balancer_and_other_tags_stay() {
    let (up, channel) = (Upstream::start("a").await, Channel::open().await);
    let section = channel.section(&redis_url(), LONG);
    let (one, two) = (Rig::hearing(&up, &section).await, Rig::hearing(&up, &section).await);
    let other = "/cached/version?tags=show:2";
    for rig in [&one, &two] {
        assert_eq!((rig.version(PATH).await, rig.version(other).await), (1, 1));
    }
    up.change();
    channel.say(&json!({ "tags": ["film:7"] })).await;
    for rig in [&one, &two] {
        rig.until("it is heard", || async { rig.heard().await == 1 }).await;
        assert_eq!((rig.version(PATH).await, rig.version(other).await), (2, 1));
        assert_eq!(rig.version(PATH).await, 2);
        assert_eq!(rig.unused("purged").await, 1);
    }
    assert_eq!(up.seen().len(), 6);
}

#[tokio::test]
async fn by_the_admin_a_tag_is_purged_here_and_at_the_others() {
    let (up, channel) = (Upstream::start("a").await, Channel::open().await);
    let section = channel.section(&redis_url(), LONG);
    let (one, two) = (Rig::hearing(&up, &section).await, Rig::hearing(&up, &section).await);
    assert_eq!((one.version(PATH).await, two.version(PATH).await), (1, 1));
    up.change();
    let done = one.purge(&json!({ "tags": ["show:1"] })).await;
    assert_eq!(done.status, 200);
    let said: Value = serde_json::from_str(&done.body).expect("JSON");
    let right = json!({ "tags": 1, "urls": 0, "everything": false, "mode": "hard", "subscribers": 2 });
    assert_eq!(said, right);
    assert_eq!(one.version(PATH).await, 2);
    two.until("it is heard", || async { two.heard().await == 1 }).await;
    assert_eq!(two.version(PATH).await, 2);
    assert_eq!(one.heard().await, 0, "its own word is not carried out twice");
}

#[tokio::test]
async fn urls_and_everything_are_purged_with_or_without_tags() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    let path = "/cached/version?tags=";
    for body in [json!({ "urls": [path] }), json!({ "urls": [rig.url(path)] }), json!({ "everything": true })]
    {
        let before = rig.version(path).await;
        let now = up.change();
        for elsewhere in ["/cached/version", "http://elsewhere.example/cached/version?tags="] {
            assert_eq!(rig.purge(&json!({ "urls": [elsewhere] })).await.status, 200);
        }
        assert_eq!(rig.version(path).await, before, "another URL was purged");
        let done = rig.purge(&body).await;
        assert_eq!(done.status, 200);
        assert!(done.body.contains("\"subscribers\":null"), "{}", done.body);
        assert_eq!(rig.version(path).await, now, "{body}");
    }
}

#[tokio::test]
async fn hard_is_a_miss_and_soft_is_stale() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    let paths = ["/cached/version?tags=", "/cached/version-stale?tags="];
    for path in paths {
        rig.version(path).await;
        assert_eq!(rig.purge(&json!({ "urls": [path] })).await.status, 200);
        rig.version(path).await;
        assert_eq!(up.seen().pop().expect("asked").header("if-none-match"), "");
        assert_eq!(rig.purge(&json!({ "urls": [path], "mode": "soft" })).await.status, 200);
        rig.version(path).await;
        assert_eq!(up.seen().pop().expect("asked").header("if-none-match"), "\"1\"");
        rig.version(path).await;
    }
    assert_eq!(up.seen().len(), 6, "what was confirmed is good again");

    up.kill().await;
    assert_eq!(rig.purge(&json!({ "everything": true, "mode": "soft" })).await.status, 200);
    let stale = rig.get("/cached/version-stale?tags=").await;
    assert_eq!(stale.status, 200);
    assert!(stale.header("cache-status").ends_with("; detail=stale-if-error"), "{stale:?}");
    assert_eq!(rig.purge(&json!({ "everything": true })).await.status, 200);
    assert_eq!(rig.get("/cached/version-stale?tags=").await.status, 503);
}

/// What has a tag is used stale only where it says so itself, whatever the balancer's default.
#[tokio::test]
async fn a_tagged_answer_that_does_not_allow_it_is_not_used_stale() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    rig.version(PATH).await;
    up.kill().await;
    assert_eq!(rig.purge(&json!({ "tags": ["show:1"], "mode": "soft" })).await.status, 200);
    assert_eq!(rig.get(PATH).await.status, 503);
}

#[tokio::test]
async fn a_bad_purge_changes_nothing_and_is_told_what_is_wrong() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    rig.version(PATH).await;
    let long = "x".repeat(257);
    let many = vec!["x"; 1_001];
    for (body, status, code) in [
        (String::new(), 400, "purge_malformed"),
        ("{\"tags\":\"show:1\"}".to_owned(), 400, "purge_malformed"),
        (json!({ "tags": ["show:1"], "colour": 1 }).to_string(), 400, "purge_malformed"),
        (json!({ "tags": ["show:1"], "mode": "mild" }).to_string(), 400, "purge_malformed"),
        ("{}".to_owned(), 422, "purge_empty"),
        (json!({ "tags": ["show:1", "two words"] }).to_string(), 422, "tag_invalid"),
        (json!({ "tags": ["show:1", long] }).to_string(), 422, "tag_invalid"),
        (json!({ "tags": ["show:1"], "urls": ["shows"] }).to_string(), 422, "url_invalid"),
        (json!({ "tags": many }).to_string(), 422, "purge_too_large"),
        (format!("{{\"tags\":[\"{}\"]}}", "x".repeat(300_000)), 413, "body_too_large"),
    ] {
        let answer = rig.purge_text(&body).await;
        let problem: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!((answer.status, &problem["code"]), (status, &json!(code)), "{answer:?}");
    }
    let url = format!("http://{}/purge", rig.admin);
    let body = json!({ "tags": ["show:1"] }).to_string();
    let elsewhere = rig.client.post(&url).header("origin", "http://evil.example").body(body.clone());
    assert_eq!(Answer::of(elsewhere).await.status, 403);
    rig.version(PATH).await;
    assert_eq!(up.seen().len(), 1, "nothing was purged");

    let guarded = Rig::start_with_token(&config(&[&up]), "secret").await;
    let url = format!("http://{}/purge", guarded.admin);
    assert_eq!(Answer::of(guarded.client.post(&url).body(body.clone())).await.status, 401);
    let shown = guarded.client.post(&url).bearer_auth("secret").body(body);
    assert_eq!(Answer::of(shown).await.status, 200);
}

#[tokio::test]
async fn the_admin_is_told_when_the_others_are_not() {
    let (up, channel, way) = (Upstream::start("a").await, Channel::open().await, Way::to_redis().await);
    let rig = Rig::hearing(&up, &channel.section(&way.url, LONG)).await;
    rig.version(PATH).await;
    way.set(State::Cut);
    let now = up.change();
    let answer = rig.purge(&json!({ "tags": ["show:1"] })).await;
    let problem: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!((answer.status, &problem["code"]), (503, &json!("purge_not_told")));
    assert_eq!(rig.version(PATH).await, now, "here it is purged");
}

#[tokio::test]
async fn clients_see_no_tags_unless_they_are_meant_to() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    let shown = Rig::start(&(config(&[&up]) + "\n[purge]\ntags_shown = true\n")).await;
    for _ in ["stored", "hit"] {
        assert_eq!(rig.get(PATH).await.header("cache-tag"), "");
        assert_eq!(shown.get(PATH).await.header("cache-tag"), "show:1,film:7");
    }
    assert_eq!(rig.get("/version?tags=x").await.header("cache-tag"), "");
}

/// A frozen Redis, or one at the far end of a connection that is only half there, closes nothing and says nothing.
#[tokio::test]
async fn a_connection_that_is_half_there_makes_no_answer_older_than_the_lease() {
    const LEASE: Duration = Duration::from_millis(400);
    let (up, channel, way) = (Upstream::start("a").await, Channel::open().await, Way::to_redis().await);
    let rig = Rig::hearing(&up, &channel.section(&way.url, LEASE.as_millis() as u64)).await;
    rig.version(PATH).await;
    way.set(State::Frozen);
    for _ in 0..5 {
        let now = up.change();
        channel.say(&json!({ "tags": ["show:1"] })).await;
        let said = Instant::now();
        rig.until("it is as new as the lease", || async {
            let asked = Instant::now();
            let version = rig.version(PATH).await;
            assert!(version == now || asked < said + LEASE, "{version} {:?} after {now}", asked - said);
            asked >= said + LEASE
        })
        .await;
    }
    assert!(rig.unused("lease").await >= 5 && rig.heard().await == 0);
    rig.until_metric(SUBSCRIBED, 0).await;
}

#[tokio::test]
async fn after_a_loss_whatever_is_tagged_is_asked_for_once() {
    let (up, channel, way) = (Upstream::start("a").await, Channel::open().await, Way::to_redis().await);
    let rig = Rig::hearing(&up, &channel.section(&way.url, LONG)).await;
    let (changed, same) = ("/cached/version?tags=show:1", "/cached/public");
    assert_eq!(rig.version(changed).await, 1);
    rig.get(same).await;
    way.set(State::Cut);
    rig.until_metric(SUBSCRIBED, 0).await;
    let now = up.change();
    channel.say(&json!({ "tags": ["show:1"] })).await;
    assert_eq!(rig.version(changed).await, 1, "nobody has told it, and the lease is long");
    way.set(State::Open);
    rig.until_metric(SUBSCRIBED, 1).await;
    assert_eq!((rig.version(changed).await, rig.unused("lost").await), (now, 1));
    assert_eq!(up.seen().pop().expect("asked").header("if-none-match"), "\"1\"");
    rig.version(changed).await;
    rig.get(same).await;
    assert_eq!(up.seen().len(), 3, "once, and only what is tagged");
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_a_doubt_about_all_that_is_tagged() {
    let (up, channel) = (Upstream::start("a").await, Channel::open().await);
    let rig = Rig::hearing(&up, &channel.section(&redis_url(), LONG)).await;
    for (number, text) in ["{\"tags\":[\"sho", "{\"tags\":[\"two words\"]}", "[]"].into_iter().enumerate() {
        assert_eq!(rig.version(PATH).await, number as u64 + 1);
        up.change();
        channel.say_text(text).await;
        rig.until("it is doubted", || async { rig.version(PATH).await == number as u64 + 2 }).await;
    }
    assert_eq!(rig.unused("lost").await, 3);
}

/// Without Redis nobody tells of a change, so what is tagged lives for the lease; what is not, as long as it says.
#[tokio::test]
async fn without_redis_tagged_answers_live_for_the_lease() {
    const LEASE: Duration = Duration::from_millis(300);
    let up = Upstream::start("a").await;
    let section = format!("\n[purge]\nlease_ms = {}\n", LEASE.as_millis());
    let rig = Rig::start(&(config(&[&up]) + &section)).await;
    let untagged = "/cached/version?tags=";
    assert_eq!((rig.version(PATH).await, rig.version(untagged).await), (1, 1));
    let now = up.change();
    let changed = Instant::now();
    rig.until("the lease is over", || async {
        let asked = Instant::now();
        assert!(rig.version(PATH).await == now || asked < changed + LEASE);
        asked >= changed + LEASE
    })
    .await;
    assert_eq!(rig.version(untagged).await, 1);
}

/// One that is cut off from Redis changes what it answers and cannot say so: its silence counts.
#[tokio::test]
async fn a_publisher_that_must_be_heard_of_and_is_silent_is_a_loss() {
    const LEASE: Duration = Duration::from_millis(300);
    let (up, channel) = (Upstream::start("a").await, Channel::open().await);
    let section = channel.section(&redis_url(), LEASE.as_millis() as u64);
    let rig = Rig::hearing(&up, &(section + "publishers = [\"sales\"]\n")).await;
    rig.version(PATH).await;
    let now = up.change();
    let changed = Instant::now();
    rig.until("the lease is over", || async {
        let asked = Instant::now();
        assert!(rig.version(PATH).await == now || asked < changed + LEASE);
        asked >= changed + LEASE
    })
    .await;
    // While it is heard of, nothing is asked for. It is believed for as long as a lease after it has last spoken.
    let fetched = up.seen().len();
    channel.say(&json!({ "alive": "sales", "age_ms": 0 })).await;
    let spoken = Instant::now();
    rig.until("the lease would have been over", || async {
        channel.say(&json!({ "alive": "sales" })).await;
        rig.version(PATH).await;
        spoken.elapsed() > LEASE * 3
    })
    .await;
    let more = up.seen().len() - fetched;
    assert!(more <= 2, "asked {more} times within three leases");
}
