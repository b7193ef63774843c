//! What it costs to answer from memory.

use anyhow::Result;

use crate::bench::block::{Block, Plot};
use crate::bench::settings::Settings;
use crate::bench::stage::Stage;

pub(super) async fn measure(settings: &Settings) -> Result<Vec<Block>> {
    let short = hits("1 KiB", "/cached/1KiB", settings).await?;
    let long = hits("32 KiB", "/cached/32KiB", settings).await?;
    Ok(vec![short, long])
}

async fn hits(size: &str, path: &'static str, settings: &Settings) -> Result<Block> {
    let mut stage = Stage::new("cached", path, settings).await?;
    stage.nginx().await?;
    stage.varnish().await?;
    let plot = Plot {
        title: format!("cached hit, one worker, {size}"),
        unit: "requests/s",
        bases: &["nginx", "Varnish"],
        absent: std::mem::take(&mut stage.absent),
    };
    let contenders = std::mem::take(&mut stage.contenders);
    Ok(Block::measure(plot, contenders, settings.plan()).await)
}
