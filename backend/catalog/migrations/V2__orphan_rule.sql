-- Whether a theater asks buyers not to leave a single seat alone. Read with each of its shows.
ALTER TABLE catalog.theaters ADD COLUMN orphan_rule boolean NOT NULL DEFAULT false;

-- A replaced view may only get columns at its end; who names the old ones reads them as before.
CREATE OR REPLACE VIEW catalog_published.shows AS
    SELECT s.id, s.movie_id, s.auditorium_id, s.starts_at, s.price_minor, s.currency, a.capacity, a.seat_map,
           t.orphan_rule
    FROM catalog.shows s JOIN catalog.auditoriums a ON a.id = s.auditorium_id
    JOIN catalog.theaters t ON t.id = a.theater_id;
