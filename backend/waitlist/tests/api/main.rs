//! The waitlist from outside: real Postgres and Redis, its own HTTP, and a stand-in for reservations.

mod reservations;
mod world;

mod audit;
mod joining;
mod leaving;
mod mailing;
mod measuring;
mod races;
mod serving;
mod telling;
mod trouble;
