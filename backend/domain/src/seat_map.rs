//! The seats of an auditorium and where they stand.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::id::SeatId;

/// What a place is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeatKind {
    /// A seat.
    Standard,
    /// Room for a wheelchair.
    Wheelchair,
    /// The seat beside a wheelchair place.
    Companion,
}

/// One place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Seat {
    /// Unique in the auditorium.
    pub id: SeatId,
    /// Column, in seat widths; a gap of more than one is an aisle.
    pub x: u16,
    /// Row, in seat depths, from the screen.
    pub y: u16,
    /// What it is made for.
    pub kind: SeatKind,
}

/// One row, its seats in order of `x`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Row {
    /// As painted on the floor.
    pub label: String,
    /// From left to right, seen from the back.
    pub seats: Vec<Seat>,
}

/// A whole auditorium, its rows in order of `y`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SeatMap {
    /// From the screen to the back.
    pub rows: Vec<Row>,
}

/// Why a seat map cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSeatMap {
    /// Two seats share an id.
    #[error("seat {0} stands twice")]
    Twice(SeatId),
    /// A row is not in order of `x`.
    #[error("row {0} is not in order from left to right")]
    Disorder(String),
    /// There is nothing to sit on.
    #[error("a seat map needs a seat")]
    Empty,
}

impl SeatMap {
    /// Checks that every seat stands once, in order.
    pub fn validate(&self) -> Result<(), InvalidSeatMap> {
        let mut seen = HashSet::new();
        for row in &self.rows {
            if !row.seats.is_sorted_by(|a, b| a.x < b.x) {
                return Err(InvalidSeatMap::Disorder(row.label.clone()));
            }
            for seat in &row.seats {
                if !seen.insert(&seat.id) {
                    return Err(InvalidSeatMap::Twice(seat.id.clone()));
                }
            }
        }
        if seen.is_empty() { Err(InvalidSeatMap::Empty) } else { Ok(()) }
    }

    /// Every place, row by row.
    pub fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.rows.iter().flat_map(|row| &row.seats)
    }

    /// How many places there are.
    pub fn capacity(&self) -> usize {
        self.rows.iter().map(|row| row.seats.len()).sum()
    }
}
