-- Links that are counted, with where they lead; never who clicked.
CREATE TABLE link (
    message_id BLOB NOT NULL,
    number     INTEGER NOT NULL,
    target     TEXT NOT NULL,           -- sealed
    clicks     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (message_id, number)
) STRICT, WITHOUT ROWID;

-- Secrets of the gateway's own, by name.
CREATE TABLE own_secret (
    name TEXT PRIMARY KEY,
    body TEXT NOT NULL                  -- sealed
) STRICT, WITHOUT ROWID;

-- How often the name stands for a version, beside the others that have a weight.
ALTER TABLE template ADD COLUMN weight INTEGER;
