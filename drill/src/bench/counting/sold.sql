SELECT s.movie_id, floor(extract(epoch FROM statement_timestamp() - b.booked_at) / 3600)::float8,
       sum(b.seats)::bigint
FROM reservations_published.bookings b JOIN catalog.shows s ON s.id = b.show_id
WHERE b.status = 'booked' AND b.booked_at > statement_timestamp() - $1 * interval '1 day'
GROUP BY 1, 2
