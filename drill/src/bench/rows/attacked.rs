//! Honest requests while slow clients hold on to all they can.

use anyhow::Result;

use crate::bench::attack::Attacked;
use crate::bench::block::{Block, Plot};
use crate::bench::settings::Settings;
use crate::bench::stage::Stage;

/// Whom the ratio is to.
const CALM: &str = "nobody else";

pub(super) async fn measure(settings: &Settings) -> Result<Vec<Block>> {
    let stage = Stage::new("attacked", "/plain", settings).await?;
    let calm = stage.balancer_as(CALM, "");
    let note = "500 of each kind at once, as shipped: bytes of a header, of a body and of an answer come and go one by one";
    let attacked = Attacked::new(stage.balancer_as("slow headers, bodies, readers", note));
    let plot = Plot {
        title: "an honest request, one worker, while slow clients are at it".to_owned(),
        unit: "requests/s",
        bases: &[CALM],
        absent: Vec::new(),
    };
    let block = Block::measure(plot, vec![Box::new(calm), Box::new(attacked)], settings.plan()).await;
    Ok(vec![block])
}
