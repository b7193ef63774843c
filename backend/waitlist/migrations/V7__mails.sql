-- Mails to those who gave an address, written together with what they tell, and gone when they are sent.

-- What a show is called, kept for when it is off the program.
ALTER TABLE waitlist.shows ADD COLUMN about text;

CREATE TABLE waitlist.mails (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_id   text NOT NULL REFERENCES waitlist.entries ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('offered', 'lapsed', 'started', 'cancelled')),
    -- When it has to be sent, and from when on it is worthless.
    due_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    useless_at timestamptz NOT NULL,
    attempts   integer NOT NULL DEFAULT 0,
    -- Each is told once, whatever is repeated.
    UNIQUE (entry_id, kind)
);
CREATE INDEX mails_due_at ON waitlist.mails (due_at);
