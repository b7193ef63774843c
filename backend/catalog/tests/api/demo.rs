//! The demo catalogue in the database.

use domain::seat_map::SeatMap;

use crate::world::World;

const EVERYTHING: &str = "SELECT id || title FROM catalog.movies UNION ALL SELECT id || name FROM catalog.theaters
    UNION ALL SELECT id || capacity FROM catalog.auditoriums UNION ALL SELECT id || movie_id || starts_at FROM catalog.shows
    ORDER BY 1";

#[tokio::test]
async fn loading_it_again_changes_nothing_and_fills_what_is_missing() {
    let world = World::demo().await;
    let before = world.texts(EVERYTHING).await;
    catalog::demo::load(&world.config).await.expect("the demo loads");
    assert_eq!(world.texts(EVERYTHING).await, before);
    world.execute("DELETE FROM catalog.shows WHERE starts_at > now() + interval '2 days'").await;
    catalog::demo::load(&world.config).await.expect("the demo loads");
    assert_eq!(world.texts(EVERYTHING).await, before);
}

#[tokio::test]
async fn there_is_as_much_as_promised() {
    let world = World::demo().await;
    let count = async |query: &str| {
        world.texts(&format!("SELECT ({query})::text")).await[0].parse::<i64>().expect("a number")
    };
    assert!(count("SELECT count(*) FROM catalog.movies").await >= 40);
    assert_eq!(count("SELECT count(*) FROM catalog.theaters").await, 6);
    assert_eq!(count("SELECT count(DISTINCT city_id) FROM catalog.theaters").await, 3);
    // Every room of every theater plays on each of the past fourteen days, today, and the next seven, by its own clock.
    let days = "SELECT s.auditorium_id || ' ' ||
                       ((s.starts_at AT TIME ZONE c.timezone)::date - (now() AT TIME ZONE c.timezone)::date)
                FROM catalog.shows s JOIN catalog.auditoriums a ON a.id = s.auditorium_id
                JOIN catalog.theaters t ON t.id = a.theater_id JOIN catalog.cities c ON c.id = t.city_id GROUP BY 1";
    let days = world.texts(days).await;
    let rooms = world.texts("SELECT id FROM catalog.auditoriums").await;
    for room in &rooms {
        for day in -14..=7 {
            assert!(days.contains(&format!("{room} {day}")), "{room} has no show on day {day}");
        }
    }
    assert_eq!(days.len(), rooms.len() * 22);
    assert!(count("SELECT count(DISTINCT movie_id) FROM catalog.shows WHERE starts_at > now()").await >= 40);
}

#[tokio::test]
async fn what_is_published_can_be_sold() {
    let world = World::demo().await;
    let maps = world.texts("SELECT DISTINCT capacity || '/' || seat_map FROM catalog_published.shows").await;
    assert!(maps.len() >= 5);
    for map in maps {
        let (capacity, map) = map.split_once('/').expect("two parts");
        let map: SeatMap = serde_json::from_str(map).expect("a seat map");
        map.validate().expect("a good one");
        assert_eq!(map.capacity().to_string(), capacity);
    }
}
