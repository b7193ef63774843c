//! Handing mail over: to an SMTP server, or to a folder.

use std::path::PathBuf;
use std::time::Duration;

use lettre::{AsyncFileTransport, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use super::config::{MailConfig, Target};

/// Where mail goes.
#[derive(Debug)]
pub(crate) enum Post {
    /// A server that takes it further.
    Server(AsyncSmtpTransport<Tokio1Executor>),
    /// One file each.
    Folder(PathBuf),
}

/// Why a mail is not sent.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// It may be later.
    ForNow(String),
    /// It never will be.
    ForGood(String),
}

impl Post {
    /// Nothing when no mail is to be sent.
    pub(crate) fn new(config: &MailConfig) -> anyhow::Result<Option<Self>> {
        Ok(match config.target() {
            Target::Nowhere => None,
            Target::Folder(folder) => Some(Self::Folder(folder)),
            Target::Server(url) => {
                let timeout = Some(Duration::from_millis(config.timeout_ms));
                let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)?.timeout(timeout);
                Some(Self::Server(server.build()))
            }
        })
    }

    /// Hands it over.
    pub(crate) async fn send(&self, letter: Message) -> Result<(), Unsent> {
        match self {
            Self::Server(server) => server.send(letter).await.map(drop).map_err(|error| {
                let for_good = error.is_permanent();
                let cause = format!("{:#}", anyhow::Error::from(error));
                if for_good { Unsent::ForGood(cause) } else { Unsent::ForNow(cause) }
            }),
            Self::Folder(folder) => {
                let kept = keep(folder, letter).await;
                kept.map_err(|error| Unsent::ForNow(format!("{error:#}")))
            }
        }
    }
}

async fn keep(folder: &PathBuf, letter: Message) -> anyhow::Result<()> {
    tokio::fs::create_dir_all(folder).await?;
    AsyncFileTransport::<Tokio1Executor>::new(folder).send(letter).await?;
    Ok(())
}
