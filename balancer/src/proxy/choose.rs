//! Which endpoint gets a request next, and how that one is reached.

use std::time::Instant;

use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};

use super::request::Request;
use super::tunnel::Tunnel;
use super::tunnel::leave::Leave;
use super::{Gateway, limit, upgrade};
use crate::fleet::pool::Pool;

impl Gateway {
    /// The next one for it, from now on busy with it.
    pub(super) fn choose(&self, session: &Session, request: &mut Request) -> Result<Box<HttpPeer>> {
        let (Some(route), Some(pool)) = (request.route(), request.pool().cloned()) else {
            return Error::e_explain(ErrorType::InternalError, "a request without a route went upstream");
        };
        let (total, first_byte) = (route.total, route.first_byte);
        if request.shed {
            return limit::refused("the pool has no room");
        }
        if pool.full(request.tries.tried) {
            return self.endpoints_full(request);
        }
        let now = Instant::now();
        let key = request.place(&session.req_header().headers);
        let Some(index) = pool.pick(key, request.tries.tried, now) else {
            return Err(Error::explain(ErrorType::ConnectNoRoute, "every endpoint was tried").into_up());
        };
        if request.tries.count == 0 {
            pool.budget.deposit();
        }
        let Some(left) = request.time_left(total, now) else {
            return Error::e_explain(ErrorType::HTTPStatus(504), "the request's time is over");
        };
        request.begin_try(index, &pool, now);
        request.moments.asked = self.cache.tags.now();
        let mut peer = peer(&pool, index);
        peer.options.custom_l4 = Some(self.silence.clone());
        if session.is_upgrade_req() {
            let settings = &pool.settings;
            let tunnel = Tunnel::new(settings.write, self.leave(request, &pool, index));
            upgrade::prepare(&mut peer, settings.connect, left.min(first_byte), tunnel.clone());
            request.tries.tunnel = Some(tunnel);
        }
        Ok(Box::new(peer))
    }

    /// What ends its tunnel from our side.
    fn leave(&self, request: &Request, pool: &Pool, index: usize) -> Leave {
        Leave {
            endpoint: pool.endpoints[index].left_alone(),
            process: self.drain.shut(),
            spread: request.config().edge.drain_sockets,
        }
    }
}

/// How to reach an endpoint.
fn peer(pool: &Pool, index: usize) -> HttpPeer {
    let settings = &pool.settings;
    let mut peer = HttpPeer::new(pool.endpoints[index].address, false, String::new());
    peer.options.total_connection_timeout = Some(settings.connect);
    peer.options.write_timeout = Some(settings.write);
    peer.options.idle_timeout = Some(settings.idle);
    peer
}
