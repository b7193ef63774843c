//! Whether a stored answer may still be used: decided when it is hit, by epochs, and never by an index of what is stored.
//!
//! A purge is a number that only grows, written where a tag's hash points to. An answer keeps the number that was the
//! last one when it was asked for, *before* its fetch began: purges since then are above it. So what was fetched before a
//! purge and arrives after it is never used, and neither is it by those who wait for that fetch and came after the purge.
//! Tags that share a place cost each other a needless fetch, and nothing else. Who reads waits for nobody.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::HeaderName;
use pingora::http::{RequestHeader, ResponseHeader};

use super::lease::Lease;

/// The field that an origin tags its answers with: names with commas between.
pub static CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
/// `CDN-Cache-Control` (RFC 9213).
pub static CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
/// Tags of one answer; one that has more is not stored, as its purges could not be followed.
pub const TAGS_MAX: usize = 64;
/// Length of one tag.
pub const TAG_BYTES_MAX: usize = 256;
/// Places for epochs, a power of two: with a few thousand tags in use, two seldom share one. Takes two times 512 KiB.
const PLACES: usize = 1 << 16;

/// A moment, as epochs and the clock have it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    /// The last purge that was heard of by then.
    epoch: u64,
    /// Microseconds since the table began.
    at: u64,
}

/// When a request came, and when it was last sent on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moments {
    /// When it came.
    pub came: Moment,
    /// Just before an endpoint was asked; its answer is as true as that moment, at least.
    pub asked: Moment,
}

/// What is kept with a stored answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Mark {
    asked: Moment,
    /// Of its URL and of its tags.
    places: Box<[u16]>,
    tagged: bool,
    /// Whether the answer itself says that it may be used when it is stale.
    stale_allowed: bool,
}

/// Whether a stored answer may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As its own freshness says.
    Valid,
    /// Not at all: it was purged.
    Purged,
    /// Not before its origin was asked, which takes it for stale since then.
    Stale {
        /// Why.
        reason: Doubt,
        /// Since when.
        since: SystemTime,
        /// Whether the answer allows to be used meanwhile.
        allowed: bool,
    },
}

/// Why an answer that is fresh by itself is not used unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Somebody said that it is stale.
    Softly,
    /// Purges may have been missed before the subscription was there again.
    Lost,
    /// Purges may be missed just now.
    Lease,
}

impl Doubt {
    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Softly => "soft",
            Self::Lost => "lost",
            Self::Lease => "lease",
        }
    }
}

/// How a purge is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Gone.
    #[default]
    Hard,
    /// Stale: its origin is asked, and the answer may stand in as far as it allows that itself.
    Soft,
}

/// What is purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// Answers with this tag.
    Tag(&'a str),
    /// Answers to this path and query, whatever the host.
    Path(&'a str),
    /// Answers to this URL.
    Url {
        /// `http` or `https`.
        scheme: &'a str,
        /// Host, in lower case, with its port where one was asked for.
        host: &'a str,
        /// Path and query.
        path: &'a str,
    },
    /// All there is.
    Everything,
}

/// The epochs of all tags and URLs.
pub struct Tags {
    /// The wall's clock first: however long that takes, what is told by it is never in the future.
    began: (SystemTime, Instant),
    hasher: RandomState,
    /// The last purge. Epochs are microseconds too, moved on where two would be the same.
    last: AtomicU64,
    hard: Table,
    soft: Table,
    /// What was tagged before may have been purged unheard.
    lost: AtomicU64,
    /// Held by one purge at a time; no reader takes it.
    turn: Mutex<()>,
    /// For how long tagged answers are believed.
    pub lease: Lease,
}

/// The latest purge of everything, and that of each place.
struct Table {
    everything: AtomicU64,
    places: Box<[AtomicU64]>,
}

impl Table {
    fn new() -> Self {
        let places = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self { everything: AtomicU64::new(0), places }
    }

    fn latest(&self, places: &[u16]) -> u64 {
        let each = places.iter().map(|place| self.places[usize::from(*place)].load(Ordering::Acquire));
        each.fold(self.everything.load(Ordering::Acquire), u64::max)
    }
}

impl Tags {
    /// Nothing was purged yet.
    pub fn new(lease: Lease) -> Self {
        Self {
            began: (SystemTime::now(), Instant::now()),
            hasher: RandomState::new(),
            last: AtomicU64::new(0),
            hard: Table::new(),
            soft: Table::new(),
            lost: AtomicU64::new(0),
            turn: Mutex::default(),
            lease,
        }
    }

    /// This moment.
    pub fn now(&self) -> Moment {
        Moment { epoch: self.last.load(Ordering::Acquire), at: self.clock() }
    }

    /// Microseconds since the table began.
    pub fn clock(&self) -> u64 {
        u64::try_from(self.began.1.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// What to keep with an answer; nothing when its tags are more than can be followed, or cannot be read.
    pub fn mark(
        &self,
        request: &RequestHeader,
        secure: bool,
        response: &ResponseHeader,
        asked: Moment,
    ) -> Option<Arc<Mark>> {
        let host = request.headers.get(http::header::HOST).map_or(&[][..], |host| host.as_bytes());
        let host = String::from_utf8_lossy(host).to_ascii_lowercase();
        let path = String::from_utf8_lossy(request.raw_path());
        let scheme = if secure { "https" } else { "http" };
        let url = Target::Url { scheme, host: &host, path: &path };
        let mut places = vec![self.place(url), self.place(Target::Path(&path))];
        for tag in names(response)? {
            if places.len() >= TAGS_MAX + 2 {
                return None;
            }
            places.push(self.place(Target::Tag(tag)));
        }
        let tagged = places.len() > 2;
        let stale_allowed = allows_stale(response);
        Some(Arc::new(Mark { asked, places: places.into(), tagged, stale_allowed }))
    }

    /// Purges from now on.
    pub fn purge(&self, targets: &[Target<'_>], mode: Mode) {
        let table = match mode {
            Mode::Hard => &self.hard,
            Mode::Soft => &self.soft,
        };
        self.advance(|epoch| {
            for target in targets {
                let place = match target {
                    Target::Everything => &table.everything,
                    target => &table.places[usize::from(self.place(*target))],
                };
                place.store(epoch, Ordering::Release);
            }
        });
    }

    /// Purges may have been missed until now: whatever has a tag is asked for once.
    pub fn lose(&self) {
        self.advance(|epoch| self.lost.store(epoch, Ordering::Release));
    }

    /// The places have their epoch before anybody can be newer than it.
    fn advance(&self, write: impl FnOnce(u64)) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch = self.clock().max(self.last.load(Ordering::Acquire) + 1);
        write(epoch);
        self.last.store(epoch, Ordering::Release);
    }

    /// Whether a stored answer may be used for a request that came then. What was asked for since it came is new enough for it,
    /// whatever was purged meanwhile: otherwise a tag that is purged all the time could never be answered together.
    pub fn judge(&self, mark: &Mark, came: Moment) -> Verdict {
        let Mark { asked, places, tagged, stale_allowed: allowed } = mark;
        let stale =
            |reason, at| Verdict::Stale { reason, since: self.wall(at), allowed: *allowed || !*tagged };
        if asked.epoch < came.epoch {
            if self.hard.latest(places) > asked.epoch {
                return Verdict::Purged;
            }
            let softly = self.soft.latest(places);
            if softly > asked.epoch {
                return stale(Doubt::Softly, softly);
            }
            let lost = self.lost.load(Ordering::Acquire);
            if *tagged && lost > asked.epoch {
                return stale(Doubt::Lost, lost);
            }
        }
        if *tagged && asked.at < came.at {
            let until = self.lease.until(asked.at);
            if self.clock() > until {
                return stale(Doubt::Lease, until);
            }
        }
        Verdict::Valid
    }

    #[cfg(test)]
    pub(super) fn untouched_since(&self, moment: Moment) -> bool {
        self.last.load(Ordering::Acquire) == moment.epoch
    }

    fn wall(&self, at: u64) -> SystemTime {
        self.began.0 + Duration::from_micros(at)
    }

    fn place(&self, target: Target<'_>) -> u16 {
        let hash = match target {
            Target::Tag(tag) => self.hasher.hash_one((0_u8, tag)),
            Target::Path(path) => self.hasher.hash_one((1_u8, path)),
            Target::Url { scheme, host, path } => self.hasher.hash_one((2_u8, scheme, host, path)),
            Target::Everything => 0,
        };
        // As many places as the type has values.
        (hash % PLACES as u64) as u16
    }
}

/// Whether this could be one: something visible, without a comma.
pub fn good(tag: &str) -> bool {
    (1..=TAG_BYTES_MAX).contains(&tag.len())
        && tag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// The tags of an answer; nothing when one cannot be read.
fn names(response: &ResponseHeader) -> Option<Vec<&str>> {
    let mut tags = Vec::new();
    for value in response.headers.get_all(&CACHE_TAG) {
        let written = value.to_str().ok()?.split(',').map(str::trim).filter(|tag| !tag.is_empty());
        for tag in written {
            tags.push(Some(tag).filter(|tag| good(tag))?);
        }
    }
    Some(tags)
}

fn allows_stale(response: &ResponseHeader) -> bool {
    let fields = ["cache-control", "cdn-cache-control"];
    let values = fields.into_iter().flat_map(|field| response.headers.get_all(field));
    values.filter_map(|value| value.to_str().ok()).any(|value| value.to_ascii_lowercase().contains("stale-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_hours(1);

    fn tags() -> Tags {
        Tags::new(Lease::new(LEASE, &[]))
    }

    fn request(path: &str) -> RequestHeader {
        let mut request = RequestHeader::build("GET", path.as_bytes(), None).expect("test request");
        request.insert_header("host", "Films.example").expect("test header");
        request
    }

    fn response(fields: &[(&'static str, &str)]) -> ResponseHeader {
        let mut response = ResponseHeader::build(200, None).expect("test response");
        for (name, value) in fields {
            response.append_header(*name, *value).expect("test header");
        }
        response
    }

    fn marked(tags: &Tags, written: &str) -> Arc<Mark> {
        marked_at(tags, written, tags.now())
    }

    fn marked_at(tags: &Tags, written: &str, asked: Moment) -> Arc<Mark> {
        let response = response(&[(CACHE_TAG.as_str(), written), ("cache-control", "stale-if-error=9")]);
        tags.mark(&request("/a?b=1"), false, &response, asked).expect("few tags")
    }

    fn doubt(verdict: Verdict) -> Option<Doubt> {
        match verdict {
            Verdict::Stale { reason, .. } => Some(reason),
            Verdict::Valid | Verdict::Purged => None,
        }
    }

    #[test]
    fn a_purge_ends_what_has_the_tag_and_nothing_else() {
        let tags = tags();
        let (one, other) = (marked(&tags, "show:1, film:7"), marked(&tags, "show:2"));
        tags.purge(&[Target::Tag("film:7")], Mode::Hard);
        assert_eq!(tags.judge(&one, tags.now()), Verdict::Purged);
        assert_eq!(tags.judge(&other, tags.now()), Verdict::Valid);
        assert_eq!(tags.judge(&marked(&tags, "show:1, film:7"), tags.now()), Verdict::Valid);
    }

    #[test]
    fn softly_purged_is_stale_since_then() {
        let tags = tags();
        let one = marked(&tags, "show:1");
        tags.purge(&[Target::Tag("show:1")], Mode::Soft);
        let verdict = tags.judge(&one, tags.now());
        assert!(
            matches!(verdict, Verdict::Stale { reason: Doubt::Softly, allowed: true, since } if since <= SystemTime::now())
        );
        // Hard is hard, whatever was said before and after.
        tags.purge(&[Target::Tag("show:1")], Mode::Hard);
        tags.purge(&[Target::Tag("show:1")], Mode::Soft);
        assert_eq!(tags.judge(&one, tags.now()), Verdict::Purged);
    }

    #[test]
    fn what_was_asked_for_before_a_purge_is_not_used_when_it_arrives_after_it() {
        let tags = tags();
        let asked = tags.now();
        tags.purge(&[Target::Tag("show:1")], Mode::Hard);
        let late = marked_at(&tags, "show:1", asked);
        assert_eq!(tags.judge(&late, tags.now()), Verdict::Purged);
    }

    /// A reader may have what was asked for since it came, and not what was asked for before a purge that it came after.
    #[test]
    fn a_reader_has_the_fetch_that_began_after_it_came_whatever_is_purged() {
        let tags = tags();
        let purge = || tags.purge(&[Target::Tag("show:1")], Mode::Hard);
        let early = tags.now();
        purge();
        let (fetch, came) = (tags.now(), tags.now());
        purge();
        let mark = marked_at(&tags, "show:1", fetch);
        assert_eq!(tags.judge(&mark, early), Verdict::Valid);
        assert_eq!(tags.judge(&mark, came), Verdict::Valid);
        // Two purges, one before it came and one after: the later one must not hide the earlier one.
        let late = tags.now();
        purge();
        assert_eq!(tags.judge(&mark, late), Verdict::Purged);
    }

    #[test]
    fn urls_are_purged_by_path_and_in_full() {
        let tags = tags();
        for target in [
            Target::Path("/a?b=1"),
            Target::Url { scheme: "http", host: "films.example", path: "/a?b=1" },
            Target::Everything,
        ] {
            let untagged = marked(&tags, "");
            for other in
                [Target::Path("/a"), Target::Url { scheme: "https", host: "films.example", path: "/a?b=1" }]
            {
                tags.purge(&[other], Mode::Hard);
            }
            assert_eq!(tags.judge(&untagged, tags.now()), Verdict::Valid);
            tags.purge(&[target], Mode::Hard);
            assert_eq!(tags.judge(&untagged, tags.now()), Verdict::Purged, "{target:?}");
        }
    }

    #[test]
    fn tags_that_share_a_place_cost_a_fetch_and_nothing_else() {
        let tags = tags();
        let mine = tags.place(Target::Tag("mine"));
        let mut names = (0..).map(|number| format!("other:{number}"));
        let theirs = names.find(|name| tags.place(Target::Tag(name)) == mine).expect("one shares it");
        let before = marked(&tags, "mine");
        tags.purge(&[Target::Tag(&theirs)], Mode::Hard);
        assert_eq!(tags.judge(&before, tags.now()), Verdict::Purged);
        assert_eq!(tags.judge(&marked(&tags, "mine"), tags.now()), Verdict::Valid);
    }

    #[test]
    fn what_has_a_tag_is_doubted_once_after_a_loss() {
        let tags = tags();
        let (tagged, untagged) = (marked(&tags, "show:1"), marked(&tags, ""));
        tags.lose();
        assert_eq!(doubt(tags.judge(&tagged, tags.now())), Some(Doubt::Lost));
        assert_eq!(tags.judge(&untagged, tags.now()), Verdict::Valid);
        assert_eq!(tags.judge(&marked(&tags, "show:1"), tags.now()), Verdict::Valid);
    }

    #[test]
    fn without_proof_of_life_what_has_a_tag_lives_for_the_lease() {
        let tags = Tags::new(Lease::new(Duration::ZERO, &[]));
        let (tagged, untagged) = (marked(&tags, "show:1"), marked(&tags, ""));
        // The clock has moved on since all that was before.
        let later = || {
            let before = tags.now();
            std::iter::repeat_with(|| tags.now()).find(|now| now.at > before.at).expect("clocks go on")
        };
        assert_eq!(doubt(tags.judge(&tagged, later())), Some(Doubt::Lease));
        assert_eq!(tags.judge(&untagged, later()), Verdict::Valid);
        // It was asked for after the reader came: that is no older than the reader.
        let came = tags.now();
        later();
        assert_eq!(tags.judge(&marked(&tags, "show:1"), came), Verdict::Valid);
    }

    #[test]
    fn an_answer_whose_tags_cannot_be_followed_is_not_marked() {
        let tags = tags();
        let mark = |written: &str| {
            tags.mark(&request("/"), false, &response(&[(CACHE_TAG.as_str(), written)]), tags.now())
        };
        let many = |count: usize| vec!["x"; count].join(",");
        assert!(mark(&many(TAGS_MAX)).is_some() && mark(&many(TAGS_MAX + 1)).is_none());
        assert!(mark(&"x".repeat(TAG_BYTES_MAX)).is_some() && mark(&"x".repeat(TAG_BYTES_MAX + 1)).is_none());
        assert!(mark("two words").is_none() && mark("é").is_none());
        assert!(!mark(" , ,").expect("no tag at all").tagged);
    }

    #[test]
    fn what_does_not_allow_it_is_never_used_stale() {
        let tags = tags();
        let silent = tags.mark(&request("/"), false, &response(&[(CACHE_TAG.as_str(), "a")]), tags.now());
        let silent = silent.expect("few tags");
        tags.purge(&[Target::Tag("a")], Mode::Soft);
        assert!(matches!(tags.judge(&silent, tags.now()), Verdict::Stale { allowed: false, .. }));
    }
}
