//! The buyers whose holds a crowd watches: each has one seat, which it holds and releases. Where every change is to be seen before
//! the next they take turns, so that it need not wait for the last one's commit.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;

use super::super::buying::{made, wish};
use super::super::load::{Line, request};
use super::super::seats::Seat;
use super::super::visitors::cookies_of;
use super::socket::Sockets;
use super::{Pace, Place, Seen};

/// Holds of one visitor: fewer than the thirty within a minute that the shipped limit allows.
const HOLDS_PER_VISITOR: usize = 25;
/// A page whose answer belongs to a session.
const FIRST_PATH: &str = "/api/bookings";

/// All of them.
pub(super) struct Changers(Vec<Changer>);

struct Changer {
    line: Line,
    seat: Seat,
    cookies: String,
    key: usize,
    /// Of this visitor.
    holds: usize,
    state: State,
}

/// What a buyer has.
enum State {
    Nothing,
    /// Asked for, not yet answered.
    Asked,
    /// A hold, at this path.
    Held(String),
    /// Given back, not yet answered.
    Releasing,
}

impl Changers {
    /// Changes one seat after another. The buyers are those of the last time, when there was one.
    pub(super) async fn change(
        kept: &mut Option<Self>,
        place: &Place,
        sockets: &Sockets,
        (length, how_fast): (Duration, Pace),
    ) -> Result<Seen> {
        // Those of a round that failed are of no use any more: they are in an unknown state.
        let mut changers = match kept.take() {
            Some(changers) => changers,
            None => Self::new(place).await?,
        };
        drop(sockets.seen.take());
        let began = Instant::now();
        match how_fast {
            Pace::Seen => changers.in_turns(sockets, began + length).await?,
            Pace::Answered => changers.at_once(began + length).await?,
        }
        let (elapsed, (messages, delay)) = (began.elapsed(), sockets.seen.take());
        changers.rest(sockets).await?;
        *kept = Some(changers);
        Ok(Seen { messages, elapsed, delay })
    }

    async fn in_turns(&mut self, sockets: &Sockets, until: Instant) -> Result<()> {
        while Instant::now() < until {
            for changer in &mut self.0 {
                changer.step(sockets).await?;
            }
        }
        Ok(())
    }

    async fn at_once(&mut self, until: Instant) -> Result<()> {
        let all = self.0.iter_mut().map(async |changer| {
            while Instant::now() < until {
                changer.get_ready().await?;
                changer.ask().await?;
            }
            changer.settle().await
        });
        try_join_all(all).await.map(drop)
    }

    async fn new(place: &Place) -> Result<Self> {
        let mut changers = Vec::new();
        for seat in &place.seats {
            let mut line = Line::connect(place.buy_at).await?;
            let cookies = cookies_of(&mut line, FIRST_PATH).await?;
            let seat = seat.clone();
            changers.push(Changer { line, seat, cookies, key: 0, holds: 0, state: State::Nothing });
        }
        Ok(Self(changers))
    }

    /// Everything is free again when this returns.
    async fn rest(&mut self, sockets: &Sockets) -> Result<()> {
        for changer in &mut self.0 {
            changer.settle().await?;
            if matches!(changer.state, State::Held(_)) {
                changer.step(sockets).await?;
                changer.settle().await?;
            }
        }
        Ok(())
    }
}

impl Changer {
    /// One change, seen by everybody when this returns. Its answer may still be on its way.
    async fn step(&mut self, sockets: &Sockets) -> Result<()> {
        self.get_ready().await?;
        sockets.expect_change();
        self.ask().await?;
        let seen = sockets.all_saw().await;
        if seen.is_err() {
            // A change that was refused is seen by nobody.
            self.settle().await?;
        }
        seen
    }

    async fn get_ready(&mut self) -> Result<()> {
        self.settle().await?;
        if matches!(self.state, State::Nothing) {
            self.take_turns().await?;
        }
        Ok(())
    }

    /// Asks for the next change.
    async fn ask(&mut self) -> Result<()> {
        let (asked, next) = match &self.state {
            State::Held(path) => (request::delete(path, &self.cookies), State::Releasing),
            _ => (wish(&self.seat, &self.cookies, &format!("change-{}", self.key)), State::Asked),
        };
        self.key += 1;
        self.line.send(&asked).await?;
        self.state = next;
        Ok(())
    }

    /// Another visitor buys, when this one has bought enough.
    async fn take_turns(&mut self) -> Result<()> {
        self.holds += 1;
        if self.holds > HOLDS_PER_VISITOR {
            (self.cookies, self.holds) = (cookies_of(&mut self.line, FIRST_PATH).await?, 1);
        }
        Ok(())
    }

    /// Reads the last answer.
    async fn settle(&mut self) -> Result<()> {
        self.state = match &self.state {
            State::Asked => State::Held(format!("/api/holds/{}", made(self.line.receive().await?)?)),
            State::Releasing => {
                let answer = self.line.receive().await?;
                ensure!(answer.status == 204, "a release got {answer}");
                State::Nothing
            }
            State::Nothing | State::Held(_) => return Ok(()),
        };
        Ok(())
    }
}
