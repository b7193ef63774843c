//! A fresh database and Redis namespace per test.
