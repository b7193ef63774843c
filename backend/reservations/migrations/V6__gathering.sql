-- Seats of several escrows are given to one party, so an escrow may be kept for longer while they are gathered: until `bound_at` at
-- most. An older program writes neither column, and its escrows are not kept longer.

ALTER TABLE reservations.escrows ADD COLUMN created_at timestamptz, ADD COLUMN bound_at timestamptz;
ALTER TABLE reservations.escrows ALTER COLUMN created_at SET DEFAULT clock_timestamp();
CREATE INDEX escrows_of_show ON reservations.escrows (show_id) WHERE open;

CREATE OR REPLACE VIEW reservations_published.escrows AS
    SELECT id, show_id, seats, expires_at,
           coalesce(created_at, expires_at - interval '30 seconds') AS created_at, coalesce(bound_at, expires_at) AS bound_at
    FROM reservations.escrows
    WHERE open AND cardinality(seats) > 0 AND expires_at > clock_timestamp();

-- Seats that the street cannot have at this moment.
CREATE VIEW reservations_published.taken AS
    SELECT c.show_id, c.seat_id
    FROM reservations.claims AS c LEFT JOIN reservations.queues AS q ON q.show_id = c.show_id
    WHERE c.status = 'booked'
       OR (c.status IN ('held', 'escrow') AND c.expires_at > clock_timestamp())
       OR (c.status = 'held' AND coalesce(q.open, false));
