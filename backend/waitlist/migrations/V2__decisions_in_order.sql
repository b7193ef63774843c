-- The order in which offers were decided, and when by the database's clock. Decisions are made under the lock of the line,
-- so within a show `seq` is the order in which the line was served: what an audit compares with the order of arrival.
-- Offers that are older than these columns are numbered as they lie, and seem to be decided now.

ALTER TABLE waitlist.offers
    ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY,
    ADD COLUMN decided_at timestamptz NOT NULL DEFAULT clock_timestamp();
