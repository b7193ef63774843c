//! Why requests are refused so that others are answered.

/// One of the reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its client asks more often than it may.
    RateLimited,
    /// As many wait as may.
    QueueFull,
    /// Somebody of a higher class took its place.
    Displaced,
    /// It waited as long as it may.
    QueueTimeout,
    /// The pool has as many sockets as it may.
    Sockets,
    /// Its client has as many sockets as it may.
    ClientSockets,
    /// Every endpoint has as many requests as it may.
    EndpointLimit,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::RateLimited,
        Self::QueueFull,
        Self::Displaced,
        Self::QueueTimeout,
        Self::Sockets,
        Self::ClientSockets,
        Self::EndpointLimit,
    ];

    /// As the metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::QueueFull => "queue_full",
            Self::Displaced => "displaced",
            Self::QueueTimeout => "queue_timeout",
            Self::Sockets => "sockets",
            Self::ClientSockets => "client_sockets",
            Self::EndpointLimit => "endpoint_limit",
        }
    }
}
