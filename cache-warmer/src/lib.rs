//! Keeps the popular list warm.
