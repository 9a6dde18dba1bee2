-- What somebody did to a meter, or says of it: dated, attributed, reversible. Readings stay
-- as they are; consumption is worked out from both.
--
-- Amounts and counter values are thousandths of the unit, ratios too. `amounts` is JSON, one
-- number for each quarter hour of the span.
CREATE TABLE meter_event (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    meter     TEXT NOT NULL,
    kind      TEXT NOT NULL,
    start     INTEGER NOT NULL,
    until     INTEGER CHECK (until IS NULL OR start < until),
    last      INTEGER,
    first     INTEGER,
    old_model TEXT,
    old_pt    INTEGER,
    old_ct    INTEGER,
    new_model TEXT,
    new_pt    INTEGER,
    new_ct    INTEGER,
    num       INTEGER CHECK (0 < num),
    den       INTEGER CHECK (0 < den),
    amount    INTEGER CHECK (0 <= amount),
    amounts   TEXT,
    reason    TEXT NOT NULL,
    photo     TEXT,
    author    TEXT NOT NULL,
    made      INTEGER NOT NULL,
    undone    INTEGER,
    undone_by TEXT
) STRICT;
CREATE INDEX meter_event_by_meter ON meter_event (meter, id);
CREATE TRIGGER meter_event_is_not_changed BEFORE UPDATE OF
    id, meter, kind, start, until, last, first, old_model, old_pt, old_ct, new_model, new_pt,
    new_ct, num, den, amount, amounts, reason, photo, author, made ON meter_event
    BEGIN SELECT RAISE(ABORT, 'meter events are append only'); END;
CREATE TRIGGER meter_event_is_undone_once BEFORE UPDATE OF undone, undone_by ON meter_event
    WHEN OLD.undone IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'meter events are undone once'); END;
CREATE TRIGGER meter_event_is_not_removed BEFORE DELETE ON meter_event
    BEGIN SELECT RAISE(ABORT, 'meter events are append only'); END;
