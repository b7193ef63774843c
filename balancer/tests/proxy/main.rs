//! The real balancer, as a process, between real sockets: one file per theme.

mod admin;
mod affinity;
mod cache;
mod check;
mod discovery;
mod edge;
mod hash_on;
mod health;
mod limit;
mod nameserver;
mod outlier;
mod paths;
mod policy;
mod reload;
mod retry;
mod rig;
mod routing;
mod shutdown;
mod socket;
mod socket_close;
mod upgrade_binary;
mod upstream;
