//! What it costs to pass a request on.

use anyhow::Result;

use crate::bench::block::{Block, Plot};
use crate::bench::settings::Settings;
use crate::bench::stage::Stage;

pub(super) async fn measure(settings: &Settings) -> Result<Vec<Block>> {
    let mut stage = Stage::new("proxied", "/plain", settings).await?;
    stage.nginx().await?;
    stage.haproxy().await?;
    stage.bare_pingora().await?;
    stage.relay().await?;
    let plot = Plot {
        title: "proxied request, one worker, 256 bytes".to_owned(),
        unit: "requests/s",
        bases: &["nginx", "HAProxy", "bare Pingora", "epoll relay"],
        absent: std::mem::take(&mut stage.absent),
    };
    let contenders = std::mem::take(&mut stage.contenders);
    Ok(vec![Block::measure(plot, contenders, settings.plan()).await])
}
