//! The version below which nobody who comes is shown a show.
//!
//! Whoever comes may have seen it elsewhere. An instance that lost Redis shows an epoch out of Postgres, which the mirror, and whoever reads
//! it, has only a moment later. But Postgres had it before anybody saw it; so Postgres is asked, after they came, for all
//! of them together ([`Lookups`]).

use std::collections::HashMap;

use domain::id::ShowId;
use service::postgres;

use crate::app::App;
use crate::lookups::Lookups;
use crate::store::epochs::{self, Reached};

/// The least version to be shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Floor(Reached);

impl Floor {
    /// The version. Who has the mirror's own knows how far it has counted up in its epoch; for who has not, only the next one is
    /// above that.
    pub fn version(self, mirror_known: bool) -> u64 {
        let Reached { epoch, mirrored } = self.0;
        epochs::first_version(if mirrored && !mirror_known { epoch + 1 } else { epoch })
    }
}

/// Those who ask for one.
#[derive(Debug, Default)]
pub struct Floors(Lookups<ShowId, Reached>);

impl Floors {
    /// Of a show, by now. None while Postgres does not say.
    pub async fn of(&self, app: &App, show: &ShowId) -> Floor {
        let reached = self.0.find(show, |shows| reached(app, shows)).await;
        Floor(reached.ok().flatten().unwrap_or_default())
    }
}

async fn reached(app: &App, shows: Vec<ShowId>) -> Result<HashMap<ShowId, Reached>, postgres::Error> {
    let shows: Vec<_> = shows.iter().map(ShowId::as_str).collect();
    let reached = async { epochs::reached(&app.connection().await?, &shows).await }.await;
    reached.inspect_err(|error| tracing::debug!(%error, "nobody knows what was shown elsewhere"))
}
