//! Owner of seat claims, holds, bookings and the live sockets.
