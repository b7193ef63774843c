-- What a hold was granted beyond its first deadline, and when it ended, for the limits on what one session keeps.
ALTER TABLE reservations.holds
    ADD COLUMN extended boolean NOT NULL DEFAULT false,
    ADD COLUMN graced   boolean NOT NULL DEFAULT false,
    ADD COLUMN ended_at timestamptz,
    -- The key it was extended with: the same key is told again that it was.
    ADD COLUMN extension_key text;
CREATE INDEX holds_by_session ON reservations.holds (session_id, created_at);
DROP INDEX reservations.holds_of_session;

-- What the payment provider knows an attempt by. It is as old as the key's row, so that who takes a key over asks for the same
-- money, and it is how an attempt that nobody finished is given back. A row of an older program has none, until one is taken over.
ALTER TABLE reservations.idempotency ADD COLUMN attempt text;
CREATE INDEX idempotency_unanswered ON reservations.idempotency (lease_until) WHERE status IS NULL;

-- Money that is still to be taken or given back: a row is written with what was decided and deleted when the provider has
-- answered, so that whoever settles finds what is due and nothing else. `id` is a booking; of a void it is the attempt.
CREATE TABLE reservations.unsettled (
    id      text NOT NULL,
    due     text NOT NULL CHECK (due IN ('capture', 'refund', 'void')),
    since   timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tries   int NOT NULL DEFAULT 0,
    PRIMARY KEY (id, due)
);
-- Every booking pays for it with one entry, at its right edge. Without it a look would read all that is unsettled, which is much
-- when the provider was away for long.
CREATE INDEX unsettled_next ON reservations.unsettled (due, next_at);
INSERT INTO reservations.unsettled (id, due)
    SELECT id, 'capture' FROM reservations.bookings WHERE status = 'booked' AND captured_at IS NULL;
-- An older program goes on selling without such rows; `settling` looks for them by time. Bookings are written in order of time, so
-- an index of page ranges is enough: a booking adds nothing to it but the end of a range, once in many.
CREATE INDEX bookings_by_time ON reservations.bookings USING brin (booked_at) WITH (autosummarize = on);
-- Noting a capture touches no index; on a page with room it is cheap.
ALTER TABLE reservations.bookings SET (fillfactor = 85);

-- The last epoch that Redis was about to be given: it may have counted up in it, even where nobody lived to note that.
ALTER TABLE reservations.epochs ADD COLUMN handed bigint NOT NULL DEFAULT 0;
