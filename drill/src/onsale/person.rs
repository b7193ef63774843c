//! A person's visit: in by the front page, to the film, to the show, to a seat.

use super::holding;
use super::line;
use super::paying;
use super::visit::{Gone, Visit};
use super::watcher::Watcher;
use crate::history::Step;

/// What private answers set.
const SESSION: &str = "session";

/// From the front page to the end, whatever that is.
pub(super) async fn come(mut visit: Visit) -> Result<(), Gone> {
    browse(&mut visit).await?;
    let mut watcher = Watcher::start(&visit.sale, visit.number, &visit.buyer, &visit.show().id);
    match holding::take_seats(&mut visit, &watcher).await? {
        Some(held) => paying::decide(&mut visit, &mut watcher, held).await,
        None => line::wait(&mut visit, &mut watcher).await,
    }
}

/// The pages on the way to a show.
async fn browse(visit: &mut Visit) -> Result<(), Gone> {
    let (show, movie) = (visit.show_id(), visit.show().movie.clone());
    visit.read(Step::Page, "/".to_owned()).await?;
    visit.read(Step::Popular, "/api/movies/popular?limit=20".to_owned()).await?;
    visit.think().await;
    visit.read(Step::Movie, format!("/api/movies/{movie}")).await?;
    visit.read(Step::Shows, format!("/api/movies/{movie}/shows")).await?;
    visit.think().await;
    visit.read(Step::SeatMap, format!("/api/shows/{show}/seat-map")).await?;
    // The socket must know whose it is, and a handshake gives no cookie to remember.
    if !visit.buyer.has_cookie(SESSION) {
        visit.read(Step::Seats, format!("/api/shows/{show}/seats")).await?;
    }
    Ok(())
}
