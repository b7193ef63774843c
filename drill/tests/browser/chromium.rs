//! A chromedriver of one's own, and browsers that share nothing with each other.

use std::process::Stdio;
use std::time::Duration;

use fantoccini::{Client, ClientBuilder};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Phones are this wide.
pub(crate) const PHONE: (u32, u32) = (360, 740);
pub(crate) const DESKTOP: (u32, u32) = (1280, 900);
/// How long a browser may take to show something.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// One chromedriver; its browsers end with it.
pub(crate) struct Driver {
    process: Child,
    url: String,
}

impl Driver {
    /// Starts one on a free port, which it says itself.
    pub(crate) async fn start() -> Self {
        let mut process = Command::new("chromedriver")
            .args(["--port=0", "--log-level=WARNING"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is installed (scripts/test does that)");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port: u16 = loop {
            let line = lines.next_line().await.unwrap().expect("chromedriver says its port");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').parse().unwrap();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { process, url: format!("http://127.0.0.1:{port}") }
    }

    /// A browser that was never here before.
    pub(crate) async fn browser(&self, (width, height): (u32, u32)) -> Client {
        let mut arguments = vec![
            "--headless".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--no-first-run".to_owned(),
            format!("--window-size={width},{height}"),
        ];
        if nix::unistd::Uid::effective().is_root() {
            // Chromium's sandbox refuses to run as root; the pages are our own.
            arguments.push("--no-sandbox".to_owned());
        }
        let mut capabilities = Map::new();
        capabilities.insert("goog:chromeOptions".to_owned(), json!({ "args": arguments }));
        capabilities.insert("goog:loggingPrefs".to_owned(), json!({ "browser": "SEVERE" }));
        ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities)
            .connect(&self.url)
            .await
            .expect("chromium starts")
    }

    /// Ends it and all its browsers.
    pub(crate) async fn stop(mut self, browsers: Vec<Client>) {
        for browser in browsers {
            browser.close().await.unwrap();
        }
        self.process.kill().await.unwrap();
    }
}

/// Runs a script in the page.
pub(crate) async fn run(browser: &Client, script: &str) -> Value {
    browser.execute(script, Vec::new()).await.unwrap()
}
