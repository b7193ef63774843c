//! The shortest walk of a buyer: from the popular list to a booked seat.

use std::fmt;

use anyhow::{Context, Result};
use domain::status::SeatStatus;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::buyer::Buyer;

/// What a walk came to.
#[derive(Debug)]
pub struct Walked {
    /// The film.
    pub title: String,
    /// The show.
    pub show_id: String,
    /// The seats.
    pub seats: Vec<String>,
    /// The booking.
    pub booking_id: String,
}

impl fmt::Display for Walked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { title, show_id, seats, booking_id } = self;
        write!(out, "booked {} of “{title}”: {booking_id} ({show_id})", seats.join(" and "))
    }
}

/// Buys the best two seats of the first show that has them, of the most popular film that is shown.
pub async fn walk(target: &str) -> Result<Walked> {
    let buyer = Buyer::new(target)?;
    let popular = buyer.get("/api/movies/popular?limit=10").await?.expect(StatusCode::OK)?;
    for movie in popular.list("movies")? {
        let id = movie["id"].as_str().context("a movie without an id")?;
        for show in upcoming(&buyer, id).await? {
            if let Some(mut walked) = buy(&buyer, &show).await? {
                movie["title"].as_str().unwrap_or_default().clone_into(&mut walked.title);
                return Ok(walked);
            }
        }
    }
    anyhow::bail!("no popular film has a show with two seats together")
}

/// The ids of a film's upcoming shows.
pub async fn upcoming(buyer: &Buyer, movie: &str) -> Result<Vec<String>> {
    let shows = buyer.get(&format!("/api/movies/{movie}/shows")).await?.expect(StatusCode::OK)?;
    let id = |show: &Value| show["id"].as_str().map(str::to_owned);
    Ok(shows.list("shows")?.iter().filter_map(id).collect())
}

/// Holds and confirms the best two seats of one show, seeing both steps on the live socket; nothing when there are none.
async fn buy(buyer: &Buyer, show: &str) -> Result<Option<Walked>> {
    let mut live = buyer.live(Some(show)).await?;
    live.next().await?;
    let held = buyer.post(&format!("/api/shows/{show}/holds"), &json!({ "best": 2 })).await?;
    if held.code() == "seats_unavailable" {
        return Ok(None);
    }
    let held = held.expect(StatusCode::CREATED)?;
    let seats: Vec<String> =
        held.list("seats")?.iter().filter_map(|seat| seat.as_str().map(str::to_owned)).collect();
    let first = seats.first().context("a hold without seats")?;
    live.until(first, SeatStatus::Held).await?;
    let booked = buyer.confirm(held.text("id")?, "ok").await?.expect(StatusCode::CREATED)?;
    live.until(first, SeatStatus::Booked).await?;
    let booking_id = booked.text("id")?.to_owned();
    Ok(Some(Walked { title: String::new(), show_id: show.to_owned(), seats, booking_id }))
}
