-- Where readings also go: how far each target has come. Every row of the intake log up
-- to `seq` is delivered, but for what `owed_since` says: what came after that row and left
-- the log before it was delivered. It is looked for in blocks (owed_month is null) up to
-- key `owed_at`, then in sealed months. `owed_next`: from where the round after begins.
CREATE TABLE target (
    name            TEXT PRIMARY KEY,
    seq             INTEGER NOT NULL,
    owed_since      INTEGER,
    owed_month      INTEGER,
    owed_generation INTEGER,
    owed_at         INTEGER,
    owed_next       INTEGER,
    lines           INTEGER NOT NULL,
    refused         INTEGER NOT NULL,
    moved           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Lines that a target does not take, whatever is tried; the oldest go.
CREATE TABLE refused (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    at     INTEGER NOT NULL,
    reason TEXT NOT NULL,
    line   TEXT NOT NULL
) STRICT;
