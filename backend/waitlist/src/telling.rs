//! Telling the people in a line where they stand, on a coarse beat.
//!
//! One departure moves everybody behind it, and is not told to ten thousand: each beat, one instance goes once through every line in
//! which somebody went, and tells those for whom it matters: who is near the front, who moved by much, who heard nothing for long;
//! no more than [`TOLD_MAX`] of a line in one beat, in one event. Who is told is remembered here alone: when another instance
//! takes over, some are told again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::event::{Fact, LineMoved, PlaceTold};
use domain::id::{EntryId, ShowId};
use service::{outbox, postgres};

use crate::estimating::Lately;
use crate::store::lines::Standing;
use crate::store::tellings::{self, Teller};
use crate::store::{self, lines};
use crate::{Waitlist, estimating};

/// Lines gone through in one beat.
const LINES_MAX: i64 = 200;
/// People of one line that are told in one beat.
const TOLD_MAX: usize = 500;
/// Up to here every step counts.
const NEAR: u64 = 20;
/// Behind that, one step in so many.
const NOTABLE: u64 = 20;
/// Whoever moved at all is told after this.
const QUIET_MAX: Duration = Duration::from_secs(30);
/// After so many beats without a word from whoever told a line last, another takes over.
const TAKEOVER_BEATS: u64 = 5;

/// What each in a line was told last, and when.
type Told = HashMap<EntryId, (u64, Instant)>;

/// Tells until drained.
pub(crate) async fn run(waitlist: Arc<Waitlist>) {
    let beat = Duration::from_millis(waitlist.config.tell_interval_ms);
    let mut lines: HashMap<ShowId, Told> = HashMap::new();
    let last_success = waitlist.metrics.loops.begin("telling", beat);
    while waitlist.drain.pause(beat).await {
        match tell(&waitlist, &mut lines).await {
            Ok(()) => last_success.note(),
            Err(error) => tracing::debug!(%error, "nobody is told where they stand"),
        }
    }
}

async fn tell(waitlist: &Waitlist, lines: &mut HashMap<ShowId, Told>) -> Result<(), postgres::Error> {
    let quiet_ms = waitlist.config.tell_interval_ms.saturating_mul(TAKEOVER_BEATS);
    let teller = Teller { name: &waitlist.name, quiet_ms: i32::try_from(quiet_ms).unwrap_or(i32::MAX) };
    let due = tellings::claim(&waitlist.connection().await?, teller, LINES_MAX).await?;
    for (show_id, moved) in due {
        let told = lines.entry(show_id.clone()).or_default();
        if tell_line(waitlist, &show_id, told).await? {
            tellings::done(&waitlist.connection().await?, &show_id, moved, teller).await?;
        }
        if told.is_empty() {
            lines.remove(&show_id);
        }
    }
    Ok(())
}

/// Tells one line. False when some are left for the next beat.
async fn tell_line(waitlist: &Waitlist, show_id: &ShowId, told: &mut Told) -> Result<bool, postgres::Error> {
    let mut connection = waitlist.connection().await?;
    let line = lines::standing(&connection, show_id).await?;
    let lately = estimating::lately(waitlist, &connection, show_id).await?;
    let now = Instant::now();
    let waiting: HashSet<_> = line.iter().map(|each| &each.entry_id).collect();
    told.retain(|id, _| waiting.contains(id));
    for each in &line {
        told.entry(each.entry_id.clone()).or_insert((each.joined_position, now));
    }
    let (news, all) = choose(&line, lately.as_deref(), told, now);
    if news.is_empty() {
        return Ok(all);
    }
    let positions: Vec<_> = news.iter().map(|place| (place.entry_id.clone(), place.position)).collect();
    let event = Fact::LineMoved(LineMoved { places: news }).of(show_id.clone());
    let transaction = connection.transaction().await?;
    outbox::put(&transaction, store::SCHEMA, &event).await?;
    transaction.commit().await?;
    waitlist.bell.ring();
    waitlist.metrics.positions_told.inc_by(positions.len() as u64);
    told.extend(positions.into_iter().map(|(id, position)| (id, (position, now))));
    Ok(all)
}

/// Who is to be told, the first in line first, and whether that is everybody who moved.
fn choose(line: &[Standing], lately: Option<&Lately>, told: &Told, now: Instant) -> (Vec<PlaceTold>, bool) {
    let (mut news, mut all, mut seats) = (Vec::new(), true, 0);
    for (at, each) in line.iter().enumerate() {
        let position = at as u64 + 1;
        seats += each.wish.party.size() as u64;
        let last = told.get(&each.entry_id);
        let before = last.map_or(each.joined_position, |(position, _)| *position);
        if position == before {
            continue;
        }
        let quiet = last.is_some_and(|(_, at)| now.duration_since(*at) >= QUIET_MAX);
        if news.len() < TOLD_MAX && (quiet || notable(before, position)) {
            let estimate = lately.and_then(|lately| lately.estimate(&each.wish, seats).ok());
            let (entry_id, session_id) = (each.entry_id.clone(), each.session_id.clone());
            news.push(PlaceTold { entry_id, session_id, position, estimate });
        } else {
            all = false;
        }
    }
    (news, all)
}

fn notable(before: u64, position: u64) -> bool {
    position <= NEAR || before.abs_diff(position) * NOTABLE >= before
}

#[cfg(test)]
mod tests {
    use domain::hold::Party;
    use domain::id::SessionId;
    use domain::queue::Wish;

    use super::*;

    /// A line of so many in which `gone` at its front have left.
    fn line(length: u64, gone: u64) -> Vec<Standing> {
        let standing = |at: u64| Standing {
            entry_id: EntryId::parse(format!("e{at}")).unwrap(),
            session_id: SessionId::parse(format!("s{at}")).unwrap(),
            wish: Wish::any(Party::try_from(1).unwrap()),
            joined_position: at,
        };
        (gone + 1..=length).map(standing).collect()
    }

    #[test]
    fn one_departure_is_told_to_the_front_and_many_to_all() {
        let now = Instant::now();
        let (news, all) = choose(&line(10_000, 1), None, &Told::new(), now);
        assert_eq!((news.len(), all), (NEAR as usize, false));
        assert_eq!((news[0].entry_id.as_str(), news[0].position), ("e2", 1));
        let (news, all) = choose(&line(300, 100), None, &Told::new(), now);
        assert_eq!((news.len(), all), (200, true), "by a third");
        assert_eq!(choose(&line(10_000, 5_000), None, &Told::new(), now).0.len(), TOLD_MAX);
    }

    #[test]
    fn who_was_told_is_told_again_when_it_is_news_or_was_long_ago() {
        let now = Instant::now();
        let line = line(1_000, 1);
        let each = std::iter::zip(&line, 1..);
        let told: Told = each.map(|(each, at)| (each.entry_id.clone(), (at, now))).collect();
        assert_eq!(choose(&line, None, &told, now), (Vec::new(), true));
        let last = &line[998];
        for (since, news) in [(now, 0), (now.checked_sub(QUIET_MAX).unwrap(), 1)] {
            let mut told = told.clone();
            told.insert(last.entry_id.clone(), (1_000, since));
            let (places, all) = choose(&line, None, &told, now);
            assert_eq!((places.len(), all), (news, news == 1), "one step of a thousand waits");
        }
    }
}
