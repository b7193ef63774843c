//! What a look-up comes to: endpoints that can be used as they are, or why there are none.

use crate::config::{ConfigError, ENDPOINTS_PER_POOL_MAX, Endpoint};

/// At least one endpoint and at most [`ENDPOINTS_PER_POOL_MAX`], in the order of their addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found(Vec<Endpoint>);

/// Why a look-up found nothing that can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Nobody could say.
    #[error("{0}")]
    Unanswered(String),
    /// Who knows says that there is none.
    #[error("{0}")]
    Absent(String),
    /// The file cannot be used.
    #[error("{0}")]
    File(ConfigError),
    /// More than a pool holds.
    #[error("{found} endpoints, more than {ENDPOINTS_PER_POOL_MAX}; split the pool")]
    TooMany {
        /// How many.
        found: usize,
    },
}

impl Found {
    pub(super) fn new(mut endpoints: Vec<Endpoint>) -> Result<Self, Failure> {
        within_limit(endpoints.len())?;
        if endpoints.is_empty() {
            return Err(Failure::Absent("the answer names nobody".to_owned()));
        }
        endpoints.sort_unstable_by_key(|endpoint| endpoint.address);
        Ok(Self(endpoints))
    }

    pub(super) fn endpoints(&self) -> &[Endpoint] {
        &self.0
    }
}

/// Whether a pool holds so many.
pub(super) fn within_limit(found: usize) -> Result<(), Failure> {
    if found > ENDPOINTS_PER_POOL_MAX { Err(Failure::TooMany { found }) } else { Ok(()) }
}

/// What changes from one list to the next, for the log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Who is new.
    pub(super) came: Vec<String>,
    /// Who is no longer there.
    pub(super) gone: Vec<String>,
    /// Who has another weight.
    pub(super) reweighted: Vec<String>,
}

impl Change {
    pub(super) fn between(old: &[Endpoint], new: &[Endpoint]) -> Self {
        let names = |list: &[Endpoint], wanted: &dyn Fn(&Endpoint) -> bool| {
            list.iter().filter(|one| wanted(one)).map(|one| one.address.to_string()).collect()
        };
        let in_list =
            |list: &[Endpoint], one: &Endpoint| list.iter().any(|other| other.address == one.address);
        Self {
            came: names(new, &|one| !in_list(old, one)),
            gone: names(old, &|one| !in_list(new, one)),
            reweighted: names(new, &|one| in_list(old, one) && !old.contains(one)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(endpoints: &[(&str, u32)]) -> Vec<Endpoint> {
        let read = |(address, weight): &(&str, u32)| Endpoint {
            address: address.parse().expect("address"),
            weight: *weight,
        };
        endpoints.iter().map(read).collect()
    }

    #[test]
    fn a_change_names_who_came_who_went_and_who_weighs_another() {
        let old = list(&[("10.0.0.1:1", 1), ("10.0.0.2:1", 1), ("10.0.0.3:1", 1)]);
        let new = list(&[("10.0.0.4:1", 1), ("10.0.0.3:1", 2), ("10.0.0.2:1", 1)]);
        let Change { came, gone, reweighted } = Change::between(&old, &new);
        assert_eq!((came, gone), (vec!["10.0.0.4:1".to_owned()], vec!["10.0.0.1:1".to_owned()]));
        assert_eq!(reweighted, ["10.0.0.3:1"]);
        assert_eq!(Change::between(&old, &old), Change::default());
    }

    #[test]
    fn a_list_has_one_endpoint_at_least_and_as_many_as_a_pool_holds() {
        let many = |count: usize| {
            let ports = 1..=u16::try_from(count).expect("few");
            let address = |port| std::net::SocketAddr::from(([10, 0, 0, 1], port));
            Found::new(ports.map(|port| Endpoint { address: address(port), weight: 1 }).collect())
        };
        assert!(matches!(many(0), Err(Failure::Absent(_))));
        assert!(many(1).is_ok() && many(ENDPOINTS_PER_POOL_MAX).is_ok());
        let message = many(ENDPOINTS_PER_POOL_MAX + 1).expect_err("too many").to_string();
        assert_eq!(message, "65 endpoints, more than 64; split the pool");
    }
}
