WITH begun AS (
    SELECT movie_id, starts_at,
           starts_at - lag(starts_at) OVER (PARTITION BY movie_id ORDER BY starts_at)
               <= $2 * interval '1 day' AS continues
    FROM catalog.shows WHERE starts_at > statement_timestamp() - ($1 + $2) * interval '1 day'
), runs AS (
    SELECT movie_id, max(starts_at) FILTER (WHERE continues IS NOT TRUE) AS opened_at
    FROM begun GROUP BY movie_id HAVING max(starts_at) > statement_timestamp()
)
SELECT movie_id, opened_at, sort_title FROM runs JOIN catalog.movies ON id = movie_id
WHERE opened_at > statement_timestamp() - $1 * interval '1 day'
