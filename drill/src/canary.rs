//! A canary: it watches seats as a buyer's page does, compares what it is shown with what Postgres says, and tells Prometheus for how long
//! they have differed. It changes nothing.
//!
//! Of each show it watches one live socket, through the balancer. Four times a second it reads the claims of those shows; a seat that
//! is shown otherwise ages from the first look that found it so. The age of a show's view is that of its oldest such seat.

mod age;
mod metrics;
mod socket;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::id::{SeatId, ShowId};
use domain::live::Seats;
use domain::status::SeatStatus;
use reqwest::StatusCode;
use tokio::net::TcpListener;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_postgres::{Client, Row};

use self::age::Ages;
use self::metrics::Metrics;
use self::socket::View;
use crate::books;
use crate::buyer::Buyer;
use crate::page;
use crate::walk::upcoming;

/// Between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(250);
/// How long a look may take, and how long after one that failed the next begins.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);
/// After so long others may be popular.
const PROGRAM: Duration = Duration::from_mins(10);
/// Films whose shows are watched, at most.
const FILMS_MAX: usize = 50;

/// What it watches, and where it tells.
#[derive(Debug, clap::Args)]
pub struct Settings {
    /// The balancer
    #[arg(long, env = "MARQUEE_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The database behind it
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Where Prometheus asks
    #[arg(long, env = "MARQUEE_DRILL__LISTEN", default_value = "127.0.0.1:7501")]
    listen: String,
    /// Shows that are watched, of the most popular films
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=200))]
    shows: u16,
}

/// Watches until it is stopped.
pub async fn watch(settings: &Settings) -> Result<()> {
    let canary = Metrics::new()?;
    let listener = TcpListener::bind(&settings.listen).await.context("the canary cannot listen")?;
    tokio::spawn(page::serve(listener, canary.registry.clone()));
    loop {
        if let Err(error) = watch_program(settings, &canary).await {
            canary.failed(&error);
            sleep(PAUSE).await;
        }
    }
}

/// The shows of the hour, until others may be.
async fn watch_program(settings: &Settings, canary: &Metrics) -> Result<()> {
    let client = books::connect(&settings.database_url).await?;
    let shows = popular(&settings.url, settings.shows.into()).await?;
    let mut views: Vec<_> =
        shows.iter().map(|show| (View::open(&settings.url, show), Ages::default())).collect();
    let names: Vec<_> = shows.iter().map(ShowId::as_str).collect();
    let until = Instant::now() + PROGRAM;
    let mut looks = interval(LOOK_PAUSE);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < until {
        looks.tick().await;
        let truth =
            timeout(LOOK_TIMEOUT, claims(&client, &names)).await.context("the look takes too long")??;
        let now = Instant::now();
        for ((view, ages), show) in views.iter_mut().zip(&shows) {
            // Before its first picture a page shows nothing, and nothing wrong.
            let Some(picture) = view.shown() else { continue };
            canary.looked(ages.look(now.into_std(), &seats_of(&truth, show), &picture));
        }
        canary.watching(views.iter().filter(|(view, _)| view.connected()).count());
    }
    Ok(())
}

/// Shows of the most popular films, as many as wanted where there are so many: one of each, then a second one of each…
async fn popular(url: &str, wanted: usize) -> Result<Vec<ShowId>> {
    let buyer = Buyer::new(url)?;
    let popular =
        buyer.get(&format!("/api/movies/popular?limit={FILMS_MAX}")).await?.expect(StatusCode::OK)?;
    let mut of_films = Vec::new();
    for movie in popular.list("movies")?.iter().take(wanted) {
        let movie = movie["id"].as_str().context("a film without an id")?;
        of_films.push(upcoming(&buyer, movie).await?.into_iter());
    }
    let mut shows = Vec::new();
    while shows.len() < wanted {
        let round: Vec<_> = of_films.iter_mut().filter_map(Iterator::next).collect();
        if round.is_empty() {
            break;
        }
        for show in round {
            shows.push(ShowId::parse(&show)?);
        }
    }
    shows.truncate(wanted);
    ensure!(!shows.is_empty(), "no popular film has a show to watch");
    Ok(shows)
}

/// What is not free of these shows, by the database's clock.
async fn claims(client: &Client, shows: &[&str]) -> Result<Vec<(ShowId, SeatId, SeatStatus)>> {
    let find = "SELECT show_id, seat_id, status = 'booked' AS booked FROM reservations.claims
                WHERE show_id = ANY($1) AND (status = 'booked' OR expires_at > clock_timestamp())";
    client.query(find, &[&shows]).await?.iter().map(claim).collect()
}

fn claim(row: &Row) -> Result<(ShowId, SeatId, SeatStatus)> {
    let status = if row.get("booked") { SeatStatus::Booked } else { SeatStatus::Held };
    Ok((ShowId::parse(row.get::<_, &str>("show_id"))?, SeatId::parse(row.get::<_, &str>("seat_id"))?, status))
}

fn seats_of(claims: &[(ShowId, SeatId, SeatStatus)], of: &ShowId) -> Seats {
    let of_show = claims.iter().filter(|(show, ..)| show == of);
    of_show.map(|(_, seat, status)| (seat.clone(), *status)).collect()
}
