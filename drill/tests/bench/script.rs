//! `scripts/bench` and the rows it knows.

use std::process::Command;

use drill::bench::settings::Row;

#[test]
fn the_script_knows_every_row() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/bench");
    let said = Command::new(script).arg("--list").output().unwrap();
    let listed = String::from_utf8(said.stdout).unwrap();
    assert_eq!(listed.lines().collect::<Vec<_>>(), Row::ALL.map(Row::name));
    let help = Command::new(script).arg("--help").output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    assert!(Row::ALL.iter().all(|row| help.contains(&format!("\n  {:9} ", row.name()))), "{help}");
}

#[test]
fn an_unknown_row_is_refused_in_one_line() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/bench");
    let said = Command::new(script).arg("nonsense").output().unwrap();
    let complaint = String::from_utf8(said.stderr).unwrap();
    assert!(!said.status.success() && complaint.lines().count() == 1, "{complaint}");
    assert!(complaint.contains("nonsense") && complaint.contains("watching"), "{complaint}");
}
