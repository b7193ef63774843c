//! Adding up what people did, in Postgres: a refresh costs with what was written since the last one, and never with what was
//! written before. All anew only when what is added up changes: the half-life, or the views there are.

use std::time::Duration;

use deadpool_postgres::{GenericClient, Transaction};
use domain::popularity::{Decay, Renewal};
use jiff::Timestamp;
use service::postgres::{Error, Pool};
use tokio_postgres::IsolationLevel;

use super::PopularConfig;
use super::program::Program;
use super::standings::Sums;
use crate::store::demand::{self, Moment, Snapshot, State, Summed};

/// Why nothing was added.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfolded {
    /// A later leader was here.
    #[error("a later leader has folded already")]
    Fenced,
    /// Postgres cannot be asked, or refused.
    #[error(transparent)]
    Postgres(#[from] Error),
}

impl From<tokio_postgres::Error> for Unfolded {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error.into())
    }
}

/// What is known after a folding.
#[derive(Debug)]
pub(crate) struct Folded {
    pub(crate) as_of: Timestamp,
    pub(crate) landmark: Timestamp,
    pub(crate) snapshot: Snapshot,
    /// What newer transactions have committed, on top of the sums.
    pub(crate) fresh: Vec<Summed>,
    /// How many rows of the views were added.
    pub(crate) facts: i64,
}

/// The sums as the leader remembers them, so that it reads only those that change.
#[derive(Debug, Default)]
pub(crate) struct Folding {
    sums: Sums,
    /// The folding they are of; nothing when they have to be read.
    folds: Option<i64>,
}

impl Folding {
    /// The sums as of the last folding.
    pub(crate) fn sums(&self) -> &Sums {
        &self.sums
    }

    /// Reads all sums again with the next folding: the films they are wanted of have changed.
    pub(crate) fn forget(&mut self) {
        self.folds = None;
    }

    /// Adds what was written since the last time, as the leader of that token.
    pub(crate) async fn fold(
        &mut self,
        pool: &Pool,
        program: &Program,
        decay: Decay,
        token: i64,
        timeout: Duration,
    ) -> Result<Folded, Unfolded> {
        let remembered = self.folds.take();
        let mut client = pool.get().await?;
        let transaction =
            client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).start().await?;
        // What is lost with the server is added again: the state is lost with it.
        let patience = timeout.as_millis();
        let settings =
            format!("SET LOCAL synchronous_commit = off; SET LOCAL statement_timeout = {patience}");
        transaction.batch_execute(&settings).await?;
        let moment = demand::moment(&transaction).await?;
        let before = demand::state(&transaction, true).await?;
        if before.token > token {
            return Err(Unfolded::Fenced);
        }
        let (state, changed_all) = renewed(&transaction, &moment, &before, decay).await?;
        let folded = demand::fold(&transaction, &moment, &state).await?;
        let fresh = demand::since(&transaction, &moment, &state, moment.snapshot.below).await?;
        let known = !changed_all && remembered == Some(before.folds);
        let all = if known { None } else { Some(of_program(&transaction, program).await?) };
        let after = State { folded_below: moment.snapshot.below, folds: before.folds + 1, token, ..state };
        demand::note(&transaction, &after).await?;
        transaction.commit().await?;
        if let Some(all) = all {
            self.sums = Sums::default();
            self.sums.set(&all);
        } else {
            self.sums.set(&folded.changed);
        }
        self.folds = Some(after.folds);
        let Moment { as_of, snapshot, .. } = moment;
        Ok(Folded { as_of, landmark: after.landmark, snapshot, fresh, facts: folded.facts })
    }
}

/// The state to add to, and whether sums changed on the way to it.
async fn renewed(
    transaction: &Transaction<'_>,
    moment: &Moment,
    before: &State,
    decay: Decay,
) -> Result<(State, bool), Error> {
    let renewal = if usable(before, moment) && before.half_life_seconds == decay.half_life_seconds {
        decay.renewal(before.landmark, moment.as_of)
    } else {
        Renewal::Forget
    };
    match renewal {
        Renewal::Keep => Ok((before.clone(), false)),
        Renewal::Halve { times, landmark } => {
            demand::halve(transaction, times).await?;
            Ok((State { landmark, ..before.clone() }, true))
        }
        Renewal::Forget => {
            tracing::info!("what people did about films is added up anew");
            demand::forget(transaction).await?;
            let state = State {
                folded_below: 0,
                landmark: moment.as_of,
                half_life_seconds: decay.half_life_seconds,
                sources: moment.sources().to_owned(),
                ..before.clone()
            };
            Ok((state, true))
        }
    }
}

/// Whether the sums are of these views, and of this server: one that was restored from a dump counts its transactions anew.
fn usable(state: &State, moment: &Moment) -> bool {
    state.half_life_seconds > 0
        && state.sources == moment.sources()
        && state.folded_below <= moment.snapshot.next
}

async fn of_program(client: &impl GenericClient, program: &Program) -> Result<Vec<Summed>, Error> {
    let ids: Vec<&str> = program.releases.iter().map(|release| release.movie.id.as_str()).collect();
    demand::of_films(client, &ids).await
}

/// All that a list is counted from, as of now, read without adding anything.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) program: Program,
    pub(crate) sums: Sums,
    pub(crate) fresh: Vec<Summed>,
    pub(crate) as_of: Timestamp,
    pub(crate) landmark: Timestamp,
    pub(crate) decay: Decay,
}

/// Looks, for who has no list: what was added up by the leader, and what was written since. While nobody has ever added up, that
/// is everything.
pub(crate) async fn look(pool: &Pool, config: &PopularConfig) -> Result<Look, Error> {
    let mut client = pool.get().await?;
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    let moment = demand::moment(&transaction).await?;
    let kept = demand::state(&transaction, false).await?;
    let program = Program::read(&transaction, config, moment.as_of).await?;
    let mut sums = Sums::default();
    let state = if usable(&kept, &moment) {
        sums.set(&of_program(&transaction, &program).await?);
        kept
    } else {
        let half_life_seconds = config.decay().half_life_seconds;
        State { folded_below: 0, landmark: moment.as_of, half_life_seconds, ..kept }
    };
    let fresh = demand::since(&transaction, &moment, &state, state.folded_below).await?;
    let decay = Decay { half_life_seconds: state.half_life_seconds };
    Ok(Look { program, sums, fresh, as_of: moment.as_of, landmark: state.landmark, decay })
}
