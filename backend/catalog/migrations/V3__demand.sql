-- What people did about films, added up by film and theater, so that nothing has to read every booking again.

-- Interest by forward decay: what happened at `t` is summed as 2^((t - landmark) / half-life), and never changes by itself
-- (domain::popularity). The seats are counted besides, whatever their age, for people who ask why a film stands where it stands.
CREATE TABLE catalog.demand (
    movie_id     text NOT NULL,
    theater_id   text NOT NULL,
    booked_seats bigint NOT NULL,
    held_seats   bigint NOT NULL,
    joined_seats bigint NOT NULL,
    booked       double precision NOT NULL,
    held         double precision NOT NULL,
    joined       double precision NOT NULL,
    PRIMARY KEY (movie_id, theater_id)
) WITH (fillfactor = 70);

-- How far that goes. One row.
CREATE TABLE catalog.demand_state (
    alone             boolean PRIMARY KEY DEFAULT true CHECK (alone),
    -- What everybody wrote in transactions below this one is in the sums.
    folded_below      xid8 NOT NULL DEFAULT '0',
    landmark          timestamptz NOT NULL DEFAULT 'epoch',
    -- 0 before anything was added up. When it differs from what is configured, all is added up anew.
    half_life_seconds bigint NOT NULL DEFAULT 0,
    -- Which views were read: one that appears later has rows that were never taken.
    sources           text NOT NULL DEFAULT '',
    -- Grows with every folding, so that who remembers sums knows whether they are the last.
    folds             bigint NOT NULL DEFAULT 0,
    -- The fencing token of the leader that folded last; a smaller one is refused.
    token             bigint NOT NULL DEFAULT 0
);
INSERT INTO catalog.demand_state DEFAULT VALUES;

-- Fencing tokens of leaders. Redis could not give them: an emptied one would begin again.
CREATE SEQUENCE catalog.popular_fence;

-- A country as ISO 3166-1 has it, in two letters. What is here came from one country so far.
ALTER TABLE catalog.cities ADD COLUMN country text NOT NULL DEFAULT 'US' CHECK (country ~ '^[A-Z]{2}$');
-- Whose theater it is, for those who would not have one chain drown the others. A theater without one is its own.
ALTER TABLE catalog.theaters ADD COLUMN chain text;
