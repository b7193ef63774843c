-- The hold of hold.sql, confirmed as reservations confirms it. The key is taken, the seat is sold, the money's capture is noted.
BEGIN;
INSERT INTO reservations.idempotency AS i (session_id, key, fingerprint, lease, attempt, lease_until, holder)
    SELECT session_id, key, fingerprint, lease, lease, clock_timestamp() + :lease_seconds * interval '1 second', :holder
    FROM unnest(ARRAY[:session]::text[], ARRAY[:hold]::text[], ARRAY[:fingerprint]::text[], ARRAY[:hold]::text[]) AS u (session_id, key, fingerprint, lease)
    ORDER BY session_id, key
    ON CONFLICT (session_id, key) DO UPDATE SET lease_until = excluded.lease_until, lease = excluded.lease,
        holder = excluded.holder, attempt = coalesce(i.attempt, excluded.attempt)
    WHERE i.status IS NULL AND i.fingerprint = excluded.fingerprint
        AND (i.lease_until <= clock_timestamp() OR pg_try_advisory_xact_lock_shared(hashtext('marquee.presence'), i.holder))
    RETURNING session_id, key, attempt;
SELECT id, show_id, session_id, entry_id, seats, token, status, price_minor, currency, fingerprint, created_at, expires_at,
    extended, graced, extension_key, clock_timestamp() AS read_at FROM reservations.holds WHERE id = ANY(ARRAY[:hold]);
COMMIT;
BEGIN;
SELECT u.at, i.lease = u.lease AND i.status IS NULL FROM reservations.idempotency AS i
    JOIN unnest(ARRAY[:session]::text[], ARRAY[:hold]::text[], ARRAY[:hold]::text[]) WITH ORDINALITY AS u (session_id, key, lease, at)
        ON i.session_id = u.session_id AND i.key = u.key
    ORDER BY i.session_id, i.key FOR UPDATE OF i;
SELECT id, show_id, session_id, entry_id, seats, token, status, price_minor, currency, fingerprint, created_at, expires_at,
    extended, graced, extension_key, clock_timestamp() AS read_at FROM reservations.holds WHERE id = ANY(ARRAY[:hold]) ORDER BY id FOR UPDATE;
\startpipeline
SELECT c.show_id, c.seat_id, c.status, c.owner, c.token, c.expires_at
    FROM reservations.claims AS c JOIN (SELECT DISTINCT show_id, seat_id
        FROM unnest(ARRAY[:show]::text[], ARRAY[:seat]::text[]) AS wanted (show_id, seat_id)) AS wanted USING (show_id, seat_id)
    ORDER BY c.show_id, c.seat_id FOR UPDATE OF c;
SELECT show_id FROM reservations.queues WHERE show_id = ANY(ARRAY[:show]) AND open;
SELECT nextval('reservations.fence'), clock_timestamp() FROM generate_series(1, :one::int);
\endpipeline
\startpipeline
UPDATE reservations.claims AS c SET status = 'booked', expires_at = NULL
    FROM unnest(ARRAY[:show]::text[], ARRAY[:seat]::text[], ARRAY[:hold]::text[], ARRAY[:nextval]::bigint[]) AS h (show_id, seat_id, owner, token)
    WHERE c.show_id = h.show_id AND c.seat_id = h.seat_id AND c.owner = h.owner AND c.token = h.token
      AND c.status = 'held' AND c.expires_at > clock_timestamp();
UPDATE reservations.holds AS h SET status = 'booked', token = b.token, ended_at = clock_timestamp()
    FROM unnest(ARRAY[:hold]::text[], ARRAY[:nextval]::bigint[]) AS b (id, token) WHERE h.id = b.id;
INSERT INTO reservations.bookings (id, hold_id, show_id, session_id, email, seats, status, price_minor, currency,
        payment_reference, idempotency_key, booked_at)
    SELECT id, hold_id, show_id, session_id, email, string_to_array(seats, ','), 'booked', price_minor, currency,
        payment_reference, idempotency_key, booked_at
    FROM unnest(ARRAY[:hold]::text[], ARRAY[:hold]::text[], ARRAY[:show]::text[], ARRAY[:session]::text[], ARRAY[:email]::text[], ARRAY[:seat]::text[],
        ARRAY[:price]::bigint[], ARRAY[:currency]::text[], ARRAY[:payment]::text[], ARRAY[:hold]::text[], ARRAY[:clock_timestamp]::timestamptz[])
        AS b (id, hold_id, show_id, session_id, email, seats, price_minor, currency, payment_reference,
            idempotency_key, booked_at);
INSERT INTO reservations.booking_seats (booking_id, show_id, seat_id, live)
    SELECT booking_id, show_id, seat_id, true
    FROM unnest(ARRAY[:hold]::text[], ARRAY[:show]::text[], ARRAY[:seat]::text[]) AS b (booking_id, show_id, seat_id)
    ORDER BY show_id, seat_id;
INSERT INTO reservations.unsettled (id, due, next_at)
    SELECT id, :due, clock_timestamp() + :settle_seconds * interval '1 second' FROM unnest(ARRAY[:hold]::text[]) AS id
    ON CONFLICT DO NOTHING;
INSERT INTO reservations.outbox (event)
    SELECT event FROM unnest(ARRAY[:told_booked]::jsonb[]) WITH ORDINALITY AS given (event, place) ORDER BY place;
UPDATE reservations.idempotency AS i SET status = a.status, body = a.body, lease = ''
    FROM unnest(ARRAY[:session]::text[], ARRAY[:hold]::text[], ARRAY[:hold]::text[], ARRAY[:answered]::int[], ARRAY[:answer]::jsonb[]) AS a (session_id, key, lease, status, body)
    WHERE i.session_id = a.session_id AND i.key = a.key AND i.lease = a.lease;
\endpipeline
COMMIT;
BEGIN;
SET LOCAL synchronous_commit = off;
\startpipeline
UPDATE reservations.bookings SET captured_at = clock_timestamp() WHERE id = ANY(ARRAY[:hold]) AND captured_at IS NULL;
DELETE FROM reservations.unsettled WHERE id = ANY(ARRAY[:hold]) AND due || '' = :due;
\endpipeline
COMMIT;
