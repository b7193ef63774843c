-- What became of the seats that were free for a line, round by round, for whoever asks why somebody was not offered one. Nothing is
-- noted for those who got nothing: their reasons are worked out from this and from their wishes (`domain::queue::audit`).

CREATE TABLE waitlist.decisions (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    show_id  text NOT NULL,
    at       timestamptz NOT NULL,
    decision jsonb NOT NULL
);
CREATE INDEX decisions_of_show ON waitlist.decisions (show_id, id);
CREATE INDEX decisions_at ON waitlist.decisions (at);

-- Who gathers at a moment is counted every second.
CREATE INDEX entries_gathering ON waitlist.entries (gathers_until) WHERE status = 'waiting' AND gathers_until IS NOT NULL;
