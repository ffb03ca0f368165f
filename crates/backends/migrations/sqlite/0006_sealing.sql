-- Encryption at rest. What was stored before stays as it is until the pass of re-sealing comes by.
ALTER TABLE message ADD COLUMN sealed BLOB;         -- the content, in place of `content`; if it is long, in long_content
ALTER TABLE message ADD COLUMN sealed_notes BLOB;   -- JSON: metadata, and the variables of the template
ALTER TABLE long_content ADD COLUMN sealed BLOB;    -- in place of `content`, which is empty then

-- The master keys that were used, and a value that each of them sealed: a wrong key file is noticed at the start.
CREATE TABLE sealing_key (
    number INTEGER PRIMARY KEY,
    probe  BLOB NOT NULL
) STRICT;

-- How far everything has been sealed anew under the newest key.
CREATE TABLE resealing (
    number  INTEGER NOT NULL,       -- that key
    until   BLOB NOT NULL,          -- messages up to here are
    through BLOB NOT NULL,          -- up to here they need be: newer ones were sealed with it from the start
    done    INTEGER NOT NULL
) STRICT;
