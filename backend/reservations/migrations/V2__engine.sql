-- What a hold was granted beyond its first deadline, and when it ended, for the limits on what one session keeps.
ALTER TABLE reservations.holds
    ADD COLUMN extended boolean NOT NULL DEFAULT false,
    ADD COLUMN graced   boolean NOT NULL DEFAULT false,
    ADD COLUMN ended_at timestamptz;
CREATE INDEX holds_by_session ON reservations.holds (session_id, created_at);
DROP INDEX reservations.holds_of_session;

-- Money that was set aside by an attempt nobody finished is given back: these are the attempts.
ALTER TABLE reservations.idempotency ADD COLUMN hold_id text;
CREATE INDEX idempotency_unanswered ON reservations.idempotency (lease_until) WHERE status IS NULL;

-- Money that is still to be taken, and to be given back.
ALTER TABLE reservations.bookings ADD COLUMN refunded_at timestamptz;
CREATE INDEX bookings_uncaptured ON reservations.bookings (booked_at) WHERE status = 'booked' AND captured_at IS NULL;
CREATE INDEX bookings_unrefunded ON reservations.bookings (cancelled_at) WHERE status = 'cancelled' AND refunded_at IS NULL;
