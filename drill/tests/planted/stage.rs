//! A fleet of our own whose wires to Postgres and Redis are in our hands: real programs, real servers, a saboteur between.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use domain::id::{SeatId, ShowId};
use domain::status::HoldStatus;
use drill::books::{Books, Ledger};
use drill::buyer::Buyer;
use drill::checker::{Verdict, judge};
use drill::faults::link::Link;
use drill::fleet::run::{Run, free_ports};
use drill::fleet::{Fleet, until};
use drill::history::Recorder;
use drill::walk::upcoming;
use reqwest::Url;
use tokio_postgres::NoTls;

use crate::sabotage::{Sabotage, Saboteur};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
/// Seats of a show that a scene can use.
const SEATS_MIN: usize = 30;

/// The fleet, and all that is ours around it.
pub(crate) struct Stage {
    // In this order: the fleet goes while its wires are still there.
    run: Run,
    pub(crate) fleet: Fleet,
    pub(crate) saboteur: Saboteur,
    postgres: Link,
    redis: Link,
    servers: Servers,
    shows: Vec<(ShowId, Vec<SeatId>)>,
}

/// Where one play is given, and who watches it.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) url: String,
    pub(crate) recorder: Recorder,
    pub(crate) show: ShowId,
    pub(crate) seats: Vec<SeatId>,
}

/// Real servers, a database of our own in one and keys of our own in the other.
struct Servers {
    server_url: Url,
    database: String,
    redis_url: Url,
}

impl Servers {
    fn new() -> Result<Self> {
        let url = |names: [&str; 2]| {
            let found = names.iter().find_map(|name| std::env::var(name).ok());
            let found =
                found.with_context(|| format!("set {}, or run this through scripts/test", names[0]))?;
            Url::parse(&found).with_context(|| format!("{found} is no URL"))
        };
        Ok(Self {
            server_url: url(["MARQUEE_TEST_DATABASE_URL", "DATABASE_URL"])?,
            redis_url: url(["MARQUEE_TEST_REDIS_URL", "REDIS_URL"])?,
            database: format!("planted_{}", std::process::id()),
        })
    }

    fn database_url(&self) -> Url {
        let mut url = self.server_url.clone();
        url.set_path(&self.database);
        url
    }

    async fn say(&self, sql: &str) -> Result<()> {
        Self::say_to(&self.server_url, sql).await
    }

    async fn say_to(url: &Url, sql: &str) -> Result<()> {
        let (client, connection) = tokio_postgres::connect(url.as_str(), NoTls).await?;
        let connection = tokio::spawn(connection);
        client.batch_execute(sql).await.with_context(|| sql.to_owned())?;
        drop(client);
        Ok(connection.await??)
    }

    /// Removes what was ours.
    async fn forget(&self) -> Result<()> {
        self.say(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database)).await?;
        let mut redis = drill::stores::redis(self.redis_url.as_str()).await?;
        let ours: Vec<String> =
            redis::cmd("KEYS").arg(format!("{}:*", self.database)).query_async(&mut redis).await?;
        if !ours.is_empty() {
            redis::cmd("DEL").arg(ours).exec_async(&mut redis).await?;
        }
        Ok(())
    }
}

impl Stage {
    /// Starts it all.
    pub(crate) async fn open() -> Result<Self> {
        let servers = Servers::new()?;
        servers.forget().await?;
        servers.say(&format!("CREATE DATABASE {}", servers.database)).await?;
        let saboteur = Saboteur::default();
        let ears = saboteur.clone();
        let postgres =
            Link::rewriting(ANY, address(&servers.server_url, 5432).await?, move || ears.rewriter()).await?;
        let redis = Link::start(ANY, address(&servers.redis_url, 6379).await?).await?;
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("planted");
        let mut run = start(&servers, &home, &postgres, &redis)?;
        run.until_exists(&home.join("fleet.env")).await?;
        // The drives name seats by number, and leave some alone.
        Servers::say_to(&servers.database_url(), "UPDATE catalog.theaters SET orphan_rule = false").await?;
        let fleet = Fleet::from_directory(&home)?;
        let shows = shows(&fleet).await?;
        Ok(Self { run, fleet, saboteur, postgres, redis, servers, shows })
    }

    /// Stops it all.
    pub(crate) async fn close(self) -> Result<()> {
        let Self { run, servers, .. } = self;
        run.stop_in_order()?;
        servers.forget().await
    }

    /// A show that nobody has touched.
    pub(crate) fn scene(&mut self, recorder: &Recorder) -> Scene {
        let (show, seats) = self.shows.pop().expect("the demo catalogue has more shows");
        Scene { url: self.fleet.url.clone(), recorder: recorder.clone(), show, seats }
    }

    /// Gives the saboteur an order, and has every statement prepared anew, for it is then that they are changed.
    pub(crate) async fn order(&self, sabotage: Option<Sabotage>) -> Result<()> {
        self.saboteur.order(sabotage);
        renew(&self.postgres).await?;
        self.fleet.whole().await?;
        for instance in ["reservations-1", "reservations-2", "waitlist-1", "waitlist-2"] {
            let path = if instance.starts_with("waitlist") { "/api/waitlist" } else { "/api/bookings" };
            let buyer = Buyer::new(&self.fleet.instance_url(instance)?)?;
            until(&format!("{instance} to reach postgres"), async || {
                Ok(buyer.get(path).await.is_ok_and(|answer| answer.status == 200).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// Takes Redis away, or gives it back.
    pub(crate) async fn redis(&self, there: bool) -> Result<()> {
        if there {
            self.redis.heal();
        } else {
            self.redis.cut();
        }
        until("the fleet to notice that of redis", async || {
            Ok(((self.redis.carried().connections_open > 0) == there).then_some(()))
        })
        .await
    }

    /// Plays, until every seat is at rest again, and judges.
    pub(crate) async fn judged(
        &self,
        recorder: &Recorder,
        shows: HashSet<ShowId>,
        play: impl Future<Output = ()>,
    ) -> Result<Verdict> {
        let url = self.servers.database_url();
        let ledger = Ledger::watch(url.as_str());
        play.await;
        at_rest(url.as_str(), &shows).await?;
        let books = Books::after(url.as_str(), ledger).await?;
        Ok(judge(&recorder.history(), &books.of_shows(&shows)))
    }
}

/// Returns once nothing of these shows waits for a deadline.
async fn at_rest(url: &str, shows: &HashSet<ShowId>) -> Result<()> {
    until("every hold to be over", async || {
        let books = Books::read(url).await?.of_shows(shows);
        let waiting = books.holds.iter().any(|hold| hold.status == HoldStatus::OnHold)
            || books.escrows.iter().any(|escrow| escrow.open && !escrow.seats.is_empty());
        Ok((!waiting).then_some(()))
    })
    .await
}

/// Ends every connection of a link, so that its clients make new ones.
async fn renew(link: &Link) -> Result<()> {
    link.cut();
    let ended = async || Ok((link.carried().connections_open == 0).then_some(()));
    until("every connection to end", ended).await?;
    link.heal();
    Ok(())
}

async fn address(url: &Url, port: u16) -> Result<SocketAddr> {
    let host = (url.host_str().context("a URL without a host")?, url.port().unwrap_or(port));
    tokio::net::lookup_host(host).await?.next().context("a host without an address")
}

/// `scripts/run`, with our links where the servers should be.
fn start(servers: &Servers, home: &Path, postgres: &Link, redis: &Link) -> Result<Run> {
    let through = |mut url: Url, link: &Link| {
        let moved =
            url.set_host(Some("127.0.0.1")).is_ok() && url.set_port(Some(link.address().port())).is_ok();
        moved.then_some(url).context("a URL that cannot be moved")
    };
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/run"));
    command
        .env("MARQUEE_BIN_DIR", programs()?)
        .env("MARQUEE_STOP_SECONDS", "5")
        .env("DATABASE_URL", through(servers.database_url(), postgres)?.as_str())
        .env("REDIS_URL", through(servers.redis_url.clone(), redis)?.as_str())
        .env("MARQUEE_RESERVATIONS__HOLD_SECONDS", "2")
        .env("MARQUEE_RESERVATIONS__EXTENSION_SECONDS", "2")
        .env("MARQUEE_RESERVATIONS__PAYMENT_GRACE_SECONDS", "1")
        .env("MARQUEE_RESERVATIONS__ESCROW_SECONDS", "5")
        // As often as may be: two sweepers that do not keep out of each other's way meet soon.
        .env("MARQUEE_RESERVATIONS__SWEEP_INTERVAL_MS", "10")
        .env("MARQUEE_WAITLIST__OFFER_SECONDS", "2");
    for program in ["CATALOG", "RESERVATIONS", "WAITLIST", "CACHE_WARMER"] {
        command.env(format!("MARQUEE_{program}__REDIS__PREFIX"), &servers.database);
    }
    let ports = free_ports(0..0)?;
    std::fs::create_dir_all(home)?;
    Run::start(command, ports, home, &home.join("run.log"))
}

/// Where the programs are: as given, or beside our own.
fn programs() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("MARQUEE_BIN_DIR") {
        return Ok(given.into());
    }
    Ok(Path::new(env!("CARGO_BIN_EXE_drill")).parent().context("a program without a directory")?.to_owned())
}

/// Shows with enough seats, and their seats.
async fn shows(fleet: &Fleet) -> Result<Vec<(ShowId, Vec<SeatId>)>> {
    let buyer = fleet.buyer()?;
    let popular = buyer.get("/api/movies/popular?limit=20").await?;
    let mut shows = Vec::new();
    for movie in popular.list("movies")? {
        for show in upcoming(&buyer, movie["id"].as_str().context("a movie without an id")?).await? {
            let seats = seats(&buyer, &show).await?;
            if seats.len() >= SEATS_MIN {
                shows.push((ShowId::parse(show)?, seats));
            }
        }
        if shows.len() > 20 {
            break;
        }
    }
    Ok(shows)
}

async fn seats(buyer: &Buyer, show: &str) -> Result<Vec<SeatId>> {
    let map = buyer.get(&format!("/api/shows/{show}/seat-map")).await?;
    let rows = map.list("rows")?.iter().filter_map(|row| row["seats"].as_array());
    let standard = rows.flatten().filter(|seat| seat["kind"] == "standard");
    Ok(standard.filter_map(|seat| seat["id"].as_str().and_then(|id: &str| SeatId::parse(id).ok())).collect())
}
