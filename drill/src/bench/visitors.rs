//! Visitors with a session: what a browser keeps after its first answer.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use super::load::{self, End, Line, Talk, request};

/// A page that every visitor may ask for, and whose answer belongs to a session.
const FIRST_PATH: &str = "/api/bookings";

/// Lets so many new visitors arrive. Returns what each sends as `Cookie` from then on.
pub async fn arrive(address: SocketAddr, count: usize, connections: usize) -> Result<Vec<String>> {
    let share = count.div_ceil(connections);
    let lanes =
        (0..connections).map(|_| Arriving { left: share, cookies: Vec::with_capacity(share) }).collect();
    let arrived = load::run(address, lanes, End::Exhausted).await?;
    let mut cookies: Vec<_> = arrived.talks.into_iter().flat_map(|lane: Arriving| lane.cookies).collect();
    cookies.truncate(count);
    Ok(cookies)
}

/// What one visitor sends as `Cookie` after asking for `path`.
pub async fn cookies_of(line: &mut Line, path: &str) -> Result<String> {
    let answer = line.exchange(&request::get(path, "")).await?;
    ensure!(answer.status == 200, "a first visit to {path} got {answer}");
    let pairs = answer.fields("set-cookie").map(|field| field.split(';').next().unwrap_or_default());
    Ok(pairs.collect::<Vec<_>>().join("; "))
}

struct Arriving {
    left: usize,
    cookies: Vec<String>,
}

impl Talk for Arriving {
    async fn ask(&mut self, line: &mut Line) -> Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        let cookies = cookies_of(line, FIRST_PATH).await?;
        ensure!(cookies.contains("session="), "a first visit got no session: {cookies}");
        self.cookies.push(cookies);
        Ok(true)
    }
}
