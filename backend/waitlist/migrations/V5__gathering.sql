-- What people wait for in more words, and seats of a whole show given away together: of several escrows, and kept for a party.
--
-- An old program goes on serving escrow by escrow what it has begun itself. It leaves alone what is `done`, which is what a new
-- program writes of every escrow from its first moment; for as long as both run, an escrow that an old one takes up first is served
-- by the old rule, which knows parties and seats by name alone.

ALTER TABLE waitlist.entries
    ADD COLUMN together           boolean NOT NULL DEFAULT false,
    ADD COLUMN kind               text CHECK (kind IN ('wheelchair')),
    -- The most one seat may cost, in minor units.
    ADD COLUMN price_max_minor    bigint,
    ADD COLUMN price_max_currency text,
    -- Where an offer is told besides. It goes with the entry, and is never shown or logged.
    ADD COLUMN email              text,
    -- When their last gathering ends, or ended.
    ADD COLUMN gathers_until      timestamptz,
    ADD COLUMN closed_reason      text CHECK (closed_reason IN ('started', 'cancelled', 'lapsed')),
    ADD CHECK ((price_max_minor IS NULL) = (price_max_currency IS NULL));

-- Seats that were decided to go on open sale, so that nobody is offered them meanwhile.
ALTER TABLE waitlist.escrows ADD COLUMN released text[] NOT NULL DEFAULT '{}';
CREATE INDEX escrows_of_show ON waitlist.escrows (show_id, decided_at);

ALTER TABLE waitlist.offers
    -- The escrow of each of the seats; all are of `escrow_id`, which names the offer, where an old program wrote it.
    ADD COLUMN escrow_ids text[],
    -- Who asks reservations, and since when: others do not meanwhile, and take it over when it was long ago.
    ADD COLUMN asked_by   text,
    ADD COLUMN asked_at   timestamptz;
CREATE INDEX offers_escrows ON waitlist.offers USING gin (escrow_ids);
CREATE INDEX offers_pending ON waitlist.offers (entry_id) WHERE status IN ('decided', 'asked');

-- When somebody has to look at the seats of a line again: kept seats, and what could not be said to reservations.
ALTER TABLE waitlist.shows ADD COLUMN look_at timestamptz;
CREATE INDEX shows_look_at ON waitlist.shows (look_at) WHERE look_at IS NOT NULL;
