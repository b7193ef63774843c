//! The catalog from outside: real Postgres and Redis, its own HTTP.

mod demand;
mod warm;
mod world;

mod demo;
mod importing;
mod movies;
mod pages;
mod popular;
mod popular_counting;
mod popular_oracle;
mod shows;
mod trouble;
