//! Every row of the bench, for a moment and with tiny numbers, so that it cannot rot. Needs a fleet: see `drill::fleet`.
//!
//! What a figure is proves nothing here, only that there is one. Peers that are not installed are said and left out.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod alone;
mod script;
mod with_fleet;

use std::path::{Path, PathBuf};

use drill::bench::settings::{Row, Settings};
use drill::bench::table::Table;
use tokio::sync::Mutex;

/// Rows that want the fleet take turns: they would buy each other's seats.
static FLEET: Mutex<()> = Mutex::const_new(());

/// As short as the peers allow.
fn settings(row: Row) -> Settings {
    Settings {
        rows: vec![row],
        rounds: 1,
        seconds: 0.3,
        connections: 4,
        buyers: 8,
        contenders: 200,
        joiners: 100,
        queued: 400,
        sockets: vec![40],
        bookings: 2_000,
        data: None,
        out: None,
        bin_dir: bin_dir(),
        root: Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
        profile: "test".to_owned(),
    }
}

/// Where the programs are: those of the environment, or where cargo has put this very build of everything.
fn bin_dir() -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_drill")).parent().map(PathBuf::from).unwrap();
    std::env::var_os("MARQUEE_BIN_DIR").map_or(built, PathBuf::from)
}

/// Measures one row, and checks that everybody who is here has figures.
async fn measured(row: Row) -> Table {
    let table = drill::bench::run(&settings(row)).await.unwrap();
    assert!(table.whole(), "{table}");
    for entry in table.blocks.iter().flat_map(|block| &block.entries) {
        match &entry.figures {
            None => eprintln!("{} is left out: {}", entry.name, entry.note),
            Some(figures) => {
                assert!(figures.rate > 0.0, "{table}");
                assert!(figures.cpu_us.is_some_and(|cpu| cpu > 0.0), "{}: {table}", entry.name);
            }
        }
    }
    table
}

/// The names in each block, in the table's order.
fn names(table: &Table) -> Vec<Vec<&str>> {
    table.blocks.iter().map(|block| block.entries.iter().map(|entry| entry.name.as_str()).collect()).collect()
}
