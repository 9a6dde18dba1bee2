-- Instants are Unix seconds, UTC. Amounts are thousandths of the unit, money 1/10000 yuan.

-- Numbers for names, given when a name is first met and for ever.
CREATE TABLE meter (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE node (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE layout (id INTEGER PRIMARY KEY, columns BLOB NOT NULL UNIQUE) STRICT;

-- One row for each recorded batch, until all its packs are in blocks.
CREATE TABLE intake (
    seq   INTEGER PRIMARY KEY,
    crc   INTEGER NOT NULL,
    packs BLOB NOT NULL
) STRICT;

-- The packs of one meter on one UTC day, and up to which row of the intake log.
-- id = day << 32 | meter: a flush appends.
CREATE TABLE block (
    id   INTEGER PRIMARY KEY,
    seq  INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;

-- Months that lie in files of their own. month = year * 12 + month - 1. Blocks of the
-- month up to row `upto` of the intake log are in the file; later ones lie over it.
CREATE TABLE month (
    month      INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL,
    upto       INTEGER NOT NULL,
    sealed     INTEGER NOT NULL,
    packs      INTEGER NOT NULL
) STRICT;

-- Sums of the same days; kept when the block is given up.
CREATE TABLE rollup (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

-- The newest row of each meter of a slice, and up to which row of the intake log the
-- slice is in blocks.
CREATE TABLE snapshot (
    slice INTEGER PRIMARY KEY,
    seq   INTEGER NOT NULL,
    crc   INTEGER NOT NULL,
    data  BLOB NOT NULL
) STRICT;

-- What failed its checksum, as it was found.
CREATE TABLE damaged (
    found  INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    id     INTEGER NOT NULL,
    data   BLOB NOT NULL
) STRICT;

CREATE TABLE quarantine (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    received INTEGER NOT NULL,
    topic    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    payload  BLOB NOT NULL,
    length   INTEGER NOT NULL
) STRICT;

-- Sums over the quarantine, kept so that a bound costs no scan, and what the bound took.
CREATE TABLE quarantine_total (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    rows    INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    dropped INTEGER NOT NULL
) STRICT;
INSERT INTO quarantine_total VALUES (1, 0, 0, 0);

CREATE TABLE finding (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    cause    TEXT NOT NULL UNIQUE,
    kind     TEXT NOT NULL,
    meter    TEXT NOT NULL,
    area     TEXT NOT NULL,
    opened   INTEGER NOT NULL,
    closed   INTEGER,
    waste    INTEGER NOT NULL,
    cost_e4  INTEGER NOT NULL,
    evidence TEXT NOT NULL,
    recorded INTEGER NOT NULL,
    updated  INTEGER NOT NULL
) STRICT;
CREATE INDEX finding_by_opened ON finding (opened, id);
CREATE INDEX finding_open ON finding (kind, meter) WHERE closed IS NULL;

CREATE TABLE mark (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    finding   INTEGER NOT NULL REFERENCES finding (id),
    kind      TEXT NOT NULL,
    author    TEXT NOT NULL,
    made      INTEGER NOT NULL,
    until     INTEGER,
    note      TEXT,
    undone    INTEGER,
    undone_by TEXT
) STRICT;
CREATE INDEX mark_by_finding ON mark (finding, id);

CREATE TABLE exception (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    area       TEXT NOT NULL,
    start      INTEGER NOT NULL,
    until      INTEGER NOT NULL CHECK (start < until),
    reason     TEXT NOT NULL,
    author     TEXT NOT NULL,
    made       INTEGER NOT NULL,
    mark       INTEGER REFERENCES mark (id),
    revoked    INTEGER,
    revoked_by TEXT
) STRICT;
CREATE INDEX exception_by_until ON exception (until);

CREATE TABLE mail (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    dedupe     TEXT NOT NULL UNIQUE,
    recipients TEXT NOT NULL,
    subject    TEXT NOT NULL,
    text       TEXT NOT NULL,
    html       TEXT,
    finding    INTEGER REFERENCES finding (id),
    created    INTEGER NOT NULL,
    tries      INTEGER NOT NULL,
    next_at    INTEGER,
    last_error TEXT,
    sent       INTEGER
) STRICT;
CREATE INDEX mail_due ON mail (next_at, id) WHERE next_at IS NOT NULL;

CREATE TABLE attachment (
    mail       INTEGER NOT NULL REFERENCES mail (id),
    number     INTEGER NOT NULL,
    name       TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content    BLOB NOT NULL,
    PRIMARY KEY (mail, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE user (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL UNIQUE,
    role          TEXT NOT NULL,
    language      TEXT NOT NULL,
    email         TEXT,
    password_hash TEXT NOT NULL,
    created       INTEGER NOT NULL,
    disabled      INTEGER
) STRICT;

CREATE TABLE session (
    token_hash BLOB PRIMARY KEY,
    user       INTEGER NOT NULL REFERENCES user (id),
    created    INTEGER NOT NULL,
    expires    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_by_expiry ON session (expires);

CREATE TABLE site_book (
    version INTEGER PRIMARY KEY AUTOINCREMENT,
    made    INTEGER NOT NULL,
    author  TEXT NOT NULL,
    note    TEXT NOT NULL,
    text    TEXT NOT NULL
) STRICT;

CREATE TABLE setting (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    author  TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    details TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_subject ON audit (subject, id);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append only'); END;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append only'); END;
CREATE TRIGGER site_book_is_not_changed BEFORE UPDATE ON site_book
    BEGIN SELECT RAISE(ABORT, 'versions of the site book are append only'); END;
CREATE TRIGGER site_book_is_not_shortened BEFORE DELETE ON site_book
    BEGIN SELECT RAISE(ABORT, 'versions of the site book are append only'); END;
