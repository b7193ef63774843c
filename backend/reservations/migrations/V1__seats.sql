CREATE SCHEMA IF NOT EXISTS reservations;
CREATE SCHEMA IF NOT EXISTS reservations_published;

-- Fencing tokens: every claim takes the next, so that a late writer is known by its smaller one.
CREATE SEQUENCE reservations.fence;

CREATE TABLE reservations.holds (
    id          text PRIMARY KEY,
    show_id     text NOT NULL,
    session_id  text NOT NULL,
    entry_id    text,
    seats       text[] NOT NULL,
    token       bigint NOT NULL,
    status      text NOT NULL CHECK (status IN ('on_hold', 'booked', 'released', 'expired')),
    price_minor bigint NOT NULL,
    currency    text NOT NULL,
    fingerprint text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at  timestamptz NOT NULL
);
CREATE INDEX holds_due ON reservations.holds (expires_at) WHERE status = 'on_hold';
CREATE INDEX holds_of_session ON reservations.holds (session_id) WHERE status = 'on_hold';
CREATE INDEX holds_of_entry ON reservations.holds (entry_id) WHERE entry_id IS NOT NULL;

-- One row per seat that was ever claimed. `owner` is a hold, or the escrow the seat waits in.
CREATE TABLE reservations.claims (
    show_id    text NOT NULL,
    seat_id    text NOT NULL,
    status     text NOT NULL CHECK (status IN ('free', 'held', 'escrow', 'booked')),
    owner      text,
    token      bigint NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (show_id, seat_id),
    CHECK ((status IN ('held', 'escrow')) = (expires_at IS NOT NULL)),
    CHECK ((status = 'free') = (owner IS NULL))
);

CREATE TABLE reservations.bookings (
    id                text PRIMARY KEY,
    hold_id           text NOT NULL UNIQUE REFERENCES reservations.holds (id),
    show_id           text NOT NULL,
    session_id        text NOT NULL,
    email             text NOT NULL,
    seats             text[] NOT NULL,
    status            text NOT NULL CHECK (status IN ('booked', 'cancelled')),
    price_minor       bigint NOT NULL,
    currency          text NOT NULL,
    payment_reference text NOT NULL,
    idempotency_key   text NOT NULL,
    booked_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    captured_at       timestamptz,
    cancelled_at      timestamptz
);
CREATE INDEX bookings_of_session ON reservations.bookings (session_id, booked_at DESC);
CREATE INDEX bookings_of_show ON reservations.bookings (show_id, booked_at);

-- Stands behind the claims: whatever went wrong above, a seat has one live booking.
CREATE TABLE reservations.booking_seats (
    booking_id text NOT NULL REFERENCES reservations.bookings (id),
    show_id    text NOT NULL,
    seat_id    text NOT NULL,
    live       boolean NOT NULL,
    PRIMARY KEY (booking_id, seat_id)
);
CREATE UNIQUE INDEX one_live_booking_per_seat ON reservations.booking_seats (show_id, seat_id) WHERE live;

-- First answers of confirmations, for 24 hours.
CREATE TABLE reservations.idempotency (
    session_id  text NOT NULL,
    key         text NOT NULL,
    fingerprint text NOT NULL,
    status      int,
    body        jsonb,
    lease_until timestamptz NOT NULL,
    lease       text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (session_id, key)
);
CREATE INDEX idempotency_age ON reservations.idempotency (created_at);

-- Shows whose waiting list is open; only a higher revision changes a row.
CREATE TABLE reservations.queues (
    show_id  text PRIMARY KEY,
    open     boolean NOT NULL,
    revision bigint NOT NULL
);

-- Seats that came free while people wait, until they are offered or the bound passes.
CREATE TABLE reservations.escrows (
    id         text PRIMARY KEY,
    show_id    text NOT NULL,
    seats      text[] NOT NULL,
    open       boolean NOT NULL DEFAULT true,
    expires_at timestamptz NOT NULL
);
CREATE INDEX escrows_open ON reservations.escrows (expires_at) WHERE open;

-- How often a show's picture was begun anew; versions are epoch * 2^32 + changes since.
CREATE TABLE reservations.epochs (
    show_id  text PRIMARY KEY,
    epoch    bigint NOT NULL,
    mirrored bigint NOT NULL DEFAULT 0
);
CREATE INDEX epochs_unmirrored ON reservations.epochs (show_id) WHERE epoch > mirrored;

CREATE TABLE reservations.outbox (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event jsonb NOT NULL
);

CREATE VIEW reservations_published.bookings AS
    SELECT id, show_id, cardinality(seats) AS seats, booked_at, status FROM reservations.bookings;

CREATE VIEW reservations_published.holds AS
    SELECT id, show_id, session_id, entry_id, status, expires_at, seats FROM reservations.holds;

CREATE VIEW reservations_published.escrows AS
    SELECT id, show_id, seats, expires_at FROM reservations.escrows
    WHERE open AND cardinality(seats) > 0 AND expires_at > clock_timestamp();
