//! Events on their way: from the outbox to the stream, perhaps twice, and from there to every service, perhaps again.

use crate::database::News;
use crate::process::{Lost, Process};
use crate::serving::serve;

/// Between two looks.
const PAUSE_MS: i64 = 300;
/// Events told at once.
const BATCH_MAX: usize = 20;

/// Puts what is in the outbox into the stream. A crash in between repeats it.
pub(crate) async fn relay(process: Process) {
    loop {
        process.sleep(PAUSE_MS).await;
        let _next_time = relay_once(&process).await;
    }
}

async fn relay_once(process: &Process) -> Result<(), Lost> {
    let waiting: Vec<_> = process
        .postgres("read the outbox", |database| database.outbox.iter().take(BATCH_MAX).cloned().collect())
        .await?;
    let Some((last, _)) = waiting.last().cloned() else { return Ok(()) };
    process
        .redis("append to the stream", |redis| redis.stream.extend(waiting.into_iter().map(|(_, news)| news)))
        .await?;
    process.postgres("empty the outbox", |database| database.outbox.retain(|(id, _)| *id > last)).await
}

/// Hears what is told. Whatever comes twice changes nothing.
pub(crate) async fn listen(process: Process) {
    loop {
        process.sleep(PAUSE_MS).await;
        let _next_time = listen_once(&process).await;
    }
}

async fn listen_once(process: &Process) -> Result<(), Lost> {
    let read = process.memory(|service| service.read);
    let (read, news) = process
        .redis("read the stream", |redis| {
            let skipped = read.saturating_sub(redis.stream_from) as usize;
            let news: Vec<_> = redis.stream.iter().skip(skipped).cloned().collect();
            (redis.stream_from + redis.stream.len() as u64, news)
        })
        .await?;
    process.memory(|service| service.read = read);
    if news.iter().any(|news| matches!(news, News::Escrowed(_))) {
        serve(process).await?;
    }
    Ok(())
}
