//! What is taken of a show at one instant, by the numbers of its plan: all that choosing seats needs of a mirror.

use domain::plan::Plan;
use domain::plan::taken::Taken;

use crate::mirror::Picture;

/// The taken seats of a show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The show's version.
    pub version: u64,
    /// What cannot be claimed.
    pub taken: Taken,
    /// The version, whether the queue is open, and whether the gate may have forgotten keys, as `claim.lua` writes them. While a mirror is in this state no seat that
    /// was free is not; one whose claim lapsed since may be free before a sweeper says so.
    state: String,
}

impl Sight {
    /// Of a mirror's fields and values in turn; nothing when there is no mirror.
    pub fn of_fields(plan: &Plan, now_ms: u64, fields: &[String]) -> Option<Self> {
        let value =
            |wanted: &str| fields.chunks_exact(2).find(|pair| pair[0] == wanted).map(|pair| pair[1].as_str());
        let (version, queue, forgetful) = (value("v")?, value("q").unwrap_or("0"), value("k").unwrap_or("1"));
        let mut taken = Taken::none(plan.capacity());
        for pair in fields.chunks_exact(2) {
            if let Some(name) = pair[0].strip_prefix("s:")
                && !free(&pair[1], now_ms, queue == "1")
                && let Some(seat) = plan.number(name)
            {
                taken.take(seat);
            }
        }
        Some(Self { version: version.parse().ok()?, taken, state: format!("{version}:{queue}:{forgetful}") })
    }

    /// Of a picture, wherever it comes from. Its state is known to nobody.
    pub fn of_picture(plan: &Plan, picture: &Picture) -> Self {
        let taken = plan.taken(picture.seats.keys().map(domain::id::SeatId::as_str));
        Self { version: picture.version, taken, state: String::new() }
    }

    /// Whether keys may have been used before that the gate does not remember: the mirror was begun anew when seats had been
    /// claimed already.
    pub fn forgetful(&self) -> bool {
        self.state.ends_with(":1")
    }

    /// How to say which state this is.
    pub fn state(&self) -> &str {
        &self.state
    }
}

/// Whether `claim.lua` would give a seat away.
fn free(value: &str, now_ms: u64, queue_open: bool) -> bool {
    let lapsed =
        || value.split(':').nth(2).and_then(|text| text.parse().ok()).is_some_and(|at: u64| at <= now_ms);
    match value.as_bytes().first() {
        Some(b'f') => true,
        Some(b'h') => !queue_open && lapsed(),
        Some(b'p' | b'e') => lapsed(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use domain::id::SeatId;
    use domain::seat_map::{Row, Seat, SeatKind, SeatMap};

    use super::*;

    fn plan() -> Plan {
        let seat = |x: u16| Seat {
            id: SeatId::parse(format!("A{}", x + 1)).unwrap(),
            x,
            y: 0,
            kind: SeatKind::Standard,
        };
        Plan::of(&SeatMap { rows: vec![Row { label: "A".to_owned(), seats: (0..7).map(seat).collect() }] })
    }

    fn free_seats(queue: &str) -> Vec<usize> {
        let fields = ["s:A1", "b:9:0:x", "s:A2", "h:9:1000:x", "s:A3", "h:9:1001:x", "s:A4", "p:9:1000:x"];
        let more =
            ["s:A5", "e:9:1000:x", "s:A6", "f:9:0:", "s:ZZ", "b:9:0:x", "v", "7", "k", "0", "q", queue];
        let fields: Vec<String> = fields.iter().chain(&more).map(ToString::to_string).collect();
        let sight = Sight::of_fields(&plan(), 1000, &fields).unwrap();
        assert_eq!((sight.version, sight.state()), (7, format!("7:{queue}:0").as_str()));
        (0..7).filter(|seat| sight.taken.free(*seat)).collect()
    }

    #[test]
    fn what_lapsed_is_free_unless_it_is_the_queues() {
        assert_eq!(free_seats("0"), [1, 3, 4, 5, 6]);
        assert_eq!(free_seats("1"), [3, 4, 5, 6]);
        assert_eq!(Sight::of_fields(&plan(), 1000, &[]), None);
    }
}
