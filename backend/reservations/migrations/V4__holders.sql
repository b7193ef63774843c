-- The process that holds a key under way: Postgres tells at once when it is gone. An old program writes none, and then its lease
-- runs out as before.

ALTER TABLE reservations.idempotency ADD COLUMN holder int;
