-- A hold of one seat, as reservations places it. Of 40 shows a client, one seat after another that nobody had before;
-- sessions have eight holds each. `series` is new with every run of pgbench on one database.
\set n :n + 1
\set show (:n % 40) * 1000 + :client_id
\set seat :series * 10000000 + :n
\set hold (:series * 1000 + :client_id) * 10000000 + :n
\set session :hold / 8
BEGIN;
SELECT pg_advisory_xact_lock(hashtext('reservations.session'), hashtext(:session));
SELECT count(*) FROM reservations.holds
    WHERE session_id = :session AND status = 'on_hold' AND expires_at > clock_timestamp();
SELECT id, show_id, session_id, entry_id, seats, token, status, price_minor, currency, fingerprint, expires_at,
    expires_at <= clock_timestamp() AS lapsed FROM reservations.holds WHERE id = :hold;
SELECT nextval('reservations.fence'), clock_timestamp() \gset
INSERT INTO reservations.claims AS c (show_id, seat_id, status, owner, token, expires_at)
    SELECT :show, seat, 'held', :hold, :nextval, :expires_at FROM unnest(ARRAY[:seat]::text[]) AS seat ORDER BY seat
    ON CONFLICT (show_id, seat_id) DO UPDATE
    SET status = 'held', owner = excluded.owner, token = excluded.token, expires_at = excluded.expires_at
    WHERE c.token < excluded.token
      AND (c.status = 'free'
           OR (c.status = 'escrow' AND c.expires_at <= clock_timestamp())
           OR (c.status = 'held' AND c.expires_at <= clock_timestamp() AND NOT EXISTS
               (SELECT FROM reservations.queues AS q WHERE q.show_id = :show AND q.open)))
    RETURNING seat_id, status, owner, token, expires_at;
INSERT INTO reservations.holds
    (id, show_id, session_id, entry_id, seats, token, status, price_minor, currency, fingerprint, expires_at)
    VALUES (:hold, :show, :session, NULL, ARRAY[:seat], :nextval, :on_hold, :price, :currency, :fingerprint, :expires_at);
INSERT INTO reservations.outbox (event)
    SELECT event FROM unnest(ARRAY[:told_held]::jsonb[]) WITH ORDINALITY AS given (event, place) ORDER BY place;
COMMIT;
