//! The gate: Redis decides fast who may go on to Postgres, and carries the live picture.
//!
//! A show's mirror is one hash: `v` its version, `q` whether its waiting list is open, `k` whether keys may have been used that the
//! gate does not remember, and `s:<seat>` for each seat that was
//! ever claimed, as `kind:token:deadline:owner`. Nothing here is believed when Postgres says otherwise.

use std::time::Duration;

use domain::id::{SeatId, ShowId};
use domain::mirror::{Drift, Mirror, MirrorSeat};
use domain::plan::Plan;
use redis::Script;
use service::redis::{Error, Redis};

use crate::keys::{Keys, MIRROR_TTL_SECONDS};
use crate::store::claims::Claim;

pub mod claim;
pub mod sight;

use sight::Sight;

/// How long a claim in the mirror waits for Postgres before it lapses by itself, as it does when its process dies in between.
/// One that is confirmed later than that still counts: Postgres decides.
const PENDING: Duration = Duration::from_secs(2);

/// Where the scripts run.
#[derive(Debug, Clone)]
pub struct Gate {
    redis: Redis,
    keys: Keys,
    scripts: std::sync::Arc<Scripts>,
}

#[derive(Debug)]
struct Scripts {
    claim: Script,
    undo: Script,
    apply: Script,
    load: Script,
    read: Script,
    queue: Script,
    mend: Script,
}

/// A mirror as it stands.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What it says.
    pub mirror: Mirror,
    /// Redis' clock when it was read.
    pub now_ms: u64,
}

impl Gate {
    /// Over one Redis.
    pub fn new(redis: Redis) -> Self {
        let keys = Keys::new(redis.prefix());
        let purging =
            format!("local purges = {}\n{}", quoted(&keys.purges()), include_str!("gate/purge.lua"));
        let publishing =
            |body: &str| Script::new(&[&purging, include_str!("gate/publish.lua"), body].concat());
        let scripts = Scripts {
            claim: publishing(include_str!("gate/claim.lua")),
            undo: publishing(include_str!("gate/undo.lua")),
            apply: publishing(include_str!("gate/apply.lua")),
            mend: publishing(include_str!("gate/mend.lua")),
            load: Script::new(&[&purging, include_str!("gate/load.lua")].concat()),
            read: Script::new(include_str!("gate/read.lua")),
            queue: Script::new(&[&purging, include_str!("gate/queue.lua")].concat()),
        };
        Self { redis, keys, scripts: scripts.into() }
    }

    /// Whether Redis is there.
    pub fn available(&self) -> bool {
        self.redis.available()
    }

    /// The keys it works on.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether a keyed owner may have claimed seats of this show before.
    pub async fn remembers(&self, show: &ShowId, owner: &str) -> Result<bool, Error> {
        let mut asked = redis::pipe();
        asked.cmd("ZSCORE").arg(self.keys.remembered(show)).arg(owner);
        asked.cmd("HGET").arg(self.keys.mirror(show)).arg("k");
        let (score, forgetful): (Option<f64>, Option<u8>) = self.redis.run_all(&asked).await?;
        Ok(score.is_some() || forgetful != Some(0))
    }

    /// Takes back a claim that Postgres did not confirm. Its owner is forgotten too, when nothing came of it for certain.
    pub async fn undo(
        &self,
        show: &ShowId,
        owner: &str,
        seats: &[SeatId],
        forget: bool,
    ) -> Result<(), Error> {
        let mut call = self.scripts.undo.key(self.keys.mirror(show));
        call.key(self.keys.remembered(show));
        call.arg(owner).arg(self.keys.live(show)).arg(show.as_str()).arg(u8::from(forget));
        for seat in seats {
            call.arg(seat.as_str());
        }
        self.redis.script::<u64>(&call).await.map(drop)
    }

    /// Makes seats what Postgres says they are.
    pub async fn apply(&self, show: &ShowId, claims: &[Claim]) -> Result<(), Error> {
        if claims.is_empty() {
            return Ok(());
        }
        let mut call = self.scripts.apply.key(self.keys.mirror(show));
        call.arg(self.keys.live(show)).arg(show.as_str()).arg(MIRROR_TTL_SECONDS);
        for claim in claims {
            let seat = MirrorSeat::of(&claim.fact());
            call.arg(claim.seat.as_str())
                .arg(seat.kind.letter())
                .arg(seat.token)
                .arg(seat.deadline_ms)
                .arg(seat.owner);
        }
        self.redis.script::<i64>(&call).await.map(drop)
    }

    /// Begins a mirror anew at `version`. Says whether it was taken.
    pub async fn load(
        &self,
        show: &ShowId,
        version: u64,
        queue_open: bool,
        claims: &[Claim],
    ) -> Result<bool, Error> {
        let mut call = self.scripts.load.key(self.keys.mirror(show));
        call.arg(version).arg(u8::from(queue_open)).arg(self.keys.live(show)).arg(show.as_str());
        call.arg(MIRROR_TTL_SECONDS).arg(u8::from(!claims.is_empty()));
        for claim in claims {
            call.arg(claim.seat.as_str()).arg(MirrorSeat::of(&claim.fact()).to_string());
        }
        self.redis.script::<u64>(&call).await.map(|taken| taken == 1)
    }

    /// Reads a mirror, if there is one.
    pub async fn read(&self, show: &ShowId) -> Result<Option<Reading>, Error> {
        let call = self.scripts.read.key(self.keys.mirror(show));
        let (now_ms, fields): (u64, Vec<String>) = self.redis.script(&call).await?;
        Ok(parse(now_ms, &fields))
    }

    /// What is taken in a mirror, if there is one, by the numbers of the show's plan.
    pub async fn sight(&self, show: &ShowId, plan: &Plan) -> Result<Option<Sight>, Error> {
        let call = self.scripts.read.key(self.keys.mirror(show));
        let (now_ms, fields): (u64, Vec<String>) = self.redis.script(&call).await?;
        Ok(Sight::of_fields(plan, now_ms, &fields))
    }

    /// The versions of several mirrors, in their order.
    pub async fn versions(&self, shows: &[ShowId]) -> Result<Vec<Option<u64>>, Error> {
        if shows.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::pipe();
        for show in shows {
            pipeline.cmd("HGET").arg(self.keys.mirror(show)).arg("v");
        }
        self.redis.run_all(&pipeline).await
    }

    /// Takes the turn of looking at each of these mirrors, and says which were to be had: those that nobody has, for so long.
    pub async fn turns(&self, shows: &[ShowId], length: Duration) -> Result<Vec<bool>, Error> {
        if shows.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::pipe();
        for show in shows {
            pipeline.cmd("SET").arg(self.keys.looked_at(show)).arg("").arg("NX");
            pipeline.arg("PX").arg(u64::try_from(length.as_millis()).unwrap_or(u64::MAX));
        }
        self.redis.run_all(&pipeline).await
    }

    /// Says to whoever stores our answers that so long ago all that had changed had been purged.
    pub async fn tell_alive(&self, age: Duration) -> Result<(), Error> {
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let alive = serde_json::json!({ "alive": crate::PROGRAM, "age_ms": age_ms }).to_string();
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(self.keys.purges()).arg(alive);
        self.redis.run::<u64>(&publish).await.map(drop)
    }

    /// Says whether lapsed holds of a show belong to its waiting list.
    pub async fn set_queue(&self, show: &ShowId, open: bool) -> Result<(), Error> {
        let mut call = self.scripts.queue.key(self.keys.mirror(show));
        call.arg(u8::from(open)).arg(show.as_str());
        self.redis.script::<()>(&call).await
    }

    /// Replaces what is wrong and still as it was seen. Returns how many seats were mended.
    pub async fn mend(&self, show: &ShowId, drifts: &[Drift]) -> Result<u64, Error> {
        let mut call = self.scripts.mend.key(self.keys.mirror(show));
        call.arg(self.keys.live(show)).arg(show.as_str());
        for drift in drifts {
            let seen = drift.seen.as_ref().map(MirrorSeat::to_string).unwrap_or_default();
            let status = drift.right.kind.status().as_str();
            call.arg(drift.seat.as_str()).arg(seen).arg(drift.right.to_string()).arg(status);
        }
        self.redis.script(&call).await
    }
}

/// As Lua reads it, whatever is in it.
fn quoted(text: &str) -> String {
    let bytes: Vec<_> = text.bytes().map(|byte| format!("\\{byte:03}")).collect();
    format!("'{}'", bytes.concat())
}

fn parse(now_ms: u64, fields: &[String]) -> Option<Reading> {
    let mut mirror = Mirror::default();
    for pair in fields.chunks_exact(2) {
        match (pair[0].as_str(), pair[0].strip_prefix("s:")) {
            ("v", _) => mirror.version = pair[1].parse().ok()?,
            ("q", _) => mirror.queue_open = pair[1] == "1",
            (_, Some(seat)) => {
                mirror.seats.insert(SeatId::parse(seat).ok()?, MirrorSeat::parse(&pair[1])?);
            }
            _ => {}
        }
    }
    (!fields.is_empty()).then_some(Reading { mirror, now_ms })
}
