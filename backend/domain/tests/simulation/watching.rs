//! Whoever watches the show: frames that may not arrive, snapshots where one is missing, another service when this one is gone.

use std::collections::VecDeque;

use domain::live::Seats;
use domain::status::SeatStatus;

use crate::mirroring::{self, Picture};
use crate::process::{Lost, Process};
use crate::redis::Frame;
use crate::world::World;

/// Between two looks into the inbox.
const PAUSE_MS: i64 = 120;
/// Looks between two checks of the mirror's version.
const LOOKS_PER_CHECK: u32 = 6;

/// One socket: what its service believes, and what its client saw.
#[derive(Default)]
pub(crate) struct Watcher {
    pub(crate) inbox: VecDeque<Frame>,
    /// The picture of the service it is connected to; none when that has just begun.
    pub(crate) picture: Option<Picture>,
    /// What the client sees.
    pub(crate) seen: Picture,
    /// The last version that was sent on this connection.
    sent: u64,
    checked: u64,
}

/// Serves one watcher until this service dies.
pub(crate) async fn watch(process: Process, at: usize) {
    process
        .world(|world| {
            let seen = std::mem::take(&mut world.watchers[at].seen);
            world.watchers[at] = Watcher { seen, ..Watcher::default() };
        })
        .await;
    let mut looks = 0;
    loop {
        looks += 1;
        let _next_time = look(&process, at, looks).await;
        process.sleep(PAUSE_MS).await;
    }
}

async fn look(process: &Process, at: usize, looks: u32) -> Result<(), Lost> {
    loop {
        let frame = process.shared.world.borrow_mut().watchers[at].inbox.pop_front();
        match frame {
            Some(Frame::Step(version, changes)) => step(process, at, version, changes).await?,
            Some(Frame::Reload) => refresh(process, at).await?,
            None => break,
        }
    }
    let blind = {
        let world = process.shared.world.borrow();
        world.watchers[at].picture.is_none()
            || (world.redis.away && looks.is_multiple_of(2 * LOOKS_PER_CHECK))
    };
    if blind {
        return refresh(process, at).await;
    }
    if looks.is_multiple_of(LOOKS_PER_CHECK) {
        return check(process, at).await;
    }
    Ok(())
}

async fn step(process: &Process, at: usize, version: u64, changes: Seats) -> Result<(), Lost> {
    let follows = {
        let mut world = process.shared.world.borrow_mut();
        let watcher = &mut world.watchers[at];
        match &mut watcher.picture {
            Some(picture) if version <= picture.version => true,
            Some(picture) if version == picture.version + 1 => {
                picture.version = version;
                apply(&mut picture.seats, changes);
                show(&mut world, at);
                true
            }
            _ => false,
        }
    };
    if follows { Ok(()) } else { refresh(process, at).await }
}

/// Behind the version of the *last* check: what that check saw must have arrived by now.
async fn check(process: &Process, at: usize) -> Result<(), Lost> {
    let mirror = |redis: &mut crate::redis::Redis| redis.gate.mirror.as_ref().map(|mirror| mirror.version);
    let Some(version) = process.redis("read the version", mirror).await? else {
        return refresh(process, at).await;
    };
    let behind = {
        let mut world = process.shared.world.borrow_mut();
        let watcher = &mut world.watchers[at];
        let before = std::mem::replace(&mut watcher.checked, version);
        watcher.picture.as_ref().is_some_and(|picture| picture.version < before)
    };
    if behind { refresh(process, at).await } else { Ok(()) }
}

/// Takes a new picture and shows it, when it is newer.
async fn refresh(process: &Process, at: usize) -> Result<(), Lost> {
    if let Some(picture) = newer(process, at).await? {
        let mut world = process.shared.world.borrow_mut();
        world.watchers[at].picture = Some(picture);
        show(&mut world, at);
    }
    Ok(())
}

async fn newer(process: &Process, at: usize) -> Result<Option<Picture>, Lost> {
    let picture = mirroring::picture(process).await?;
    let (old, away) = {
        let world = process.shared.world.borrow();
        (world.watchers[at].picture.clone(), world.redis.away)
    };
    let Some(old) = old else { return Ok(Some(picture)) };
    if picture.version > old.version {
        return Ok(Some(picture));
    }
    if picture.version == old.version || (picture.seats == old.seats && away) {
        return Ok(None);
    }
    // An older version with other seats: Redis forgot, or is away. A new epoch is above all that was shown.
    mirroring::load(process).await?;
    let picture = mirroring::picture(process).await?;
    Ok((picture.version > old.version).then_some(picture))
}

/// The client gets what its service has. What is older than it saw from another service is one that lags: the picture stays.
fn show(world: &mut World, at: usize) {
    let picture = world.watchers[at].picture.clone().unwrap();
    world.note(|| format!("watcher {at} is sent {} {:?}", version(picture.version), picture.seats));
    let watcher = &mut world.watchers[at];
    let sent = std::mem::replace(&mut watcher.sent, picture.version);
    if watcher.seen.version <= picture.version {
        watcher.seen = picture;
    }
    let now = world.watchers[at].sent;
    if now <= sent {
        world.violate(format!(
            "watcher {at} is taken back from version {} to {}",
            version(sent),
            version(now)
        ));
    }
}

fn version(version: u64) -> String {
    format!("{}+{}", version >> 32, version & 0xffff_ffff)
}

fn apply(seats: &mut Seats, changes: Seats) {
    for (seat, status) in changes {
        if status == SeatStatus::Free {
            seats.remove(&seat);
        } else {
            seats.insert(seat, status);
        }
    }
}
