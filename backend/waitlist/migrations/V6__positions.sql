-- Positions without counting a line: how many wait, and for how many seats, in pieces of it by `seq`. Kept by triggers, so that an old
-- program's writes count as well; everybody who changes a line has its lock, so nobody waits for these rows.

CREATE TABLE waitlist.line_counts (
    show_id text   NOT NULL,
    -- seq / 512.
    bucket  bigint NOT NULL,
    waiting bigint NOT NULL,
    seats   bigint NOT NULL,
    PRIMARY KEY (show_id, bucket)
);

ALTER TABLE waitlist.shows
    -- How often somebody went whose place others move up to.
    ADD COLUMN moved     bigint NOT NULL DEFAULT 0,
    -- Since when somebody waits, this time.
    ADD COLUMN opened_at timestamptz;

CREATE FUNCTION waitlist.count_arrived() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO waitlist.line_counts AS c (show_id, bucket, waiting, seats)
    SELECT show_id, seq >> 9, count(*), sum(party) FROM arrived WHERE status = 'waiting' GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (show_id, bucket) DO UPDATE SET waiting = c.waiting + excluded.waiting, seats = c.seats + excluded.seats;
    RETURN NULL;
END $$;

CREATE FUNCTION waitlist.count_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO waitlist.line_counts AS c (show_id, bucket, waiting, seats)
    SELECT n.show_id, n.seq >> 9, sum(CASE n.status WHEN 'waiting' THEN 1 ELSE -1 END),
           sum(CASE n.status WHEN 'waiting' THEN n.party ELSE -n.party END)
    FROM was AS o JOIN is_now AS n USING (id) WHERE (o.status = 'waiting') <> (n.status = 'waiting')
    GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (show_id, bucket) DO UPDATE SET waiting = c.waiting + excluded.waiting, seats = c.seats + excluded.seats;
    UPDATE waitlist.shows SET moved = moved + 1 WHERE id IN (
        SELECT n.show_id FROM was AS o JOIN is_now AS n USING (id) WHERE (o.status = 'waiting') <> (n.status = 'waiting'));
    RETURN NULL;
END $$;

CREATE FUNCTION waitlist.count_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE waitlist.line_counts AS c SET waiting = c.waiting - d.waiting, seats = c.seats - d.seats
    FROM (SELECT show_id, seq >> 9 AS bucket, count(*) AS waiting, sum(party) AS seats
          FROM deleted WHERE status = 'waiting' GROUP BY 1, 2) AS d
    WHERE c.show_id = d.show_id AND c.bucket = d.bucket;
    RETURN NULL;
END $$;

-- A trigger keeps writers out until the transaction ends, so nothing is counted twice or not at all.
CREATE TRIGGER entries_arrived AFTER INSERT ON waitlist.entries
    REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION waitlist.count_arrived();
CREATE TRIGGER entries_changed AFTER UPDATE ON waitlist.entries
    REFERENCING OLD TABLE AS was NEW TABLE AS is_now FOR EACH STATEMENT EXECUTE FUNCTION waitlist.count_changed();
CREATE TRIGGER entries_deleted AFTER DELETE ON waitlist.entries
    REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION waitlist.count_deleted();
INSERT INTO waitlist.line_counts (show_id, bucket, waiting, seats)
    SELECT show_id, seq >> 9, count(*), sum(party) FROM waitlist.entries WHERE status = 'waiting' GROUP BY 1, 2;

-- How far the people in a line are told where they stand, and by whom; another instance takes over who was not heard of for long.
CREATE TABLE waitlist.tellings (
    show_id text PRIMARY KEY,
    moved   bigint NOT NULL,
    told_by text NOT NULL,
    told_at timestamptz NOT NULL
);
