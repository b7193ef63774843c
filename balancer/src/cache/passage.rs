//! What one request leaves behind on its way through the cache.

use http::header::{HeaderMap, HeaderName};
use http::{HeaderValue, StatusCode};
use pingora::http::ResponseHeader;

use super::status::Forward;
use super::store::invalidation::Stamp;
use super::{validation, vary};

/// One request, from the key to the answer's header.
#[derive(Debug, Default)]
pub struct Passage {
    /// When it came to the cache, in the order of invalidations.
    pub asked: Stamp,
    /// Why it went on to the upstream.
    pub forward: Option<Forward>,
    /// What the upstream answered.
    pub upstream_status: Option<StatusCode>,
    /// How old the answer was that came from the store.
    pub age_seconds: u64,
    /// The upstream says that what is stored has not changed.
    confirmed: Option<Confirmed>,
    /// Fields for this client alone, which the store does not get.
    withheld: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Debug)]
struct Confirmed {
    fields: HeaderMap,
    /// Whether it means the answer that is stored, and that one can be brought up to date.
    applies: bool,
}

impl Passage {
    /// The upstream answered; `stored` is what is to be confirmed.
    pub fn heard(&mut self, response: &ResponseHeader, stored: Option<&HeaderMap>) {
        self.upstream_status = Some(response.status);
        let Some(stored) = stored.filter(|_| response.status == StatusCode::NOT_MODIFIED) else { return };
        let fields = response.headers.clone();
        let same_vary = !fields.contains_key(http::header::VARY) || vary::same(&fields, stored);
        let applies = validation::confirms(&fields, stored) && same_vary;
        self.confirmed = Some(Confirmed { fields, applies });
    }

    /// Brings a stored header up to date with what confirmed it (RFC 9111, 3.2); false when that was about something else.
    pub fn confirm(&mut self, stored: &mut ResponseHeader) -> bool {
        let Some(confirmed) = self.confirmed.take() else { return true };
        for name in validation::updates(&confirmed.fields) {
            stored.remove_header(name);
            for value in confirmed.fields.get_all(name) {
                // A header that was received can be kept.
                let _ = stored.append_header(name.clone(), value.clone());
            }
        }
        confirmed.applies
    }

    /// Takes fields out of what is stored, for the client who asked.
    pub fn withhold(&mut self, response: &mut ResponseHeader, names: &[HeaderName]) {
        for name in names {
            for value in response.headers.get_all(name) {
                self.withheld.push((name.clone(), value.clone()));
            }
            response.remove_header(name);
        }
    }

    /// Puts them back into the answer to that client.
    pub fn give_back(&mut self, response: &mut ResponseHeader) {
        for (name, value) in self.withheld.drain(..) {
            // It came in a header.
            let _ = response.append_header(name, value);
        }
    }
}
