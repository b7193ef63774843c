//! The popular list: from Redis, and from Postgres when Redis has none.

use catalog::popular::{Popular, PopularConfig, compute, swap};
use service::drain::Drain;
use service::redis::{Redis, RedisConfig};
use testkit::client::Client;

use crate::world::{World, each};

/// What reservations publishes, as far as popularity reads it.
const BOOKINGS: &str = "CREATE SCHEMA reservations_published;
    CREATE TABLE reservations_published.bookings (id text, show_id text, seats int, booked_at timestamptz, status text)";

async fn redis(world: &World) -> (Redis, Drain) {
    let drain = Drain::default();
    (Redis::start(&world.stores.redis(), &drain).await.expect("redis is named"), drain)
}

async fn counted(world: &World) -> Popular {
    let client = world.stores.pool().get().await.expect("the test database answers");
    compute(&client, &PopularConfig::default()).await.expect("it can be counted")
}

async fn reads(visitor: &Client, source: &str) -> u64 {
    let metrics = visitor.get("/metrics").await;
    let name = format!("marquee_catalog_popular_reads_total{{source=\"{source}\"}} ");
    let line = metrics.body.as_str().expect("text").lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |count| count.parse().expect("a number"))
}

/// Sells seats of a film's past shows.
async fn sell(world: &World, movie_id: &str, seats: u32, age: &str, status: &str) {
    let statement = format!(
        "INSERT INTO reservations_published.bookings
         SELECT 'b', id, {seats}, now() - interval '{age}', '{status}' FROM catalog.shows WHERE movie_id = '{movie_id}' LIMIT 1"
    );
    world.execute(&statement).await;
}

#[tokio::test]
async fn seats_sold_lately_decide_and_what_was_cancelled_or_is_old_does_not() {
    let world = World::demo().await;
    let without = counted(&world).await;
    assert!(without.movies.len() >= 30 && without.movies.iter().all(|ranked| ranked.score.to_bits() == 0));
    world.execute(BOOKINGS).await;
    let films: Vec<String> =
        without.movies.iter().rev().take(5).map(|ranked| ranked.movie.id.as_str().to_owned()).collect();
    sell(&world, &films[0], 9, "1 hour", "booked").await;
    sell(&world, &films[1], 17, "72 hours", "booked").await;
    sell(&world, &films[2], 99, "1 hour", "cancelled").await;
    sell(&world, &films[3], 99, "40 days", "booked").await;
    let with = counted(&world).await;
    let ids: Vec<&str> = with.movies.iter().map(|ranked| ranked.movie.id.as_str()).collect();
    assert_eq!(ids[..2], [&films[0], &films[1]]);
    assert_eq!(with.movies.iter().filter(|ranked| ranked.score > 0.0).count(), 2);
    assert!(with.movies.iter().zip(1..).all(|(ranked, rank)| ranked.rank == rank));
}

#[tokio::test]
async fn only_new_releases_that_still_play_are_on_the_list() {
    let world = World::demo().await;
    let before = counted(&world).await;
    let film = |at: usize| before.movies[at].movie.id.as_str();
    // One has played for months without a pause, one came back after a pause, one plays no more.
    world
        .execute(&format!(
            "INSERT INTO catalog.shows
             SELECT 'old-' || film || day, film, (SELECT min(id) FROM catalog.auditoriums),
                    now() - day * interval '1 day' - n * interval '1 second', 1, 'USD'
             FROM (VALUES ('{}', 10, 90, 0), ('{}', 80, 90, 1)) AS past (film, since, until, n), generate_series(since, until, 5) AS day;
             DELETE FROM catalog.shows WHERE movie_id = '{}' AND starts_at > now()",
            film(0),
            film(1),
            film(2)
        ))
        .await;
    let after = counted(&world).await;
    let on_list = |id: &str| after.movies.iter().any(|ranked| ranked.movie.id.as_str() == id);
    assert!(!on_list(film(0)), "it opened three months ago");
    assert!(on_list(film(1)), "it opened anew");
    assert!(!on_list(film(2)), "nobody can see it any more");
    assert_eq!(after.movies.len(), before.movies.len() - 2);
}

#[tokio::test]
async fn visitors_read_from_redis_and_never_ask_postgres() {
    let (world, _) = World::visited().await;
    let list = counted(&world).await;
    let (redis, _drain) = redis(&world).await;
    swap(&redis, &list).await.expect("redis takes it");
    // This instance has a Postgres that does not answer.
    let mut blind = World::empty().await;
    blind.config.redis = world.stores.redis();
    blind.config.postgres.url = "postgres://127.0.0.1:1/none".to_owned();
    let visitor = Client::new(blind.start().await);
    for limit in [1_usize, 5, 100] {
        let answer = visitor.get(&format!("/api/movies/popular?limit={limit}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.text("as_of"), list.as_of.to_string());
        let expected = list.movies.iter().take(limit).map(|ranked| ranked.movie.id.as_str());
        assert_eq!(each(&answer.body["movies"], "id"), expected.collect::<Vec<_>>());
    }
    let whole = visitor.get("/api/movies/popular?limit=100").await;
    assert_eq!(whole.body, serde_json::to_value(&list).expect("it has a JSON form"));
    assert_eq!(reads(&visitor, "postgres").await, 0);
}

#[tokio::test]
async fn an_emptied_redis_and_an_absent_one_are_made_up_for() {
    let (mut world, visitor) = World::visited().await;
    let list = counted(&world).await;
    let (redis, _drain) = redis(&world).await;
    swap(&redis, &list).await.expect("redis takes it");
    visitor.get("/api/movies/popular").await;
    assert_eq!(reads(&visitor, "redis").await, 1);
    let prefix = redis.prefix().to_owned();
    let mut forget = redis::cmd("DEL");
    forget
        .arg(format!("{prefix}:popular"))
        .arg(format!("{prefix}:popular:movies"))
        .arg(format!("{prefix}:popular:as_of"));
    redis.run::<()>(&forget).await.expect("redis forgets");
    let ids = list.movies.iter().take(20).map(|ranked| ranked.movie.id.as_str()).collect::<Vec<_>>();
    let emptied = visitor.get("/api/movies/popular").await;
    assert_eq!(
        (emptied.status.as_u16(), each(&emptied.body["movies"], "id")),
        (200, ids.iter().map(|id| (*id).to_owned()).collect())
    );
    // Counted once for all who come at the same time.
    let (one, two) = tokio::join!(visitor.get("/api/movies/popular"), visitor.get("/api/movies/popular"));
    assert_eq!(one.body["as_of"], two.body["as_of"]);
    world.config.redis = RedisConfig { url: "redis://127.0.0.1:1".to_owned(), ..world.config.redis.clone() };
    let alone = Client::new(world.start().await);
    let answer = alone.get("/api/movies/popular").await;
    assert_eq!(
        (answer.status.as_u16(), each(&answer.body["movies"], "id")),
        (200, ids.iter().map(|id| (*id).to_owned()).collect())
    );
}

#[tokio::test]
async fn a_list_that_lost_a_part_is_not_shown() {
    let (world, visitor) = World::visited().await;
    let (redis, _drain) = redis(&world).await;
    swap(&redis, &counted(&world).await).await.expect("redis takes it");
    let mut forget = redis::cmd("DEL");
    forget.arg(format!("{}:popular:movies", redis.prefix()));
    redis.run::<()>(&forget).await.expect("redis forgets");
    let answer = visitor.get("/api/movies/popular").await;
    assert_eq!((answer.status.as_u16(), each(&answer.body["movies"], "id").len()), (200, 20));
    assert_eq!(reads(&visitor, "postgres").await, 1);
}

#[tokio::test]
async fn no_reader_sees_a_list_half_swapped() {
    let (world, visitor) = World::visited().await;
    let (redis, _drain) = redis(&world).await;
    let whole = counted(&world).await;
    let half = whole.movies.len() / 2;
    let later = whole.as_of + jiff::SignedDuration::from_secs(1);
    let short = Popular { as_of: later, movies: whole.movies[..half].to_vec() };
    swap(&redis, &whole).await.expect("redis takes it");
    let writer = tokio::spawn({
        let (whole, short) = (whole.clone(), short.clone());
        async move {
            for _ in 0..150 {
                swap(&redis, &short).await.expect("redis takes it");
                swap(&redis, &whole).await.expect("redis takes it");
            }
        }
    });
    let mut asked = 0;
    while !writer.is_finished() {
        let answer = visitor.get("/api/movies/popular?limit=100").await;
        let expected = if answer.text("as_of") == later.to_string() { &short } else { &whole };
        assert_eq!(answer.body, serde_json::to_value(expected).expect("it has a JSON form"));
        asked += 1;
    }
    writer.await.expect("the writer ends");
    assert!(asked > 0);
    assert_eq!(reads(&visitor, "postgres").await, 0);
}
