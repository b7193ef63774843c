-- The line of every show, what was decided for seats that came free, and what has been told.
-- Private to the waitlist: nobody else reads or writes this schema.

CREATE SCHEMA IF NOT EXISTS waitlist;

-- One row per show that anybody ever waited for. Whoever changes a show's line holds the lock of its row, so arrival is
-- the order in which the lock was won, and the queue flag changes together with the line it speaks of.
CREATE TABLE waitlist.shows (
    id              text PRIMARY KEY,
    -- Whether reservations shall keep seats that come free for the line; `revision` grows with every change of it.
    open            boolean NOT NULL DEFAULT false,
    revision        bigint NOT NULL DEFAULT 0,
    -- The revision that reservations has acknowledged.
    synced_revision bigint NOT NULL DEFAULT 0 CHECK (synced_revision <= revision)
);
CREATE INDEX shows_unsynced ON waitlist.shows (id) WHERE synced_revision < revision;
CREATE INDEX shows_open ON waitlist.shows (id) WHERE open;

CREATE TABLE waitlist.entries (
    id               text PRIMARY KEY,
    -- Order of arrival.
    seq              bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    show_id          text NOT NULL REFERENCES waitlist.shows,
    session_id       text NOT NULL,
    party            smallint NOT NULL CHECK (party BETWEEN 1 AND 10),
    -- The only seats they want, sorted; any when empty.
    seats            text[] NOT NULL,
    status           text NOT NULL DEFAULT 'waiting'
                     CHECK (status IN ('waiting', 'offered', 'fulfilled', 'left', 'closed')),
    -- Their position when they came: a repeated request gets the answer of the first.
    joined_position  bigint NOT NULL,
    -- The escrow that is being offered to them, or was; while set on a waiting entry, no other escrow may choose it.
    offer_escrow_id  text,
    offer_hold_id    text,
    offer_seats      text[],
    offer_expires_at timestamptz,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at         timestamptz,
    CHECK (status <> 'offered' OR (offer_hold_id IS NOT NULL AND offer_seats IS NOT NULL AND offer_expires_at IS NOT NULL)),
    CHECK ((ended_at IS NULL) = (status IN ('waiting', 'offered')))
);
CREATE UNIQUE INDEX entries_one_live ON waitlist.entries (session_id, show_id) WHERE status IN ('waiting', 'offered');
CREATE INDEX entries_line ON waitlist.entries (show_id, seq) WHERE status = 'waiting';
CREATE INDEX entries_live ON waitlist.entries (show_id, status) WHERE status IN ('waiting', 'offered');
CREATE INDEX entries_offered ON waitlist.entries (offer_hold_id) WHERE status = 'offered';
CREATE INDEX entries_ended ON waitlist.entries (ended_at) WHERE ended_at IS NOT NULL;

-- Seats of reservations' that were to be given to the line. `clearing`: nobody else fits, the rest goes on open sale.
CREATE TABLE waitlist.escrows (
    id         text PRIMARY KEY,
    show_id    text NOT NULL REFERENCES waitlist.shows,
    seats      text[] NOT NULL,
    expires_at timestamptz NOT NULL,
    status     text NOT NULL DEFAULT 'serving' CHECK (status IN ('serving', 'clearing', 'done')),
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX escrows_undone ON waitlist.escrows (decided_at) WHERE status <> 'done';

-- Who is offered what out of an escrow: decided once, so that whoever goes on after a crash offers the same.
--   decided -> asked -> made -> settled            the offer was taken, given back, or lapsed
--                    |       -> returning -> returned   its owner had gone; the hold is given back
--                    -> gone                        reservations no longer had the seats
--   decided -> withdrawn                            its owner went before reservations was asked
CREATE TABLE waitlist.offers (
    escrow_id  text NOT NULL REFERENCES waitlist.escrows ON DELETE CASCADE,
    entry_id   text NOT NULL REFERENCES waitlist.entries ON DELETE CASCADE,
    seats      text[] NOT NULL,
    status     text NOT NULL DEFAULT 'decided'
               CHECK (status IN ('decided', 'asked', 'made', 'gone', 'withdrawn', 'settled', 'returning', 'returned')),
    hold_id    text,
    PRIMARY KEY (escrow_id, entry_id),
    CHECK (status NOT IN ('made', 'returning', 'returned') OR hold_id IS NOT NULL)
);
CREATE INDEX offers_entry ON waitlist.offers (entry_id);
CREATE INDEX offers_returning ON waitlist.offers (hold_id) WHERE status = 'returning';

-- Sales that were told to the line.
CREATE TABLE waitlist.told (
    booking_id text PRIMARY KEY,
    told_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX told_at ON waitlist.told (told_at);

CREATE TABLE waitlist.outbox (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event jsonb NOT NULL
);
