//! The whole of Marquee, as `scripts/run` started it and the environment names it.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio_postgres::{Client, NoTls};

use super::cpu::Part;
use crate::fleet::Fleet;

/// A fleet with its stores.
#[derive(Debug, Clone)]
pub struct Marquee {
    /// Its processes.
    pub fleet: Fleet,
    /// Where the balancer listens.
    pub balancer: SocketAddr,
    /// Its Postgres.
    pub database_url: String,
    /// Its Redis.
    pub redis_url: String,
}

impl Marquee {
    /// The one in the environment, once all of it is up.
    pub async fn find() -> Result<Self> {
        let fleet = Fleet::from_environment()?;
        fleet.whole().await?;
        let variable = |name| std::env::var(name).with_context(|| format!("{name} is not set"));
        Ok(Self {
            balancer: address_of(&fleet.url)?,
            fleet,
            database_url: variable("DATABASE_URL")?,
            redis_url: variable("REDIS_URL")?,
        })
    }

    /// Where an instance listens.
    pub fn instance(&self, name: &str) -> Result<SocketAddr> {
        address_of(&self.fleet.instance_url(name)?)
    }

    /// Processes of ours under one name. A store that somebody else runs has none here, and its time is not counted.
    pub fn part(&self, name: &'static str) -> Part {
        let names: &[&str] = match name {
            "catalog" => &["catalog-1", "catalog-2"],
            "reservations" => &["reservations-1", "reservations-2"],
            "waitlist" => &["waitlist-1", "waitlist-2"],
            _ => &[name],
        };
        Part { name, roots: names.iter().filter_map(|name| self.fleet.pid(name).ok()).collect() }
    }

    /// Several of them; those that are not ours are left out.
    pub fn parts(&self, names: &[&'static str]) -> Vec<Part> {
        names.iter().map(|name| self.part(name)).filter(|part| !part.roots.is_empty()).collect()
    }

    /// A connection to its database.
    pub async fn postgres(&self) -> Result<Client> {
        connect(&self.database_url).await
    }
}

/// A connection to a database.
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.context("Postgres does not answer")?;
    // Whatever ends it, the next statement says so.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

/// Where a URL leads.
pub fn address_of(url: &str) -> Result<SocketAddr> {
    let url = reqwest::Url::parse(url)?;
    let addresses = url.socket_addrs(|| None)?;
    addresses.first().copied().with_context(|| format!("{url} has no address"))
}
