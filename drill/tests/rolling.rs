//! `drill rolling` as a whole, for a moment: everything but the length is as in the run whose figure the README has.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const DRILL: &str = env!("CARGO_BIN_EXE_drill");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn drill(directory: &Path, json: &Path) -> Output {
    let programs = std::env::var_os("MARQUEE_BIN_DIR")
        .map_or_else(|| Path::new(DRILL).parent().unwrap().to_owned(), PathBuf::from);
    Command::new(DRILL)
        .args(["rolling", "--seed", "5", "--rounds", "1", "--kills", "2", "--rate", "200"])
        // One of each pool: the others are their doubles.
        .args(["--buyers", "64", "--services", "catalog-1,reservations-2,waitlist-1"])
        .args(["--run", &format!("{ROOT}/scripts/run"), "--upgrade", &format!("{ROOT}/scripts/upgrade")])
        .arg("--directory")
        .arg(directory)
        .arg("--json")
        .arg(json)
        .env("MARQUEE_BIN_DIR", programs)
        .env("MARQUEE_STOP_SECONDS", "5")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// How many requests of a kind were answered how, in a part of the run.
fn answered(report: &Value, part: &str, step: &str, status: &str) -> u64 {
    let rows = report[part]["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["step"] == step);
    row.and_then(|row| row["answers"][status].as_u64()).unwrap_or_default()
}

#[test]
fn nothing_fails_while_services_restart_the_balancer_is_upgraded_and_instances_are_killed() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rolling");
    std::fs::create_dir_all(&directory).unwrap();
    let json = directory.join("report.json");
    let output = drill(&directory, &json);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let (rolled, killed) = (&report["rolled"], &report["killed"]);
    assert_eq!(
        (&rolled["restarts"], &rolled["upgrades"], &killed["kills"]),
        (&3.into(), &1.into(), &2.into())
    );
    for part in ["rolled", "killed"] {
        assert_eq!(report[part]["failed"], 0, "{said}");
        for (step, status) in
            [("page", "200"), ("seats", "200"), ("lines", "200"), ("hold", "201"), ("confirm", "201")]
        {
            assert!(answered(&report, part, step, status) > 0, "{part}: no {step} with {status}: {said}");
        }
    }
}
