//! The rows that want a fleet. Each leaves it as it was, but for what it sold.

use drill::bench::settings::{Row, Settings};

use crate::{FLEET, measured, names, settings};

#[tokio::test]
async fn holds_and_confirmations_are_measured_beside_their_two_judges() {
    let _turn = FLEET.lock().await;
    let table = measured(Row::Holds).await;
    let house = ["Marquee", "pgbench"];
    let found = names(&table);
    assert!([0, 2].iter().all(|block| house.iter().all(|name| found[*block].contains(name))), "{table}");
    assert_eq!((found.len(), found[0].contains(&"redis-benchmark")), (3, true));
    // In the one between them buyers come evenly, and how long they wait is what it is about.
    let paced = &table.blocks[1].entries[0];
    assert!(found[1] == ["Marquee"] && paced.note.starts_with("open loop, "), "{table}");
    assert!(paced.figures.as_ref().is_some_and(|figures| figures.p99_ms.is_some()), "{table}");
    // Each of them sold something, so Postgres had to work for it.
    let parts =
        |block: usize| table.blocks[block].entries[0].figures.as_ref().unwrap().cpu_us_by_part.clone();
    assert!((0..3).all(|block| parts(block)["postgres"] > 0.0), "{table}");
}

#[tokio::test]
async fn losing_holds_are_measured_beside_the_script_that_refuses_them() {
    let _turn = FLEET.lock().await;
    let table = measured(Row::Losing).await;
    assert_eq!(names(&table).concat(), ["Marquee", "redis-benchmark"]);
}

#[tokio::test]
async fn a_show_is_sold_out_to_a_crowd_each_seat_once() {
    let _turn = FLEET.lock().await;
    let table = measured(Row::Sellout).await;
    assert_eq!(names(&table).concat(), ["Marquee"]);
    let (block, entry) = (&table.blocks[0], &table.blocks[0].entries[0]);
    assert!(block.title.ends_with("seats sold out to 200 buyers at once"), "{table}");
    assert!(entry.note.contains("every seat was sold or held exactly once; the longest wait"), "{table}");
}

#[tokio::test]
async fn a_line_is_joined_in_order_and_offers_reach_their_sockets() {
    let _turn = FLEET.lock().await;
    let table = measured(Row::Queueing).await;
    assert_eq!(names(&table), [vec!["Marquee"], vec!["a hold that lapses", "a hold that is given back"]]);
    let [joins, offers] = &table.blocks[..] else { panic!("{table}") };
    assert!(
        joins.entries[0].note.contains("everybody got a place, in the order in which they came"),
        "{table}"
    );
    assert!(offers.title.ends_with("with 400 people in 400 lines"), "{table}");
    let p99 = |at: usize| offers.entries[at].figures.as_ref().unwrap().p99_ms;
    assert!([0, 1].iter().all(|at| p99(*at).is_some_and(|ms| ms > 0.0)), "{table}");
}

#[tokio::test]
async fn sockets_see_changes_and_their_memory_is_told() {
    let _turn = FLEET.lock().await;
    let table = measured(Row::Watching).await;
    let both = vec!["through the balancer", "straight from the service"];
    assert_eq!(names(&table), [both.clone(), both], "change by change, and as fast as they can");
    let notes: Vec<&str> = table.blocks[0].entries.iter().map(|entry| entry.note.as_str()).collect();
    assert!(notes.iter().all(|note| note.contains("memory of an idle socket: ")), "{table}");
}

#[tokio::test]
async fn the_popular_list_is_measured_beside_the_sql_it_replaces() {
    let _turn = FLEET.lock().await;
    let out = std::env::temp_dir().join(format!("bench-test-{}", std::process::id()));
    let settings = Settings { out: Some(out.clone()), ..settings(Row::Popular) };
    let table = drill::bench::run(&settings).await.unwrap();
    let written = ["bench.md", "bench.json"].map(|name| std::fs::read_to_string(out.join(name)).unwrap());
    std::fs::remove_dir_all(&out).unwrap();
    let lists = vec!["Marquee", "straight from the catalog", "SQL for each visitor"];
    assert_eq!(names(&table), [lists, vec!["after 2000 bookings", "after 20 bookings"]]);
    assert!(table.to_string().contains("all of the history added up once in"), "{table}");
    assert!(table.whole() && table.to_string().contains("2000 bookings, with made-up weights"), "{table}");
    assert_eq!(written[0], table.to_string());
    let json: serde_json::Value = serde_json::from_str(&written[1]).unwrap();
    assert_eq!(json["blocks"][0]["base"], "SQL for each visitor");
    assert!(json["machine"]["cores"].as_u64().is_some_and(|cores| cores > 0));
}
