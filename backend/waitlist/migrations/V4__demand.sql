-- Who joined a line, as others may add it up. Rows carry the transaction they were written by: whoever adds up takes what was
-- written since the last time, and what commits late is not missed (see reservations' migration of the same name).

CREATE SCHEMA IF NOT EXISTS waitlist_published;
ALTER TABLE waitlist.entries ADD COLUMN written_in xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX entries_written ON waitlist.entries (written_in);

CREATE VIEW waitlist_published.demand AS
    SELECT 'joined' AS kind, show_id, party::int AS seats, created_at AS at, written_in FROM waitlist.entries;
