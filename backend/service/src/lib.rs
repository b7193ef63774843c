//! How to be a process here.
