-- What a hold was granted beyond its first deadline, and when it ended, for the limits on what one session keeps.
ALTER TABLE reservations.holds
    ADD COLUMN extended boolean NOT NULL DEFAULT false,
    ADD COLUMN graced   boolean NOT NULL DEFAULT false,
    ADD COLUMN ended_at timestamptz;
CREATE INDEX holds_by_session ON reservations.holds (session_id, created_at);
DROP INDEX reservations.holds_of_session;

-- Money that was set aside by an attempt nobody finished is given back: these are the attempts.
-- What the payment provider knows an attempt by is as old as the key's row, so that who takes a key over asks for the same money.
ALTER TABLE reservations.idempotency ADD COLUMN hold_id text, ADD COLUMN attempt text;
CREATE INDEX idempotency_unanswered ON reservations.idempotency (lease_until) WHERE status IS NULL;

-- Bookings whose money is still to be taken or given back: a row is written with the booking's change and deleted when the
-- provider has answered, so that whoever settles finds what is due and nothing else.
CREATE TABLE reservations.unsettled (
    booking_id text NOT NULL,
    due        text NOT NULL CHECK (due IN ('capture', 'refund')),
    since      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (booking_id, due)
);
INSERT INTO reservations.unsettled (booking_id, due)
    SELECT id, 'capture' FROM reservations.bookings WHERE status = 'booked' AND captured_at IS NULL;
-- Noting a capture touches no index; on a page with room it is cheap.
ALTER TABLE reservations.bookings SET (fillfactor = 85);

-- The last epoch that Redis was about to be given: it may have counted up in it, even where nobody lived to note that.
ALTER TABLE reservations.epochs ADD COLUMN handed bigint NOT NULL DEFAULT 0;
