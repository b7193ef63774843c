//! `catalog import`, on untidy files of our own and, where they are, on the real ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use catalog::import::{Counts, load};

use crate::world::World;

fn untidy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/untidy").join(name)
}

async fn import(world: &World, path: &Path) -> (Counts, BTreeMap<u64, String>) {
    let mut refused = BTreeMap::new();
    let counts = load(&world.config, path, |row| assert!(refused.insert(row.line, row.reason).is_none()))
        .await
        .expect("the file imports");
    assert_eq!(counts.read, counts.written + counts.merged + counts.unchanged + counts.refused, "{counts}");
    assert_eq!(counts.refused, refused.len() as u64);
    (counts, refused)
}

#[tokio::test]
async fn every_row_of_untidy_films_is_accounted_for() {
    let world = World::empty().await;
    let (counts, refused) = import(&world, &untidy("films.jsonl")).await;
    assert_eq!(counts, Counts { read: 10, written: 5, merged: 0, unchanged: 0, refused: 5 });
    assert_eq!(refused.keys().copied().collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
    assert_eq!(refused[&5], "the same film as line 3");
    assert!(refused[&6].starts_with("not JSON"), "{}", refused[&6]);
    assert!(refused[&7].contains("`title`") && refused[&8].contains("`year`"));
    let (again, _) = import(&world, &untidy("films.jsonl")).await;
    assert_eq!(again, Counts { read: 10, written: 0, merged: 0, unchanged: 5, refused: 5 });
    let films = world
        .texts("SELECT title || ' ' || array_to_string(cast_members, ',') FROM catalog.movies ORDER BY 1")
        .await;
    assert_eq!(
        films,
        [
            "Gauguin ",
            "Inception Leonardo DiCaprio",
            "Swan Song Mahershala Ali",
            "Swan Song Udo Kier",
            "Tár Cate Blanchett,Nina Hoss"
        ]
    );
}

#[tokio::test]
async fn sources_meet_in_one_film_whichever_comes_first() {
    const FILMS: &str =
        "SELECT (id, title, released_on, runtime_minutes, genres, directors, cast_members, synopsis)::text
                         FROM catalog.movies ORDER BY 1";
    let (one, other) = (World::empty().await, World::empty().await);
    let (first, _) = import(&one, &untidy("films.jsonl")).await;
    let (second, refused) = import(&one, &untidy("box_office.csv")).await;
    assert_eq!((first.merged, second.merged), (0, 1));
    assert_eq!((second.read, second.written, second.refused), (10, 2, 7));
    assert_eq!(refused.keys().copied().collect::<Vec<_>>(), [5, 6, 7, 8, 9, 10, 11]);
    import(&other, &untidy("box_office.csv")).await;
    let (last, _) = import(&other, &untidy("films.jsonl")).await;
    assert_eq!(last.merged, 1);
    assert_eq!(one.texts(FILMS).await, other.texts(FILMS).await);
    let inception = one
        .texts(
            "SELECT title || runtime_minutes || synopsis FROM catalog.movies WHERE sort_title = 'inception'",
        )
        .await;
    assert_eq!(inception, ["Inception147Thieves of dreams."]);
    for file in ["films.jsonl", "box_office.csv"] {
        let (again, _) = import(&one, &untidy(file)).await;
        assert_eq!((again.written, again.merged), (0, 0), "{file}");
    }
}

#[tokio::test]
async fn a_row_that_says_something_new_is_written_over_the_old() {
    let world = World::empty().await;
    let path = std::env::temp_dir().join(format!("{}.csv", world.stores.redis().prefix));
    let mut titles = Vec::new();
    for minutes in ["90", "95"] {
        let text = format!("title,released_on,runtime_minutes\nNew Cut,1999-05-05,{minutes}\n");
        std::fs::write(&path, text).expect("a file can be written");
        let (counts, _) = import(&world, &path).await;
        assert_eq!(counts.written, 1);
        titles.extend(world.texts("SELECT id || ' ' || runtime_minutes FROM catalog.movies").await);
    }
    std::fs::remove_file(&path).expect("it is there");
    let (before, after) = (titles[0].split_once(' '), titles[1].split_once(' '));
    assert_eq!(before.map(|(id, _)| id), after.map(|(id, _)| id));
    assert_eq!(after.map(|(_, minutes)| minutes), Some("95"));
}

#[tokio::test]
async fn cities_are_told_apart_by_where_they_are() {
    let world = World::empty().await;
    let (counts, refused) = import(&world, &untidy("cities.csv")).await;
    assert_eq!(counts, Counts { read: 6, written: 3, merged: 0, unchanged: 0, refused: 3 });
    assert_eq!(refused[&4], "the same city as line 2");
    let (again, _) = import(&world, &untidy("cities.csv")).await;
    assert_eq!(again, Counts { read: 6, written: 0, merged: 0, unchanged: 3, refused: 3 });
}

#[tokio::test]
async fn theaters_stand_in_cities_that_are_known_and_say_whether_the_orphan_rule_is_on() {
    let world = World::empty().await;
    import(&world, &untidy("cities.csv")).await;
    let (counts, refused) = import(&world, &untidy("theaters.csv")).await;
    assert_eq!(counts, Counts { read: 6, written: 2, merged: 0, unchanged: 0, refused: 4 });
    assert_eq!(refused[&4], "the same theater as line 2");
    assert_eq!(refused[&5], "`orphan_rule` is neither true nor false: \"perhaps\"");
    assert_eq!(refused[&6], "there is no city called Atlantis in CO");
    assert_eq!(refused[&7], "there is more than one city called Brentwood in CA");
    let (again, _) = import(&world, &untidy("theaters.csv")).await;
    assert_eq!(again, Counts { read: 6, written: 0, merged: 0, unchanged: 2, refused: 4 });
    let rules = "SELECT name || ' ' || orphan_rule FROM catalog.theaters ORDER BY 1";
    assert_eq!(world.texts(rules).await, ["Odeon true", "Rialto false"]);
}

/// What a file does not say about a theater stays as it was; what it says reaches the shows that are published.
#[tokio::test]
async fn the_orphan_rule_of_a_theater_can_be_turned_on_and_off() {
    const RULES: &str = "SELECT DISTINCT t.name || ' ' || s.orphan_rule FROM catalog_published.shows s
        JOIN catalog.auditoriums a ON a.id = s.auditorium_id JOIN catalog.theaters t ON t.id = a.theater_id
        WHERE t.name LIKE 'Windrow%' OR s.orphan_rule ORDER BY 1";
    let world = World::demo().await;
    assert_eq!(world.texts(RULES).await, ["Blue Viaduct Cinema true", "Windrow Theater false"]);
    let path = std::env::temp_dir().join(format!("{}-theaters.csv", world.stores.redis().prefix));
    for (rule, then) in [("true", "true"), ("", "true"), ("false", "false")] {
        let text = format!("theater,city,state,orphan_rule\nWindrow Theater,Chicago,IL,{rule}\n");
        std::fs::write(&path, text).expect("a file can be written");
        import(&world, &path).await;
        catalog::demo::load(&world.config).await.expect("the demo loads");
        assert_eq!(world.texts(RULES).await[1], format!("Windrow Theater {then}"), "{rule:?}");
    }
    std::fs::remove_file(&path).expect("it is there");
}

#[tokio::test]
async fn a_file_of_no_known_shape_fails_and_the_others_are_imported() {
    let world = World::empty().await;
    let missing = untidy("no-such-file").display().to_string();
    let strange = untidy("../api/main.rs").display().to_string();
    let good = untidy("cities.csv").display().to_string();
    let outcome = catalog::import::run(&world.config, &[missing, strange, good]).await;
    let message = format!("{:#}", outcome.expect_err("two files fail"));
    assert!(message.contains("no-such-file: cannot be opened") && message.contains("main.rs: "), "{message}");
    assert_eq!(world.texts("SELECT name FROM catalog.cities").await.len(), 3);
    assert!(catalog::import::run(&world.config, &[]).await.is_err());
}

#[tokio::test]
async fn the_real_files_import_and_the_second_time_nothing_changes() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !data.is_dir() {
        println!(
            "the real files are not beside this repository: only the untidy ones of our own were imported"
        );
        return;
    }
    let world = World::demo().await;
    for (file, read_least) in [("films.jsonl", 3_000), ("box_office.csv", 3_000), ("cities.csv", 3_000)] {
        let (first, refused) = import(&world, &data.join(file)).await;
        assert!(first.read >= read_least && first.refused * 100 < first.read, "{file}: {first}");
        assert!(refused.values().all(|reason| !reason.is_empty()));
        let (second, refused_again) = import(&world, &data.join(file)).await;
        let expected = Counts { unchanged: first.read - first.refused, written: 0, merged: 0, ..first };
        assert_eq!((second, refused_again), (expected, refused), "{file}");
    }
    // The demo's facts stand where a source knows other ones, and the sources add what it does not know.
    let wall_e = world.texts("SELECT title || ' ' || runtime_minutes || ' ' || distributor FROM catalog.movies WHERE sort_title = 'wall e'").await;
    assert_eq!(wall_e, ["WALL·E 98 Walt Disney Pictures"]);
}
