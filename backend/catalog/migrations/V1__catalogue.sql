-- Films, theaters and shows. Only the catalog writes here; others read catalog_published.

CREATE SCHEMA IF NOT EXISTS catalog;
CREATE SCHEMA IF NOT EXISTS catalog_published;

CREATE TABLE catalog.cities (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    state      text NOT NULL,
    -- As people search for it: lower case, without accents and punctuation.
    name_key   text COLLATE "C" NOT NULL,
    latitude   double precision NOT NULL CHECK (latitude BETWEEN -90 AND 90),
    longitude  double precision NOT NULL CHECK (longitude BETWEEN -180 AND 180),
    population bigint NOT NULL CHECK (population >= 0),
    timezone   text NOT NULL
);
CREATE INDEX cities_name_key ON catalog.cities (name_key);

CREATE TABLE catalog.theaters (
    id      text PRIMARY KEY,
    -- A theater's state and time zone are its city's.
    city_id text NOT NULL REFERENCES catalog.cities (id),
    name    text NOT NULL,
    UNIQUE (city_id, name)
);

CREATE TABLE catalog.auditoriums (
    id         text PRIMARY KEY,
    theater_id text NOT NULL REFERENCES catalog.theaters (id),
    name       text NOT NULL,
    seat_map   jsonb NOT NULL,
    capacity   integer NOT NULL CHECK (capacity > 0),
    UNIQUE (theater_id, name)
);

CREATE TABLE catalog.movies (
    id               text PRIMARY KEY,
    natural_key      text NOT NULL UNIQUE,
    title            text NOT NULL,
    -- The order of lists, and the words a search finds it by.
    sort_title       text COLLATE "C" NOT NULL,
    words            text[] NOT NULL,
    search           tsvector NOT NULL GENERATED ALWAYS AS (array_to_tsvector(words)) STORED,
    year             smallint NOT NULL,
    released_on      date,
    runtime_minutes  smallint,
    mpaa_rating      text,
    genres           text[] NOT NULL,
    directors        text[] NOT NULL,
    cast_members     text[] NOT NULL,
    synopsis         text,
    synopsis_source  text,
    distributor      text,
    us_gross         bigint,
    worldwide_gross  bigint,
    imdb_rating      double precision,
    imdb_votes       bigint
);
CREATE INDEX movies_sorted ON catalog.movies (sort_title, id);
CREATE INDEX movies_search ON catalog.movies USING gin (search);

-- What each source said, row by row; a movie is what its records say together.
CREATE TABLE catalog.movie_records (
    source   text NOT NULL,
    key      text NOT NULL,
    movie_id text NOT NULL REFERENCES catalog.movies (id),
    record   jsonb NOT NULL,
    PRIMARY KEY (source, key)
);
CREATE INDEX movie_records_movie ON catalog.movie_records (movie_id);

CREATE TABLE catalog.shows (
    id            text PRIMARY KEY,
    movie_id      text NOT NULL REFERENCES catalog.movies (id),
    auditorium_id text NOT NULL REFERENCES catalog.auditoriums (id),
    starts_at     timestamptz NOT NULL,
    price_minor   bigint NOT NULL CHECK (price_minor >= 0),
    currency      text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    UNIQUE (auditorium_id, starts_at)
);
CREATE INDEX shows_of_movie ON catalog.shows (movie_id, starts_at, id);
CREATE INDEX shows_in_time ON catalog.shows (starts_at);

CREATE VIEW catalog_published.shows AS
    SELECT s.id, s.movie_id, s.auditorium_id, s.starts_at, s.price_minor, s.currency, a.capacity, a.seat_map
    FROM catalog.shows s JOIN catalog.auditoriums a ON a.id = s.auditorium_id;
