-- When an event was written, and events as they are told now: {"type","version","show_id","data"}.
--
-- An old program goes on writing {"type","show_id",…} and reading `event`, and relays whatever it finds to its own stream. What it
-- wrote is told by a new program's relay in the new form. While both run, each event is relayed by one of them, and heard by
-- readers of that version; those of the other find what they need in the views, as after a loss of Redis.

ALTER TABLE reservations.outbox ADD COLUMN at timestamptz NOT NULL DEFAULT clock_timestamp();

CREATE VIEW reservations.outbox_told AS
    SELECT id, at, told, coalesce(told->>'type', '') AS type, coalesce(told->>'show_id', '') AS key
    FROM (SELECT id, at,
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
