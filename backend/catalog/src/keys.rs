//! Every Redis key of the catalog. They share a hash tag, so that a script may use them all in a cluster too.
//!
//! | key | type | lives | written by | read by |
//! | --- | --- | --- | --- | --- |
//! | `<prefix>:{popular}:meta` | hash: when and from what the lists were counted, `n:<place>` how long each is | an hour after the last swap | cache-warmer, by [`crate::popular`] | catalog |
//! | `…:list:<place>` | sorted set: `<order>:<film>` by forward-decayed sum; `<place>` is `all`, `country:US`, `city:<id>` | the same | the same, by swaps and by live additions | catalog |
//! | `…:directory` | string: the films and places as JSON | the same | the same | catalog |
//! | `…:members` | hash: film → its member in the lists | the same | the same | the scripts |
//! | `…:pending` | hash: what happened that the last count had not seen | five minutes after the last addition | the same | the scripts |
//! | `…:next:<token>:…` | what the next swap puts in place | a minute | the same | the swap |
//! | `…:lease` | string: the leader's token | `lease_ms` | cache-warmer | all its instances, and the swap |
//!
//! All but the last two change at once for every reader.

/// The keys of the popular list.
#[derive(Debug, Clone)]
pub(crate) struct PopularKeys {
    pub(crate) meta: String,
    pub(crate) directory: String,
    pub(crate) members: String,
    pub(crate) pending: String,
    pub(crate) lease: String,
    /// What stands before the name of a place.
    pub(crate) lists: String,
    base: String,
}

/// The keys of the list before there were places; older programs read them. Nobody writes them any more.
pub(crate) fn former(prefix: &str) -> [String; 3] {
    ["popular", "popular:movies", "popular:as_of"].map(|rest| format!("{prefix}:{rest}"))
}

/// The keys of what is to be put in place.
#[derive(Debug)]
pub(crate) struct NextKeys {
    pub(crate) directory: String,
    pub(crate) members: String,
    /// What stands before the name of a place.
    pub(crate) lists: String,
}

impl PopularKeys {
    /// Under a prefix.
    pub(crate) fn new(prefix: &str) -> Self {
        let base = format!("{prefix}:{{popular}}");
        let key = |rest: &str| format!("{base}:{rest}");
        Self {
            meta: key("meta"),
            directory: key("directory"),
            members: key("members"),
            pending: key("pending"),
            lease: key("lease"),
            lists: key("list:"),
            base,
        }
    }

    /// Those of one leader.
    pub(crate) fn next(&self, token: i64) -> NextKeys {
        let key = |rest: &str| format!("{}:next:{token}:{rest}", self.base);
        NextKeys { directory: key("directory"), members: key("members"), lists: key("list:") }
    }
}
