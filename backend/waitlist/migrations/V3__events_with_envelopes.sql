-- When an event was written, and events as they are told now: {"type","version","show_id","data"}.
--
-- An old program goes on writing {"type","show_id",…} and reading `event`, and relays whatever it finds to its own stream. What it
-- wrote is told by a new program's relay in the new form. While both run, each event is relayed by one of them, and heard by
-- readers of that version. What we tell is news and no more: it may then be told to no socket.

ALTER TABLE waitlist.outbox ADD COLUMN at timestamptz NOT NULL DEFAULT clock_timestamp();

CREATE VIEW waitlist.outbox_told AS
    SELECT id, at, told, coalesce(told->>'type', '') AS type, coalesce(told->>'show_id', '') AS key
    FROM (SELECT id, at,
                 CASE WHEN event ? 'version' THEN event
                      ELSE jsonb_build_object(
                          'type', replace(initcap(event->>'type'), '_', ''),
                          'version', 1,
                          'show_id', event->'show_id',
                          'data', event - 'type' - 'show_id')
                 END AS told
          FROM waitlist.outbox) AS every;
