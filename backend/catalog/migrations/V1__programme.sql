CREATE SCHEMA IF NOT EXISTS catalog;
CREATE SCHEMA IF NOT EXISTS catalog_published;

-- Ids are derived from the natural key, so that a second import finds what the first one wrote.
CREATE TABLE catalog.movies (
    id              text PRIMARY KEY,
    title           text NOT NULL,
    -- Lower case, without accents and punctuation: what is searched and sorted by.
    title_key       text NOT NULL,
    year            int NOT NULL,
    released_on     date,
    runtime_minutes int,
    mpaa_rating     text,
    genres          text[] NOT NULL DEFAULT '{}',
    "cast"          text[] NOT NULL DEFAULT '{}',
    directors       text[] NOT NULL DEFAULT '{}',
    distributor     text,
    synopsis        text,
    us_gross        bigint,
    worldwide_gross bigint,
    imdb_rating     double precision,
    imdb_votes      bigint
);
CREATE INDEX movies_in_order ON catalog.movies (title_key, id);
CREATE INDEX movies_by_word ON catalog.movies USING gin (to_tsvector('simple', title_key));

CREATE TABLE catalog.cities (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    state      text NOT NULL,
    latitude   double precision NOT NULL,
    longitude  double precision NOT NULL,
    population bigint NOT NULL,
    timezone   text NOT NULL
);

CREATE TABLE catalog.theaters (
    id       text PRIMARY KEY,
    name     text NOT NULL,
    city     text NOT NULL,
    state    text NOT NULL,
    timezone text NOT NULL
);

CREATE TABLE catalog.auditoriums (
    id         text PRIMARY KEY,
    theater_id text NOT NULL REFERENCES catalog.theaters (id),
    name       text NOT NULL,
    seat_map   jsonb NOT NULL,
    capacity   int NOT NULL
);

CREATE TABLE catalog.shows (
    id            text PRIMARY KEY,
    movie_id      text NOT NULL REFERENCES catalog.movies (id),
    auditorium_id text NOT NULL REFERENCES catalog.auditoriums (id),
    starts_at     timestamptz NOT NULL,
    -- The day of the screening where the theater stands.
    local_day     date NOT NULL,
    price_minor   bigint NOT NULL,
    currency      text NOT NULL,
    UNIQUE (auditorium_id, starts_at)
);
CREATE INDEX shows_of_movie ON catalog.shows (movie_id, starts_at, id);

CREATE VIEW catalog_published.shows AS
    SELECT s.id, s.movie_id, s.auditorium_id, s.starts_at, s.price_minor, s.currency, a.capacity, a.seat_map
    FROM catalog.shows AS s JOIN catalog.auditoriums AS a ON a.id = s.auditorium_id;
