//! The catalog from outside: real Postgres and Redis, its own HTTP.

mod world;

mod demo;
mod importing;
mod movies;
mod pages;
mod popular;
mod shows;
mod trouble;
