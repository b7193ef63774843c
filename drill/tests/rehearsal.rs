//! `drill faults` as a whole, on a fleet of its own: it breaks and mends, and leaves nothing behind, however it ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use drill::fleet::{Fleet, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Url;
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

const DRILL: &str = env!("CARGO_BIN_EXE_drill");
/// Different kinds, and no slow ones.
const KINDS: [&str; 8] = [
    "kill",
    "freeze",
    "balancer_kill",
    "postgres_immediate",
    "postgres_backends",
    "redis_flush",
    "pubsub_drop",
    "link_cut",
];
/// With it they hit what sells: reservations-2 is killed, and later cut off from the balancer; waitlist-1 stands still.
const SEED: &str = "4723";

/// One fleet at a time, in a directory of its own.
async fn alone(name: &str) -> (MutexGuard<'static, ()>, PathBuf) {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let guard = ALONE.lock().await;
    (guard, Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
}

/// The drill, with the programs beside it.
fn drill(directory: &Path, arguments: &[&str]) -> Child {
    let programs = std::env::var_os("MARQUEE_BIN_DIR")
        .map_or_else(|| Path::new(DRILL).parent().unwrap().to_owned(), PathBuf::from);
    Command::new(DRILL)
        .args(["faults", "--run", concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/run"), "--directory"])
        .arg(directory)
        .args(arguments)
        .env("MARQUEE_BIN_DIR", programs)
        .env("MARQUEE_STOP_SECONDS", "5")
        .env("MARQUEE_RESERVATIONS__HOLD_SECONDS", "5")
        .env("MARQUEE_WAITLIST__OFFER_SECONDS", "4")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What is there while a fleet runs: its processes, and the ports of its servers.
struct Traces {
    pids: Vec<i32>,
    ports: Vec<u16>,
}

/// Waits for the fleet, and notes what there is.
async fn traces(drill: &mut Child, home: &Path) -> Traces {
    let fleet = until("the fleet to be there", async || {
        anyhow::ensure!(drill.try_wait()?.is_none(), "the drill ended before its fleet was there");
        Ok(Fleet::from_directory(home).ok())
    })
    .await
    .unwrap();
    let names = std::fs::read_dir(home.join("pids")).unwrap().map(|entry| entry.unwrap().path());
    let names = names.filter(|path| path.extension().is_some_and(|extension| extension == "pid"));
    let pids: Vec<i32> =
        names.map(|path| fleet.pid(path.file_stem().unwrap().to_str().unwrap()).unwrap()).collect();
    assert!(pids.len() >= 10, "seven services, the balancer and two servers: {pids:?}");
    let links = std::fs::read_to_string(home.join("links")).unwrap();
    let ports = links.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    Traces { pids, ports }
}

impl Traces {
    fn left(&self) -> Option<String> {
        let runs = |pid: &&i32| kill(Pid::from_raw(**pid), None).is_ok();
        let listens = |port: &&u16| TcpStream::connect(("127.0.0.1", **port)).is_ok();
        let pid = self.pids.iter().find(runs).map(|pid| format!("process {pid}"));
        pid.or_else(|| self.ports.iter().find(listens).map(|port| format!("port {port}")))
    }

    async fn expect_gone(&self, home: &Path) {
        until("everything to be gone", async || Ok(self.left().is_none().then_some(()))).await.unwrap();
        until("the run to end", async || Ok((!home.join("lock").exists()).then_some(()))).await.unwrap();
    }
}

/// Waits until the fleet's Prometheus answers what dashboards ask about faults.
async fn expect_marked(home: &Path) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/grafana/dashboards/on-sale.json");
    let page: Value = serde_json::from_slice(&std::fs::read(page).unwrap()).unwrap();
    let annotations = page["annotations"]["list"].as_array().unwrap();
    let faults = annotations.iter().find(|annotation| annotation["name"] == "drill fault").unwrap();
    let fleet = Fleet::from_directory(home).unwrap();
    let query = format!("{}/api/v1/query", fleet.variable("MARQUEE_PROMETHEUS_URL").unwrap());
    let query = Url::parse_with_params(&query, [("query", faults["expr"].as_str().unwrap())]).unwrap();
    let marked = until("a fault to be marked", async || {
        let answer: Value = serde_json::from_str(&reqwest::get(query.clone()).await?.text().await?)?;
        Ok(answer["data"]["result"].as_array().and_then(|marked| marked.first().cloned()))
    });
    let metric = marked.await.unwrap()["metric"].clone();
    assert!(KINDS.iter().any(|kind| metric["kind"] == **kind) && metric["part"].is_string(), "{metric}");
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn signal(drill: &Child, signal: Signal) {
    kill(Pid::from_raw(drill.id().try_into().unwrap()), signal).unwrap();
}

#[tokio::test]
async fn after_eight_kinds_of_faults_the_fleet_is_whole_and_history_is_sound() {
    let (_guard, directory) = alone("faults").await;
    let kinds = KINDS.join(",");
    let arguments = ["--seed", SEED, "--faults", "8", "--rate", "20", "--kinds", &kinds, "--observe"];
    let mut drill = drill(&directory, &arguments);
    let traces = traces(&mut drill, &directory.join("fleet")).await;
    expect_marked(&directory.join("fleet")).await;
    let output = drill.wait_with_output().unwrap();
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    for kind in KINDS {
        assert!(said.lines().any(|line| line.contains(kind) && line.contains(": whole ")), "{kind}: {said}");
    }
    assert!(said.contains("every invariant holds") && said.contains(&format!("--seed {SEED} ")), "{said}");
    traces.expect_gone(&directory.join("fleet")).await;
    assert!(!directory.join("fleet/prometheus/drill.json").exists(), "nobody is to ask a drill that is over");
}

#[tokio::test]
async fn ctrl_c_stops_the_fleet() {
    let (_guard, directory) = alone("interrupted").await;
    let mut drill = drill(&directory, &["--faults", "1000"]);
    let traces = traces(&mut drill, &directory.join("fleet")).await;
    signal(&drill, Signal::SIGINT);
    let output = drill.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert!(said(&output).contains("stopped as asked"), "{}", said(&output));
    assert_eq!(traces.left(), None);
}

#[tokio::test]
async fn a_drill_that_is_killed_takes_its_fleet_with_it_even_a_frozen_one() {
    let (_guard, directory) = alone("killed").await;
    let home = directory.join("fleet");
    let mut drill = drill(&directory, &["--faults", "1000"]);
    let traces = traces(&mut drill, &home).await;
    Fleet::from_directory(&home).unwrap().signal("catalog-2", Signal::SIGSTOP).unwrap();
    drill.kill().unwrap();
    drill.wait().unwrap();
    traces.expect_gone(&home).await;
}
