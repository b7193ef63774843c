-- What people did about shows, as others may add it up: `reservations_published.demand`.
--
-- Every row of it carries the transaction it was written by, so that whoever adds up takes what was written since the last time:
-- all transactions below a snapshot's xmin are over, and what they wrote is seen. Times could not tell: a transaction may commit
-- long after a later one. A row of the view, once seen, never changes; a sale that is taken back is a second row.

-- The default is worked out once for the rows that are there, and for each new one: no table is rewritten.
ALTER TABLE reservations.bookings
    ADD COLUMN written_in   xid8 NOT NULL DEFAULT pg_current_xact_id(),
    ADD COLUMN cancelled_in xid8;
ALTER TABLE reservations.holds ADD COLUMN written_in xid8 NOT NULL DEFAULT pg_current_xact_id();
UPDATE reservations.bookings SET cancelled_in = pg_current_xact_id() WHERE status = 'cancelled';

-- Right-edge entries, and none when a capture is noted. They end what a look has to read, however long the history is.
CREATE INDEX bookings_written ON reservations.bookings (written_in);
CREATE INDEX bookings_cancelled ON reservations.bookings (cancelled_in) WHERE cancelled_in IS NOT NULL;
CREATE INDEX holds_written ON reservations.holds (written_in);

-- An old program cancels too, and knows nothing of the column.
CREATE FUNCTION reservations.note_cancellation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.cancelled_in := pg_current_xact_id();
    RETURN NEW;
END $$;
CREATE TRIGGER bookings_note_cancellation BEFORE UPDATE OF status ON reservations.bookings
    FOR EACH ROW WHEN (OLD.status = 'booked' AND NEW.status = 'cancelled')
    EXECUTE FUNCTION reservations.note_cancellation();

-- A booking that came in as cancelled, from a copy of another house, was never a sale here.
CREATE VIEW reservations_published.demand AS
    SELECT 'booked' AS kind, show_id, cardinality(seats) AS seats, booked_at AS at, written_in
    FROM reservations.bookings WHERE status = 'booked' OR cancelled_in IS NOT NULL
    UNION ALL
    SELECT 'booked', show_id, -cardinality(seats), booked_at, cancelled_in
    FROM reservations.bookings WHERE cancelled_in IS NOT NULL
    UNION ALL
    SELECT 'held', show_id, cardinality(seats), created_at, written_in
    FROM reservations.holds;

-- An event says which transaction it was written by: that of the change it tells of.
ALTER TABLE reservations.outbox ADD COLUMN written_in xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE OR REPLACE VIEW reservations.outbox_told AS
    SELECT id, at, told || jsonb_build_object('written_in', written_in::text::bigint) AS told,
           coalesce(told->>'type', '') AS type, coalesce(told->>'show_id', '') AS key
    FROM (SELECT id, at, written_in,
                 CASE WHEN event ? 'version' THEN event
                      ELSE jsonb_build_object(
                          'type', CASE event->>'type'
                                      WHEN 'hold_released' THEN 'SeatsReleased'
                                      WHEN 'seats_booked' THEN 'BookingConfirmed'
                                      ELSE replace(initcap(event->>'type'), '_', '') END,
                          'version', 1,
                          'show_id', event->'show_id',
                          'data', event - 'type' - 'show_id')
                 END AS told
          FROM reservations.outbox) AS every;
