-- One sealed month. Blocks: id = meter << 5 | day of the month, from 0, that it begins with.
CREATE TABLE about (
    version    INTEGER NOT NULL,
    month      INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    packs      INTEGER NOT NULL
) STRICT;
CREATE TABLE meter (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
CREATE TABLE node (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
CREATE TABLE layout (id INTEGER PRIMARY KEY, columns BLOB NOT NULL) STRICT;
CREATE TABLE block (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
