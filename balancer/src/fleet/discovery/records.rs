//! What DNS answers mean for a pool. Pure: records in, endpoints out.
//!
//! Of SRV records (RFC 2782) only those of the lowest priority number count whose targets have an address; their
//! weights become weights of endpoints, which are smaller numbers.

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::config::Endpoint;
use crate::config::endpoint::WEIGHT_MAX;

/// However short the records live, the server is not asked more often than this.
pub(super) const PAUSE_MIN: Duration = Duration::from_secs(1);

/// An SRV record whose target was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Lower is preferred.
    pub(super) priority: u16,
    /// Its share among those of the same priority.
    pub(super) weight: u16,
    /// Where it listens; 0 is nowhere.
    pub(super) port: u16,
    /// Where it is.
    pub(super) addresses: Vec<IpAddr>,
}

/// Everybody at these addresses, with equal shares.
pub(super) fn of_addresses(addresses: &[IpAddr], port: u16) -> Vec<Endpoint> {
    unique(addresses.iter().map(|address| endpoint(*address, port, 1)).collect())
}

/// The targets that are to be used, with their shares.
pub(super) fn of_services(targets: &[Target]) -> Vec<Endpoint> {
    let there = |target: &&Target| target.port != 0 && !target.addresses.is_empty();
    let priority = targets.iter().filter(there).map(|target| target.priority).min();
    let chosen = targets.iter().filter(there).filter(|target| Some(target.priority) == priority);
    let chosen: Vec<&Target> = chosen.collect();
    let weights: Vec<u16> = chosen.iter().map(|target| target.weight).collect();
    let endpoints = chosen.iter().zip(shares(&weights)).flat_map(|(target, share)| {
        target.addresses.iter().map(move |address| endpoint(*address, target.port, share))
    });
    unique(endpoints.collect())
}

/// In an order that does not depend on the server's, which likes to turn its answers round. Who is named twice has the
/// larger share.
fn unique(mut endpoints: Vec<Endpoint>) -> Vec<Endpoint> {
    endpoints.sort_unstable_by_key(|endpoint| (endpoint.address, Reverse(endpoint.weight)));
    endpoints.dedup_by_key(|endpoint| endpoint.address);
    endpoints
}

fn endpoint(address: IpAddr, port: u16, weight: u32) -> Endpoint {
    Endpoint { address: SocketAddr::new(address, port), weight }
}

/// Weights up to 65,535 as shares of 1 to [`WEIGHT_MAX`]: exact where the smallest numbers with the same
/// proportions fit, else rounded. A weight of 0 beside others is the smallest share beside the largest one.
fn shares(weights: &[u16]) -> Vec<u32> {
    let largest = u32::from(weights.iter().copied().max().unwrap_or(0));
    if largest == 0 {
        return vec![1; weights.len()];
    }
    let divisor = u32::from(weights.iter().copied().fold(0, common_divisor));
    let exact = !weights.contains(&0) && largest / divisor <= WEIGHT_MAX;
    let share = |weight: u16| match u32::from(weight) {
        weight if exact => weight / divisor,
        weight => ((weight * WEIGHT_MAX + largest / 2) / largest).max(1),
    };
    weights.iter().map(|weight| share(*weight)).collect()
}

fn common_divisor(a: u16, b: u16) -> u16 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// When to ask again: when the first record has run out, within bounds.
pub(super) fn pause(ttl_seconds: Option<u32>, longest: Duration) -> Duration {
    let ttl = ttl_seconds.map_or(longest, |seconds| Duration::from_secs(seconds.into()));
    ttl.clamp(PAUSE_MIN.min(longest), longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(priority: u16, weight: u16, addresses: &[&str]) -> Target {
        let addresses = addresses.iter().map(|address| address.parse().expect("address")).collect();
        Target { priority, weight, port: 7101, addresses }
    }

    fn described(endpoints: &[Endpoint]) -> Vec<String> {
        endpoints.iter().map(|one| format!("{} x{}", one.address, one.weight)).collect()
    }

    #[test]
    fn the_order_of_an_answer_means_nothing_and_nobody_is_there_twice() {
        let addresses: Vec<IpAddr> =
            ["10.0.0.2", "10.0.0.1", "10.0.0.2"].iter().map(|text| text.parse().expect("address")).collect();
        assert_eq!(described(&of_addresses(&addresses, 80)), ["10.0.0.1:80 x1", "10.0.0.2:80 x1"]);
        let twice = [target(1, 1, &["10.0.0.1"]), target(1, 3, &["10.0.0.1"])];
        assert_eq!(described(&of_services(&twice)), ["10.0.0.1:7101 x3"]);
    }

    #[test]
    fn only_the_lowest_priority_number_that_is_there_counts() {
        let first = target(10, 1, &["10.0.0.1"]);
        let second = target(20, 1, &["10.0.0.2", "fd00::2"]);
        assert_eq!(described(&of_services(&[second.clone(), first.clone()])), ["10.0.0.1:7101 x1"]);
        let nowhere = Target { addresses: Vec::new(), ..first.clone() };
        let both = ["10.0.0.2:7101 x1", "[fd00::2]:7101 x1"];
        assert_eq!(described(&of_services(&[nowhere.clone(), second.clone()])), both);
        assert_eq!(described(&of_services(&[Target { port: 0, ..first }, second])), both);
        assert!(of_services(&[nowhere]).is_empty());
    }

    #[test]
    fn weights_keep_their_proportions() {
        for (weights, expected) in [
            (vec![], vec![]),
            (vec![0, 0], vec![1, 1]),
            (vec![7, 7, 7], vec![1, 1, 1]),
            (vec![10, 20, 30], vec![1, 2, 3]),
            (vec![100, 25], vec![4, 1]),
            (vec![65_535, 1, 32_768], vec![16, 1, 8]),
            (vec![0, 5, 5], vec![1, 16, 16]),
            (vec![1, 17], vec![1, 16]),
        ] {
            assert_eq!(shares(&weights), expected, "{weights:?}");
        }
    }

    #[test]
    fn it_is_asked_again_when_a_record_runs_out_within_bounds() {
        let longest = Duration::from_secs(5);
        for (ttl, seconds) in [(None, 5), (Some(0), 1), (Some(3), 3), (Some(86_400), 5)] {
            assert_eq!(pause(ttl, longest), Duration::from_secs(seconds), "{ttl:?}");
        }
    }
}
