//! Owner of queue entries and offers.
