//! At the door: what can refuse a request before any endpoint hears of it.

use pingora::proxy::Session;

use super::answer::Problem;
use super::request::Request;
use super::{Gateway, edge, hash_key, route};
use crate::config;
use crate::operate::status;

/// Answered by the balancer itself on the public listener.
const HEALTH_PATH: &str = "/healthz";

/// What happens to a request that was let in.
pub(super) enum Admitted {
    /// It goes the way of its route.
    ToRoute,
    /// It asked whether we can serve, and we can.
    Healthy,
}

impl Gateway {
    /// Everything that can refuse a request before any endpoint hears of it.
    pub(super) fn admit(&self, session: &Session, request: &mut Request) -> Result<Admitted, Problem> {
        let snapshot = request.snapshot.clone();
        self.hold_to(snapshot.rates.for_all(), session, request)?;
        edge::check(session, &snapshot.config.edge)?;
        let path = route::clean_path(session.req_header().raw_path()).map_err(Problem::bad_request)?;
        if path == HEALTH_PATH {
            let unavailable = status::pools_unavailable(&snapshot);
            return if unavailable.is_empty() {
                Ok(Admitted::Healthy)
            } else {
                Err(Problem::pools_unavailable(&unavailable))
            };
        }
        let index = route::find(&snapshot.config, &path).ok_or_else(Problem::not_found)?;
        let (header, route) = (session.req_header(), &snapshot.config.routes[index]);
        edge::check_length(header, route.body_bytes_max)?;
        request.set_route(index);
        self.hold_to(snapshot.rates.for_route(index), session, request)?;
        let (headers, query, client) = (&header.headers, header.uri.query(), request.identity.client);
        let parts = hash_key::Parts { headers, path: &path, query, client };
        request.hash_key = hash_key::of(&route.hash_on, parts);
        Ok(Admitted::ToRoute)
    }

    pub(super) fn set_timeouts(&self, session: &mut Session, edge: &config::Edge) {
        session.set_read_timeout(Some(edge.body_idle));
        // An HTTP/1 connection is held to the pace of its answer, which bounds each write.
        let paced = edge.answer_pace.is_some() && !session.is_http2();
        session.set_write_timeout((!paced).then_some(edge.write));
        session.set_total_drain_timeout(Some(edge.body_idle));
        if self.drain.draining() || edge::ends_connection(session.req_header()) {
            session.set_keepalive(None);
        } else if session.get_keepalive().is_some() {
            session.set_keepalive(Some(edge.keepalive.as_secs()));
        }
    }
}
