//! Availability under change: 10,000 reads a second of what changes 200 times a second.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::bench::balancer;
use crate::bench::block::{Block, Plot};
use crate::bench::changing::Changing;
use crate::bench::cpu::Part;
use crate::bench::peers::REDIS;
use crate::bench::program::{Directory, Program, free_address};
use crate::bench::settings::Settings;
use crate::bench::stage::drill;
use crate::stores;

/// As shipped.
const LEASE: Duration = Duration::from_secs(1);
const CHANNEL: &str = "bench:purge";
const BALANCERS: usize = 2;

pub(super) async fn measure(settings: &Settings) -> Result<Vec<Block>> {
    let plot = Plot {
        title: "availability under change, 1 KiB".to_owned(),
        unit: "reads/s",
        bases: &[],
        absent: Vec::new(),
    };
    let program = match REDIS.find() {
        Ok(program) => program,
        Err(absent) => {
            let plot = Plot { absent: vec![absent], ..plot };
            return Ok(vec![Block::measure(plot, Vec::new(), settings.plan()).await]);
        }
    };
    let directories = [Directory::new("changing")?, Directory::new("changing")?];
    let changing = start(settings, &directories, Command::new(program)).await?;
    Ok(vec![Block::measure(plot, vec![Box::new(changing)], settings.plan()).await])
}

async fn start(
    settings: &Settings,
    directories: &[Directory; BALANCERS],
    mut redis: Command,
) -> Result<Changing> {
    let directory = directories[0].path();
    let (origin, address) = (free_address()?, free_address()?);
    let mut command = drill(settings);
    command.args(["origin", "--listen", &origin.to_string()]);
    let mut programs = vec![Program::start("origin", command, directory, origin).await?];
    redis
        .args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--save", ""])
        .current_dir(directory);
    let redis = Program::start("redis", redis, directory, address).await?;
    let mut parts = vec![Part::of("redis", redis.pid())];
    programs.push(redis);
    let url = format!("redis://{address}");
    let purge = format!(
        "[purge]\nredis_url = \"{url}\"\nchannel = \"{CHANNEL}\"\nlease_ms = {}\n",
        LEASE.as_millis()
    );
    let (mut balancers, mut logs) = (Vec::new(), Vec::new());
    for directory in directories {
        let listen = free_address()?;
        let (program, log) =
            balancer::start_with(&settings.bin_dir, directory, listen, origin, &purge).await?;
        parts.push(Part::of("balancer", program.pid()));
        programs.push(program);
        balancers.push(listen);
        logs.push(log);
    }
    Ok(Changing {
        balancers,
        origin,
        redis: stores::redis(&url).await?,
        channel: CHANNEL.to_owned(),
        lease: LEASE,
        connections: settings.connections as usize,
        parts,
        programs,
        logs,
        seen: Arc::default(),
    })
}
