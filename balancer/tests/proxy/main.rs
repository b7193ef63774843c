//! The real balancer, as a process, between real sockets: one file per theme.

mod admin;
mod affinity;
mod cache;
mod check;
mod discovery;
mod edge;
mod hash_on;
mod health;
mod http2;
mod limit;
mod nameserver;
mod outlier;
mod paths;
mod policy;
mod proxy_protocol;
mod reload;
mod retry;
mod rig;
mod routing;
mod shutdown;
mod slow;
mod socket;
mod socket_close;
mod tls;
mod upgrade_binary;
mod upstream;
