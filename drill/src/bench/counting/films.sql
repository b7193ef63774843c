SELECT id, title, year, released_on, runtime_minutes, mpaa_rating, genres, directors, cast_members,
       synopsis, synopsis_source
FROM catalog.movies WHERE id = ANY($1)
