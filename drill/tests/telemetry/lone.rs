//! Programs by themselves that are told something wrong, and asked nevertheless.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use drill::buyer::Buyer;
use drill::fleet::run::free_ports;
use drill::fleet::until;
use reqwest::Method;

use crate::planted::{MARK, NUMBER, Said};
use crate::stage::{FILTER, Stage, admin_token, programs, root};
use crate::story::TRACE;

/// A program, where it listens when it is told so, and what it is asked.
const ASKED: [(&str, &str); 4] = [
    ("catalog", "/api/movies"),
    ("reservations", "/api/holds/hold_1"),
    ("waitlist", "/api/waitlist/entry_1"),
    ("cache-warmer", "/readyz"),
];

/// What is said where stores are named wrongly.
pub(crate) async fn troubles(stage: &Stage) -> Vec<Said> {
    let stores = |name: &str| reqwest::Url::parse(stage.fleet.variable(name).unwrap()).unwrap();
    let (mut postgres, mut redis) = (stores("DATABASE_URL"), stores("REDIS_URL"));
    postgres.set_path("/nowhere");
    postgres.set_password(Some(&format!("{MARK}-of-postgres"))).unwrap();
    redis.set_password(Some(&format!("{MARK}-of-redis"))).unwrap();
    let mut said = Vec::new();
    for (program, path) in ASKED {
        said.extend(asked_in_vain(program, path, postgres.as_str(), redis.as_str()).await);
        said.push(refused(program, &[("DATABASE_URL", NUMBER), ("REDIS_URL", NUMBER)]));
        said.push(refused(program, &[("DATABASE_URL", &format!("nothing://{MARK}@")), ("REDIS_URL", MARK)]));
    }
    said.push(balancer_without_redis(redis.as_str()).await);
    for (key, wrong) in [
        ("MARQUEE_BALANCER__LISTEN__ADMIN_TOKEN", NUMBER),
        ("MARQUEE_BALANCER__LISTEN__ADMIN_TOKEN", "tattletale with spaces"),
        ("MARQUEE_BALANCER__AFFINITY__KEYS", MARK),
        ("MARQUEE_BALANCER__PURGE__REDIS_URL", MARK),
        ("MARQUEE_BALANCER__LIMITS__REDIS_URL", NUMBER),
    ] {
        said.push(refused("balancer", &[(key, wrong)]));
    }
    said
}

/// A program whose database does not exist and whose Redis refuses it: its answers, its metrics, its log.
async fn asked_in_vain(program: &str, path: &str, postgres: &str, redis: &str) -> Vec<Said> {
    let port = free_ports(0..1).unwrap();
    let variable = format!("MARQUEE_{}__LISTEN", program.to_uppercase().replace('-', "_"));
    let mut command = command(program);
    command
        .env("DATABASE_URL", postgres)
        .env("REDIS_URL", redis)
        .env("MARQUEE_SESSION_KEY", format!("{MARK}-session-key-0123456789-0123456789"))
        .env("MARQUEE_TICKET_KEY", crate::planted::TICKET_KEY)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        .env(variable, format!("127.0.0.1:{port}"));
    let mut child = Stopped(command.spawn().unwrap());
    let client = Buyer::new(&format!("http://127.0.0.1:{port}")).unwrap();
    let answer = until("an answer", async || Ok(client.fetch(Method::GET, path, &[], None).await.ok())).await;
    let traced = [("traceparent", TRACE)];
    let metrics = until("spans to be counted that nobody takes", async || {
        client.fetch(Method::GET, "/nothing", &traced, None).await?;
        let metrics = client.fetch(Method::GET, "/metrics", &[], None).await?;
        let none = "marquee_trace_spans_dropped_total{reason=\"collector\"} 0\n";
        Ok((!metrics.text.contains(none)).then_some(metrics))
    })
    .await
    .unwrap();
    vec![
        (format!("{program}'s answer"), answer.unwrap().text),
        (format!("{program}'s metrics"), metrics.text),
        (format!("{program} in trouble"), child.said()),
    ]
}

/// A balancer whose Redis refuses it.
async fn balancer_without_redis(redis: &str) -> Said {
    let port = free_ports(0..1).unwrap();
    let mut command = command("balancer");
    command
        .env("MARQUEE_BALANCER__LISTEN__PUBLIC", format!("127.0.0.1:{port}"))
        .env("MARQUEE_BALANCER__LISTEN__ADMIN", format!("127.0.0.1:{}", port + 1))
        .env("MARQUEE_BALANCER__LISTEN__ADMIN_TOKEN", admin_token())
        .env("MARQUEE_BALANCER__PURGE__REDIS_URL", redis)
        .env("MARQUEE_BALANCER__LIMITS__REDIS_URL", redis);
    let mut child = Stopped(command.spawn().unwrap());
    let admin = Buyer::new(&format!("http://127.0.0.1:{}", port + 1)).unwrap();
    let asked = async || {
        Ok(admin.fetch(Method::GET, "/status.json", &[("authorization", "Bearer wrong")], None).await.ok())
    };
    let answer = until("an answer", asked).await.unwrap();
    ("a balancer in trouble".to_owned(), answer.text + &child.said())
}

/// What a program says to settings that it does not take, or takes and cannot use.
fn refused(program: &str, settings: &[(&str, &str)]) -> Said {
    let output = command(program).arg("--check").envs(settings.iter().copied()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (format!("{program} --check with {settings:?}"), String::from_utf8_lossy(&text).into_owned())
}

fn command(program: &str) -> Command {
    let mut command = Command::new(programs().join(program));
    command
        .current_dir(root())
        .env("RUST_LOG", FILTER)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A program that is stopped when this is dropped.
struct Stopped(Child);

impl Stopped {
    /// Stops it: all that it said.
    fn said(&mut self) -> String {
        drop(self.0.kill());
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
