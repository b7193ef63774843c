//! What it costs to answer from memory.

use anyhow::Result;

use crate::bench::block::{Block, Plot};
use crate::bench::settings::Settings;
use crate::bench::stage::Stage;

pub(super) async fn measure(settings: &Settings) -> Result<Vec<Block>> {
    let mut stage = Stage::new("cached", "/cached/object", settings).await?;
    stage.nginx().await?;
    stage.varnish().await?;
    let plot = Plot {
        title: "cached hit, one worker, 4 KiB".to_owned(),
        unit: "requests/s",
        bases: &["nginx", "Varnish"],
        absent: std::mem::take(&mut stage.absent),
    };
    let contenders = std::mem::take(&mut stage.contenders);
    Ok(vec![Block::measure(plot, contenders, settings.plan()).await])
}
