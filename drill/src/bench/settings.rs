//! What a bench is told.

use std::path::PathBuf;
use std::time::Duration;

use super::measure::Plan;

/// The rows of the table, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Row {
    /// A proxied request: balancer, nginx, HAProxy, a bare Pingora, a bare epoll relay.
    Proxied,
    /// A proxied request while 1,500 slow clients hold on to all they can, and without them.
    Attacked,
    /// A cached hit: balancer, nginx, Varnish.
    Cached,
    /// A stored answer that changes 200 times a second, read 10,000 times a second through two balancers.
    Changing,
    /// A durable hold, at the peak and at 80% of it, and a hold that is confirmed: the whole house, the same SQL by pgbench, the
    /// same Lua by redis-benchmark.
    Holds,
    /// A hold of a seat that is taken: the whole house, the same Lua by redis-benchmark.
    Losing,
    /// A show that is sold out at once: more buyers than seats, each until they have one or it is sold out.
    Sellout,
    /// A place in line: ten thousand who join one at once; an offer, from commit to socket, with a hundred thousand in a thousand.
    Queueing,
    /// A seat's change to many watching sockets: through the balancer, straight from the service; memory of an idle socket.
    Watching,
    /// The popular list: through the balancer, straight from the catalog, the SQL it replaces over millions of bookings; and
    /// the warmer's refresh over those and over a hundredth of them.
    Popular,
}

impl Row {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Proxied,
        Self::Attacked,
        Self::Cached,
        Self::Changing,
        Self::Holds,
        Self::Losing,
        Self::Sellout,
        Self::Queueing,
        Self::Watching,
        Self::Popular,
    ];

    /// As it is called on the command line.
    pub fn name(self) -> String {
        let value = clap::ValueEnum::to_possible_value(&self);
        value.map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// What is measured, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// The rows to measure; all of them when none is named.
    #[arg(value_enum)]
    pub rows: Vec<Row>,
    /// Turns of each contender.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Of one turn.
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    pub seconds: f64,
    /// Of every closed loop.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub connections: u32,
    /// Of the closed loops of the row `holds`, the house's and pgbench's: what many ask for is written together.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=160))]
    pub buyers: u32,
    /// Buyers of the row `sellout`, each on a connection of their own.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=8_000))]
    pub contenders: u32,
    /// Visitors of the row `queueing` who join one line at once; a line has no more room.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub joiners: u32,
    /// People who wait in all lines of the row `queueing` while offers are made.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub queued: u32,
    /// Watching sockets, once for each number.
    #[arg(long, value_delimiter = ',', default_values_t = [2_000, 5_000])]
    pub sockets: Vec<u32>,
    /// Bookings that the popular list is counted from.
    #[arg(long, default_value_t = 5_000_000)]
    pub bookings: u64,
    /// Where `cities.csv` and `box_office.csv` are, which give these bookings their weights.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Where `bench.md` and `bench.json` are written.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Where the programs are.
    #[arg(long, env = "MARQUEE_BIN_DIR", default_value = "target/dist")]
    pub bin_dir: PathBuf,
    /// The checkout: its scripts for the gate and its commit are used.
    #[arg(long, default_value = ".")]
    pub root: PathBuf,
    /// How the programs were built, for the table.
    #[arg(long, default_value = "unknown")]
    pub profile: String,
}

impl Settings {
    /// How often and how long.
    pub fn plan(&self) -> Plan {
        Plan { rounds: self.rounds as usize, length: Duration::from_secs_f64(self.seconds) }
    }

    /// The rows that are wanted, in the table's order, each once.
    pub fn wanted(&self) -> Vec<Row> {
        let asked = |row: &Row| self.rows.is_empty() || self.rows.contains(row);
        Row::ALL.into_iter().filter(asked).collect()
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.1..=600.0).contains(&seconds) { Ok(seconds) } else { Err("from 0.1 to 600".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    fn parse(words: &[&str]) -> Result<Settings, clap::Error> {
        Line::try_parse_from([&["bench"], words].concat()).map(|line| line.settings)
    }

    #[test]
    fn rows_are_wanted_in_the_tables_order_and_all_by_default() {
        assert_eq!(parse(&[]).unwrap().wanted(), Row::ALL);
        let wanted = parse(&["popular", "cached", "popular"]).unwrap().wanted();
        assert_eq!(wanted, [Row::Cached, Row::Popular]);
        assert!(parse(&["nonsense"]).is_err());
    }

    #[test]
    fn settings_have_limits() {
        assert!(parse(&["--seconds", "0"]).is_err() && parse(&["--rounds", "0"]).is_err());
        assert!(parse(&["--buyers", "161"]).is_err() && parse(&["--contenders", "0"]).is_err());
        assert_eq!(parse(&["--sockets", "10,20"]).unwrap().sockets, [10, 20]);
        assert_eq!(parse(&["--seconds", "0.5"]).unwrap().plan().length, Duration::from_millis(500));
    }
}
