//! The yardstick of `scripts/bench proxied`: the least one can write with Pingora that passes requests on, tuned as the
//! balancer is (allocator, profile, kept connections, one worker) and with nothing on. What the balancer takes more than
//! this is what the balancer is.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use clap::Parser;
use pingora::Result;
use pingora::proxy::{ProxyHttp, Session, http_proxy};
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::listening::Service;
use pingora::upstreams::peer::HttpPeer;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Idle connections it keeps, as the balancer does for one endpoint.
const IDLE_CONNECTIONS_MAX: usize = 128;

/// A bare proxy.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where it listens.
    #[arg(long)]
    listen: SocketAddr,
    /// Where everything goes.
    #[arg(long)]
    to: SocketAddr,
}

struct Bare {
    to: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        let mut peer = HttpPeer::new(self.to, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(1));
        peer.options.read_timeout = Some(Duration::from_secs(15));
        peer.options.write_timeout = Some(Duration::from_secs(10));
        peer.options.idle_timeout = Some(Duration::from_secs(20));
        Ok(Box::new(peer))
    }
}

fn main() {
    let arguments = Arguments::parse();
    let conf = ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: IDLE_CONNECTIONS_MAX,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let app = http_proxy(&server.configuration, Bare { to: arguments.to });
    let mut service = Service::new("bare".to_owned(), app);
    service.threads = Some(1);
    service.add_tcp(&arguments.listen.to_string());
    server.add_service(service);
    server.run(RunArgs::default());
}
