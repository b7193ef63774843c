-- A hold of one seat, as reservations places it when nobody else waits for its writer. Of 40 shows a client, one seat after
-- another that nobody had before; sessions have eight holds each. `series` is new with every run of pgbench on one database.
-- Statements that reservations sends together are sent together.
\set n :n + 1
\set show (:n % 40) * 1000 + :client_id
\set seat :series * 10000000 + :n
\set hold (:series * 1000 + :client_id) * 10000000 + :n
\set session :hold / 8
BEGIN;
SELECT pg_advisory_xact_lock(hashtext('reservations.session'), s.number) FROM
    (SELECT DISTINCT hashtext(session) AS number FROM unnest(ARRAY[:session]::text[]) AS session ORDER BY 1) AS s;
\startpipeline
SELECT u.* FROM unnest(ARRAY[:session]::text[]) WITH ORDINALITY AS s (session_id, at), LATERAL (
    SELECT count(*) FILTER (WHERE live),
           coalesce(sum(cardinality(seats)) FILTER (WHERE live), 0)::bigint,
           count(*) FILTER (WHERE entry_id IS NULL AND created_at > clock_timestamp() - interval '1 minute'),
           coalesce(ceil(sum(cardinality(seats) * extract(epoch FROM
               greatest(least(coalesce(ended_at, expires_at), clock_timestamp()) - created_at, interval '0')))
               FILTER (WHERE entry_id IS NULL AND status <> 'booked')), 0)::bigint
    FROM (SELECT seats, status, entry_id, created_at, expires_at, ended_at,
                 status = 'on_hold' AND expires_at > clock_timestamp() AS live
          FROM reservations.holds
          WHERE session_id = s.session_id AND created_at > statement_timestamp() - interval '1 hour') AS h) AS u
    ORDER BY s.at;
SELECT id, show_id, session_id, entry_id, seats, token, status, price_minor, currency, fingerprint, created_at, expires_at,
    extended, graced, extension_key, clock_timestamp() AS read_at FROM reservations.holds WHERE id = ANY(ARRAY[:hold]);
SELECT c.show_id, c.seat_id, c.status, c.owner, c.token, c.expires_at
    FROM reservations.claims AS c JOIN (SELECT DISTINCT show_id, seat_id
        FROM unnest(ARRAY[:show]::text[], ARRAY[:seat]::text[]) AS wanted (show_id, seat_id)) AS wanted USING (show_id, seat_id)
    ORDER BY c.show_id, c.seat_id FOR UPDATE OF c;
SELECT show_id FROM reservations.queues WHERE show_id = ANY(ARRAY[:show]) AND open;
\endpipeline
SELECT nextval('reservations.fence'), clock_timestamp() FROM generate_series(1, :one::int) \gset
INSERT INTO reservations.claims AS c (show_id, seat_id, status, owner, token, expires_at)
    SELECT show_id, seat_id, 'held', owner, token, expires_at
    FROM unnest(ARRAY[:show]::text[], ARRAY[:seat]::text[], ARRAY[:hold]::text[], ARRAY[:nextval]::bigint[], ARRAY[:expires_at]::timestamptz[])
        AS wanted (show_id, seat_id, owner, token, expires_at)
    ORDER BY show_id, seat_id
    ON CONFLICT (show_id, seat_id) DO UPDATE
    SET status = 'held', owner = excluded.owner, token = excluded.token, expires_at = excluded.expires_at
    WHERE c.token < excluded.token
      AND (c.status = 'free'
           OR (c.status = 'escrow' AND c.expires_at <= clock_timestamp())
           OR (c.status = 'held' AND c.expires_at <= clock_timestamp() AND NOT EXISTS
               (SELECT FROM reservations.queues AS q WHERE q.show_id = excluded.show_id AND q.open)));
\startpipeline
INSERT INTO reservations.holds (id, show_id, session_id, entry_id, seats, token, status, price_minor, currency,
        fingerprint, created_at, expires_at)
    SELECT id, show_id, session_id, entry_id, string_to_array(seats, ','), token, 'on_hold', price_minor, currency,
        fingerprint, created_at, expires_at
    FROM unnest(ARRAY[:hold]::text[], ARRAY[:show]::text[], ARRAY[:session]::text[], ARRAY[NULL]::text[], ARRAY[:seat]::text[],
        ARRAY[:nextval]::bigint[], ARRAY[:price]::bigint[], ARRAY[:currency]::text[],
        ARRAY[:fingerprint]::text[], ARRAY[:clock_timestamp]::timestamptz[], ARRAY[:expires_at]::timestamptz[])
        AS h (id, show_id, session_id, entry_id, seats, token, price_minor, currency, fingerprint, created_at, expires_at);
INSERT INTO reservations.outbox (event)
    SELECT event FROM unnest(ARRAY[:told_held]::jsonb[]) WITH ORDINALITY AS given (event, place) ORDER BY place;
\endpipeline
COMMIT;
