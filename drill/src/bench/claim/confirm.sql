-- The hold of hold.sql, confirmed as reservations confirms it.
INSERT INTO reservations.idempotency AS i (session_id, key, fingerprint, lease_until, lease)
    VALUES (:session, :hold, :fingerprint, clock_timestamp() + :lease_seconds * interval '1 second', :hold)
    ON CONFLICT (session_id, key) DO UPDATE SET lease_until = excluded.lease_until, lease = excluded.lease
    WHERE i.status IS NULL AND i.fingerprint = excluded.fingerprint AND i.lease_until <= clock_timestamp()
    RETURNING key;
SELECT id, show_id, session_id, entry_id, seats, token, status, price_minor, currency, fingerprint, expires_at,
    expires_at <= clock_timestamp() AS lapsed FROM reservations.holds WHERE id = :hold;
BEGIN;
SELECT id, show_id, session_id, entry_id, seats, token, status, price_minor, currency, fingerprint, expires_at,
    expires_at <= clock_timestamp() AS lapsed FROM reservations.holds WHERE id = :hold FOR UPDATE;
SELECT FROM reservations.claims WHERE show_id = ANY(ARRAY[:show]) AND owner = ANY(ARRAY[:hold])
    ORDER BY show_id, seat_id FOR UPDATE;
UPDATE reservations.claims SET status = 'booked', expires_at = NULL
    WHERE show_id = :show AND owner = :hold AND token = :nextval AND status = 'held' AND expires_at > clock_timestamp()
    RETURNING seat_id, status, owner, token, expires_at;
UPDATE reservations.holds SET status = :booked WHERE id = :hold;
INSERT INTO reservations.bookings
    (id, hold_id, show_id, session_id, email, seats, status, price_minor, currency, payment_reference, idempotency_key)
    VALUES (:hold, :hold, :show, :session, :email, ARRAY[:seat], 'booked', :price, :currency, :payment, :hold)
    RETURNING id, hold_id, show_id, session_id, email, seats, status, price_minor, currency, payment_reference,
    idempotency_key, booked_at, cancelled_at;
INSERT INTO reservations.booking_seats (booking_id, show_id, seat_id, live)
    SELECT :hold, :show, seat, true FROM unnest(ARRAY[:seat]::text[]) AS seat;
INSERT INTO reservations.outbox (event)
    SELECT event FROM unnest(ARRAY[:told_booked]::jsonb[]) WITH ORDINALITY AS given (event, place) ORDER BY place;
UPDATE reservations.idempotency SET status = :answered, body = :answer
    WHERE session_id = :session AND key = :hold AND status IS NULL;
COMMIT;
UPDATE reservations.bookings SET captured_at = clock_timestamp() WHERE id = :hold;
