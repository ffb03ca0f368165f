-- What administrators changed. Each row's hash covers the one before: a row that is changed or missing is named.
CREATE TABLE audit (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    who     TEXT NOT NULL,      -- caller and key
    action  TEXT NOT NULL,      -- template.put, key.create …
    subject TEXT NOT NULL,
    before  TEXT,               -- JSON, sealed, without secrets
    after   TEXT,
    hash    BLOB NOT NULL
) STRICT;
