-- Who named seats, to be told when one of them is sold; few do.
CREATE INDEX entries_named ON waitlist.entries (show_id) WHERE status = 'waiting' AND seats <> '{}';
