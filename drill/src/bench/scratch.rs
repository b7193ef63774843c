//! A database of the bench's own on the fleet's Postgres, with the tables that the services' own migrations make.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use reqwest::Url;
use tokio::process::Command;
use tokio_postgres::Client;

use super::marquee::{Marquee, connect};
use super::settings::Settings;

/// Who owns the tables, in the order in which they are made: reservations reads a view of the catalog's.
const OWNERS: [&str; 2] = ["catalog", "reservations"];

/// One database. It goes with [`Scratch::remove`].
#[derive(Debug)]
pub struct Scratch {
    name: String,
    /// Where it is.
    pub url: String,
    marquee: Marquee,
}

impl Scratch {
    /// Makes an empty one.
    pub async fn create(marquee: &Marquee, settings: &Settings) -> Result<Self> {
        let name = format!("bench_{}", uuid::Uuid::new_v4().simple());
        let mut url = Url::parse(&marquee.database_url).context("DATABASE_URL is not a URL")?;
        url.set_path(&name);
        let scratch = Self { name, url: url.into(), marquee: marquee.clone() };
        scratch.on_the_server("CREATE DATABASE").await?;
        for owner in OWNERS {
            migrate(owner, &scratch.url, settings).await?;
        }
        Ok(scratch)
    }

    /// A connection to it.
    pub async fn connect(&self) -> Result<Client> {
        connect(&self.url).await
    }

    /// Drops it, whoever is still connected.
    pub async fn remove(self) -> Result<()> {
        self.on_the_server("DROP DATABASE").await
    }

    async fn on_the_server(&self, what: &str) -> Result<()> {
        let end = if what.starts_with("DROP") { " WITH (FORCE)" } else { "" };
        let client = self.marquee.postgres().await?;
        let done = client.batch_execute(&format!("{what} {}{end}", self.name)).await;
        done.with_context(|| format!("{what} was refused"))
    }
}

async fn migrate(owner: &str, url: &str, settings: &Settings) -> Result<()> {
    let config = settings.root.join("configs").join(format!("{owner}.toml"));
    let mut command = Command::new(program(&settings.bin_dir, owner)?);
    command.arg("--config").arg(config).arg("migrate").env("DATABASE_URL", url).kill_on_drop(true);
    let said = command.output().await?;
    ensure!(said.status.success(), "{owner} migrate: {}", String::from_utf8_lossy(&said.stderr).trim());
    Ok(())
}

fn program(bin_dir: &Path, name: &str) -> Result<std::path::PathBuf> {
    let file = bin_dir.join(name);
    ensure!(file.is_file(), "there is no {}; build it, or name another place with --bin-dir", file.display());
    Ok(file)
}
