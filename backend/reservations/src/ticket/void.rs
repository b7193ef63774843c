//! Void tickets: what a scanner loads before the doors open, since no signature tells that a booking was cancelled since.
//!
//! The list is public, as scanners have no account here. So it names no booking: an id in it is a hash of the booking's, which
//! whoever has the ticket can work out, and nobody can turn around, as booking ids are random. The list is in order of these
//! hashes, which says nothing of who cancelled when. It tells how many bookings of a show were cancelled, which who watches the
//! live seats sees as well.

use std::collections::HashSet;

use data_encoding::HEXLOWER;
use domain::id::{BookingId, ShowId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Void tickets told at once.
pub const PAGE_MAX: usize = 5_000;
/// What is hashed before the booking's id, so that the hash means nothing elsewhere.
pub const SALT: &str = "void ticket ";
/// Half of a SHA-256: 128 bits, as many as a booking's id has.
pub const ID_CHARACTERS: usize = 32;

/// How the ticket of a booking is called in the list. `store::bookings::void` works out the same in SQL.
pub fn id(booking: &BookingId) -> String {
    let digest = Sha256::new().chain_update(SALT).chain_update(booking.as_str()).finalize();
    HEXLOWER.encode(&digest[..ID_CHARACTERS / 2])
}

/// Whether a text may be an id in the list.
pub fn is_id(text: &str) -> bool {
    text.len() == ID_CHARACTERS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// One page of a show's void tickets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct VoidPage {
    /// The show.
    pub show_id: ShowId,
    /// What was asked for; nothing for the first page.
    pub cursor: Option<String>,
    /// Sorted, 5,000 at most. The first 32 hexadecimal digits of the SHA-256 of `void ticket ` and the booking's id.
    #[schema(max_items = 5000)]
    pub void: Vec<String>,
    /// Ask for the next page with it; nothing when this is the last.
    pub next_cursor: Option<String>,
}

impl VoidPage {
    /// Of a show's void tickets behind the cursor, as many as [`PAGE_MAX`] and one more, if there are.
    pub fn of(show_id: ShowId, cursor: Option<String>, mut void: Vec<String>) -> Self {
        let more = void.len() > PAGE_MAX;
        void.truncate(PAGE_MAX);
        let next_cursor = void.last().filter(|_| more).cloned();
        Self { show_id, cursor, void, next_cursor }
    }
}

/// All pages of one show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoidList {
    show: ShowId,
    void: HashSet<String>,
}

/// Pages that do not make a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidList {
    /// Of several shows, or of none.
    #[error("the void tickets must be of one show")]
    Shows,
    /// A void ticket may be on the page that is not there.
    #[error("the void tickets are not all there: {}", next.as_ref().map_or_else(|| "load the first page too".to_owned(), |next| format!("load ?cursor={next} too")))]
    Missing {
        /// The cursor to go on with; the first page when nothing.
        next: Option<String>,
    },
}

impl VoidList {
    /// Of all the pages, in any order.
    pub fn of(pages: &[VoidPage]) -> Result<Self, InvalidList> {
        let show = pages.first().map(|page| page.show_id.clone()).ok_or(InvalidList::Shows)?;
        if pages.iter().any(|page| page.show_id != show) {
            return Err(InvalidList::Shows);
        }
        let mut list = Self { show, void: HashSet::new() };
        let mut next = None;
        // As many steps as there are pages: a page that leads to itself leads nowhere.
        for _ in pages {
            let page = pages.iter().find(|page| page.cursor == next);
            let page = page.ok_or_else(|| InvalidList::Missing { next: next.clone() })?;
            list.void.extend(page.void.iter().cloned());
            next.clone_from(&page.next_cursor);
            if next.is_none() {
                return Ok(list);
            }
        }
        Err(InvalidList::Missing { next })
    }

    /// The show.
    pub fn show(&self) -> &ShowId {
        &self.show
    }

    /// Whether the ticket of a booking is void.
    pub fn contains(&self, booking: &BookingId) -> bool {
        self.void.contains(&id(booking))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(show: &str, cursor: Option<&str>, booking: &str, next: Option<&str>) -> VoidPage {
        VoidPage {
            show_id: ShowId::parse(show).unwrap(),
            cursor: cursor.map(str::to_owned),
            void: vec![id(&BookingId::parse(booking).unwrap())],
            next_cursor: next.map(str::to_owned),
        }
    }

    #[test]
    fn an_id_hides_the_booking_and_is_always_the_same() {
        let id = id(&BookingId::parse("booking_1").unwrap());
        // printf 'void ticket booking_1' | sha256sum
        assert_eq!(id, "1ec56ab498b9ce2df1877c87abffb1fa");
        assert!(is_id(&id) && !is_id(&id[1..]) && !is_id(&id.to_uppercase()));
    }

    #[test]
    fn a_page_is_bounded_and_says_when_there_is_more() {
        let all: Vec<String> = (0..=PAGE_MAX).map(|number| format!("{number:032x}")).collect();
        let show = ShowId::parse("show_1").unwrap();
        let full = VoidPage::of(show.clone(), None, all.clone());
        assert_eq!((full.void.len(), full.next_cursor.as_ref()), (PAGE_MAX, Some(&all[PAGE_MAX - 1])));
        assert_eq!(VoidPage::of(show, None, all[1..].to_vec()).next_cursor, None);
    }

    #[test]
    fn a_list_is_believed_only_when_it_is_whole() {
        let (first, second) = (page("s", None, "a", Some("x")), page("s", Some("x"), "b", None));
        let list = VoidList::of(&[second.clone(), first.clone()]).unwrap();
        let void = ["a", "b", "c"].map(|booking| list.contains(&BookingId::parse(booking).unwrap()));
        assert_eq!(void, [true, true, false]);

        let missing = |next: Option<&str>| Err(InvalidList::Missing { next: next.map(str::to_owned) });
        assert_eq!(VoidList::of(std::slice::from_ref(&first)), missing(Some("x")));
        assert_eq!(VoidList::of(std::slice::from_ref(&second)), missing(None));
        assert_eq!(VoidList::of(&[first.clone(), page("s", Some("x"), "b", Some("x"))]), missing(Some("x")));
        assert_eq!(VoidList::of(&[first, page("t", Some("x"), "b", None)]), Err(InvalidList::Shows));
        assert_eq!(VoidList::of(&[]), Err(InvalidList::Shows));
    }
}
