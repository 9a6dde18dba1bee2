-- What people asked nodes to do, each once, and what came of it. `id` is the number on the
-- wire: it grows by the clock, so that it still grows when the store is put back from a backup.
--
-- `command` is what is sent, byte for byte. `boot` is the run of the node that it was sent to:
-- no other run ever gets it. `closed` without `outcome`: its time is over and nobody answered.
CREATE TABLE command (
    id       INTEGER PRIMARY KEY CHECK (0 < id AND id < 4294967296),
    node     TEXT NOT NULL,
    kind     TEXT NOT NULL,
    command  BLOB NOT NULL,
    author   TEXT NOT NULL,
    asked    INTEGER NOT NULL,
    until    INTEGER NOT NULL CHECK (asked <= until),
    sent     INTEGER,
    boot     INTEGER,
    outcome  TEXT,
    answer   BLOB,
    answered INTEGER,
    closed   INTEGER
) STRICT;
CREATE INDEX command_by_node ON command (node, id);
CREATE INDEX command_open ON command (node, id) WHERE closed IS NULL;
CREATE TRIGGER command_is_not_changed BEFORE UPDATE OF
    id, node, kind, command, author, asked, until ON command
    BEGIN SELECT RAISE(ABORT, 'commands are append only'); END;
CREATE TRIGGER command_is_sent_to_one_run BEFORE UPDATE OF sent, boot ON command
    WHEN OLD.sent IS NOT NULL OR OLD.closed IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'commands are sent to one run of a node'); END;
CREATE TRIGGER command_is_not_removed BEFORE DELETE ON command
    BEGIN SELECT RAISE(ABORT, 'commands are append only'); END;
