//! The layer-7 load balancer.
