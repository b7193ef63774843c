//! The warmer from outside: real Postgres and Redis, its probes, and the catalog's answer to visitors.

mod world;

mod hearing;
mod leading;
mod trouble;
