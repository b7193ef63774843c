-- What to call a show when somebody is written to about it, and by which clock it begins.
CREATE OR REPLACE VIEW catalog_published.shows AS
    SELECT s.id, s.movie_id, s.auditorium_id, s.starts_at, s.price_minor, s.currency, a.capacity, a.seat_map,
           t.orphan_rule, m.title, t.name AS theater, c.name AS city, c.timezone
    FROM catalog.shows s JOIN catalog.auditoriums a ON a.id = s.auditorium_id
    JOIN catalog.theaters t ON t.id = a.theater_id JOIN catalog.cities c ON c.id = t.city_id
    JOIN catalog.movies m ON m.id = s.movie_id;
