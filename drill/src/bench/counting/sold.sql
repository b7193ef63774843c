SELECT s.movie_id, b.age_hours, sum(b.seats)::bigint
FROM (SELECT show_id, floor(extract(epoch FROM statement_timestamp() - booked_at) / 3600)::float8 AS age_hours,
             sum(seats) AS seats
      FROM reservations_published.bookings
      WHERE status = 'booked' AND booked_at > statement_timestamp() - $1 * interval '1 day'
      GROUP BY 1, 2) b
JOIN catalog.shows s ON s.id = b.show_id
GROUP BY 1, 2
