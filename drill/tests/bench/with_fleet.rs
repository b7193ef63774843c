//! The rows that want a fleet. Each leaves it as it was, but for what it sold.

use drill::bench::settings::{Row, Settings};

use crate::{FLEET, measured, names, settings};

#[tokio::test]
async fn holds_and_confirmations_are_measured_beside_their_two_judges() {
    let _turn = FLEET.lock().await;
    let table = measured(Row::Holds).await;
    let house = ["Marquee", "pgbench"];
    let found = names(&table);
    assert!(found.iter().all(|block| house.iter().all(|name| block.contains(name))), "{table}");
    assert_eq!((found.len(), found.concat().contains(&"redis-benchmark")), (2, true));
    // Each of them sold something, so Postgres had to work for it.
    let parts =
        |block: usize| table.blocks[block].entries[0].figures.as_ref().unwrap().cpu_us_by_part.clone();
    assert!((0..2).all(|block| parts(block)["postgres"] > 0.0), "{table}");
}

#[tokio::test]
async fn losing_holds_are_measured_beside_the_script_that_refuses_them() {
    let _turn = FLEET.lock().await;
    let table = measured(Row::Losing).await;
    assert_eq!(names(&table).concat(), ["Marquee", "redis-benchmark"]);
}

#[tokio::test]
async fn sockets_see_changes_and_their_memory_is_told() {
    let _turn = FLEET.lock().await;
    let table = measured(Row::Watching).await;
    assert_eq!(names(&table).concat(), ["through the balancer", "straight from the service"]);
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
    assert_eq!(names(&table).concat(), ["Marquee", "straight from the catalog", "SQL for each visitor"]);
    assert!(table.whole() && table.to_string().contains("2000 bookings, with made-up weights"), "{table}");
    assert_eq!(written[0], table.to_string());
    let json: serde_json::Value = serde_json::from_str(&written[1]).unwrap();
    assert_eq!(json["blocks"][0]["base"], "SQL for each visitor");
    assert!(json["machine"]["cores"].as_u64().is_some_and(|cores| cores > 0));
}
