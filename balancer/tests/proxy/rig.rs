//! Starts the compiled balancer on free ports with a configuration of its own, and talks to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::Future;
use reqwest::header::{HeaderMap, SET_COOKIE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::upstream::Upstream;

/// A condition that does not come true within this fails the test.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running balancer.
pub(crate) struct Rig {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) client: reqwest::Client,
    directory: PathBuf,
    /// What its file ends with, whatever the test writes.
    ending: String,
    child: Child,
}

/// One pool `main` of these endpoints, checked often, that serves every path.
pub(crate) fn config(upstreams: &[&Upstream]) -> String {
    config_at(&addresses(upstreams))
}

/// As [`config`], for endpoints of any kind.
pub(crate) fn config_at(addresses: &[SocketAddr]) -> String {
    format!(
        "{}\n[[routes]]\nmatch = \"/**\"\npool = \"main\"\n[[routes]]\nmatch = \"/cached/**\"\npool = \"main\"\ncache = true\n{}",
        "[edge]\ndrain_notice_seconds = 0\ndrain_sockets_seconds = 0\nnever = [\"/internal/**\", \"/metrics/**\"]\n",
        pool_at("main", addresses)
    )
}

pub(crate) fn pool(name: &str, upstreams: &[&Upstream]) -> String {
    pool_at(name, &addresses(upstreams))
}

fn addresses(upstreams: &[&Upstream]) -> Vec<SocketAddr> {
    upstreams.iter().map(|upstream| upstream.address).collect()
}

fn pool_at(name: &str, addresses: &[SocketAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    format!(
        "[pools.{name}]\nendpoints = {addresses:?}\nfirst_byte_ms = 2000\n\
         [pools.{name}.health]\ninterval_ms = 50\ntimeout_ms = 1000\nrise = 2\nfall = 2\nslow_start_seconds = 0\n"
    )
}

impl Rig {
    pub(crate) async fn start(config: &str) -> Self {
        let directory = directory();
        let log = format!("path = \"{}\"", directory.join("access.log").display());
        Self::start_in(directory, config, &log, |_| {}).await
    }

    /// With these keys for the access log; nobody reads the balancer's stdout.
    pub(crate) async fn start_with_log(config: &str, access_log: &str) -> Self {
        Self::start_in(directory(), config, access_log, |_| {}).await
    }

    /// With these variables in its environment, such as an address for TLS.
    pub(crate) async fn start_with(config: &str, environment: &[(&str, String)]) -> Self {
        let directory = directory();
        let log = format!("path = \"{}\"", directory.join("access.log").display());
        let adjust = |command: &mut Command| {
            command.envs(environment.iter().cloned());
        };
        Self::start_in(directory, config, &log, adjust).await
    }

    /// It has much to say on stderr, which nobody reads.
    pub(crate) async fn start_unheard(config: &str) -> Self {
        let talkative = |command: &mut Command| {
            command.env("RUST_LOG", "debug").stderr(Stdio::piped());
        };
        Self::start_in(directory(), config, "enabled = false", talkative).await
    }

    /// Its admin listener asks for this token.
    pub(crate) async fn start_with_token(config: &str, token: &str) -> Self {
        let directory = directory();
        let with_token = |command: &mut Command| {
            command.env("MARQUEE_BALANCER__LISTEN__ADMIN_TOKEN", token);
        };
        Self::start_in(directory, config, "enabled = false", with_token).await
    }

    async fn start_in(
        directory: PathBuf,
        config: &str,
        access_log: &str,
        adjust: impl FnOnce(&mut Command),
    ) -> Self {
        let (public, admin) = (free_address(), free_address());
        let file = directory.join("balancer.toml");
        let listen = format!("\n[listen]\npublic = \"{public}\"\nadmin = \"{admin}\"\n");
        let ending = format!("{listen}[access_log]\n{access_log}\n");
        std::fs::write(&file, format!("{config}{ending}")).expect("config written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_balancer"));
        command
            .arg("--config")
            .arg(&file)
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(directory.join("stderr.log")).expect("log"))
            .kill_on_drop(true);
        adjust(&mut command);
        let child = command.spawn().expect("balancer starts");
        let client = reqwest::Client::builder().timeout(PATIENCE).build().expect("client");
        let rig = Self { public, admin, client, directory, ending, child };
        let open = |address: SocketAddr| async move { TcpStream::connect(address).await.is_ok() };
        rig.until("its listeners are open", || async { open(public).await && open(admin).await }).await;
        rig
    }

    /// Writes another configuration into its file.
    pub(crate) fn write_config(&self, config: &str) {
        let file = self.directory.join("balancer.toml");
        std::fs::write(file, format!("{config}{}", self.ending)).expect("config written");
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.public)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.client.get(self.url(path))).await
    }

    /// As [`Rig::get`], with one header.
    pub(crate) async fn get_with(&self, path: &str, name: &str, value: &str) -> Answer {
        Answer::of(self.client.get(self.url(path)).header(name, value)).await
    }

    pub(crate) async fn admin(&self, path: &str) -> Answer {
        Answer::of(self.client.get(format!("http://{}{path}", self.admin))).await
    }

    /// The value of one metric line; 0 when there is none yet.
    pub(crate) async fn metric(&self, line: &str) -> u64 {
        let page = self.admin("/metrics").await.body;
        let found = page.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' '));
        found.map_or(0, |value| value.parse().expect("a number"))
    }

    /// Waits until this metric has this value: a request is counted after its client has the whole answer.
    pub(crate) async fn until_metric(&self, line: &str, value: u64) {
        self.until(&format!("{line} {value}"), || async { self.metric(line).await == value }).await;
    }

    /// Bytes in, bytes out until the balancer closes.
    pub(crate) async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.public).await.expect("connect");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        read.unwrap_or_else(|_| panic!("the balancer does not close after {request:?}")).expect("read");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Waits until a condition holds.
    pub(crate) async fn until<F: Future<Output = bool>>(&self, what: &str, mut condition: impl FnMut() -> F) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(waited.await.is_ok(), "never came true: {what}\n{}", self.stderr());
    }

    /// Waits until the status page shows an endpoint in this state.
    pub(crate) async fn until_state(&self, address: SocketAddr, state: &str) {
        let wanted = format!("\"address\":\"{address}\",\"weight\":1,\"state\":\"{state}\"");
        self.until(&wanted, || async { self.admin("/status").await.body.contains(&wanted) }).await;
    }

    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.directory.join("stderr.log")).unwrap_or_default()
    }

    pub(crate) fn access_log(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.directory.join("access.log")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().expect("running").to_string();
        let status = std::process::Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.expect("kill").success());
    }

    /// Another balancer that takes over, or tries to, with the configuration in this file of its directory.
    pub(crate) fn successor(&self, file: &str) -> Successor {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("successor-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let said = self.directory.join(format!("{name}.log"));
        let pid_file = self.directory.join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_balancer"));
        command
            .arg("--config")
            .arg(self.directory.join(file))
            .arg("--upgrade")
            .arg("--pid-file")
            .arg(&pid_file);
        command.env_remove("RUST_LOG").stdout(Stdio::null()).kill_on_drop(true);
        let child = command.stderr(std::fs::File::create(&said).expect("log")).spawn().expect("it starts");
        Successor { child, pid_file, said }
    }

    /// Another balancer takes over, and this one ends.
    pub(crate) async fn upgrade(&mut self) {
        let successor = self.successor("balancer.toml");
        self.replaced_by(successor).await;
    }

    /// This one takes over, and the one before it ends.
    pub(crate) async fn replaced_by(&mut self, successor: Successor) {
        self.until("the new one serves", || async { successor.serves() }).await;
        assert_eq!(self.exit_code().await, Some(0), "{}", self.stderr());
        self.child = successor.child;
    }

    /// Writes a file beside its configuration, made from that.
    pub(crate) fn write(&self, file: &str, change: impl FnOnce(String) -> String) {
        let config = std::fs::read_to_string(self.directory.join("balancer.toml")).expect("a file");
        std::fs::write(self.directory.join(file), change(config)).expect("written");
    }

    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        let exit = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        exit.expect("the balancer ends").expect("waited").code()
    }
}

/// One that is to take over.
pub(crate) struct Successor {
    pub(crate) child: Child,
    pid_file: PathBuf,
    said: PathBuf,
}

impl Successor {
    /// Whether it has said so.
    pub(crate) fn serves(&self) -> bool {
        let pid = self.child.id().map(|pid| format!("{pid}\n"));
        std::fs::read_to_string(&self.pid_file).ok() == pid && pid.is_some()
    }

    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.said).expect("its log")
    }

    /// How it ended, and its last words.
    pub(crate) async fn failed(mut self) -> String {
        let status =
            tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("waited");
        assert!(!status.success());
        self.said()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // What is left behind is a few small files in the system's own place for them.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A new directory for the files of one balancer.
pub(crate) fn directory() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("balancer-test-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("directory");
    directory
}

/// An address nobody listens on right now. Its port lies below those the system hands out by itself, because a
/// connect that waits for such a port to open can end up connected to itself, and then keeps it taken.
pub(crate) fn free_address() -> SocketAddr {
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 18_000;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) as u32;
        let port = FIRST + (std::process::id().wrapping_mul(97) + number) % COUNT;
        let address = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).expect("in range")));
        if std::net::TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        Self::try_of(request).await.expect("an answer")
    }

    pub(crate) async fn try_of(request: reqwest::RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, body: response.text().await? })
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The body of a problem; its members are checked for shape.
    pub(crate) fn problem(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem: serde_json::Value = serde_json::from_str(&self.body).expect("JSON");
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        for member in ["title", "detail", "code"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        }
        problem
    }

    /// The affinity cookie it sets, as `name=value`.
    pub(crate) fn affinity_cookie(&self) -> Option<String> {
        let cookies = self.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().expect("text"));
        let mut ours = cookies.filter(|cookie| cookie.starts_with("affinity="));
        ours.next().and_then(|cookie| cookie.split(';').next()).map(str::to_owned)
    }
}
