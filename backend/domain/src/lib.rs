//! What is true about seats.
