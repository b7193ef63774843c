//! `waitlist.tellings`: how far the people in each line are told where they stand.

use deadpool_postgres::GenericClient;
use domain::id::ShowId;
use service::postgres::Error;

use super::ours;

/// An instance that tells, and how long another must have been quiet for this one to take over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Teller<'a> {
    /// Which.
    pub(crate) name: &'a str,
    /// Milliseconds.
    pub(crate) quiet_ms: i32,
}

/// Lines in which somebody went since they were told, as far as they are ours to tell; and how far they have moved.
pub(crate) async fn claim(
    client: &impl GenericClient,
    teller: Teller<'_>,
    limit: i64,
) -> Result<Vec<(ShowId, i64)>, Error> {
    let claim = "WITH due AS (
                     SELECT s.id, s.moved FROM waitlist.shows s LEFT JOIN waitlist.tellings t ON t.show_id = s.id
                     WHERE s.open AND s.moved > coalesce(t.moved, 0)
                       AND (t.told_by IS NULL OR t.told_by = $1
                            OR t.told_at < clock_timestamp() - $2::int * interval '1 millisecond')
                     ORDER BY t.told_at NULLS FIRST LIMIT $3
                 ), ours AS (
                     INSERT INTO waitlist.tellings AS t (show_id, moved, told_by, told_at)
                     SELECT id, 0, $1, clock_timestamp() FROM due ORDER BY id
                     ON CONFLICT (show_id) DO UPDATE SET told_by = $1, told_at = clock_timestamp()
                         WHERE t.told_by = $1 OR t.told_at < clock_timestamp() - $2::int * interval '1 millisecond'
                     RETURNING show_id
                 )
                 SELECT id, moved FROM due JOIN ours ON ours.show_id = due.id";
    let claim = client.prepare_cached(claim).await?;
    let rows = client.query(&claim, &[&teller.name, &teller.quiet_ms, &limit]).await?;
    Ok(rows.iter().map(|row| (ours(ShowId::parse(row.get::<_, &str>(0))), row.get(1))).collect())
}

/// All who moved so far are told.
pub(crate) async fn done(
    client: &impl GenericClient,
    show_id: &ShowId,
    moved: i64,
    teller: Teller<'_>,
) -> Result<(), Error> {
    let done = "UPDATE waitlist.tellings SET moved = $2 WHERE show_id = $1 AND told_by = $3";
    let done = client.prepare_cached(done).await?;
    client.execute(&done, &[&show_id.as_str(), &moved, &teller.name]).await?;
    Ok(())
}
