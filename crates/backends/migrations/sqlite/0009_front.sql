-- Access tokens that the drop-in front handed out: hashes only.
CREATE TABLE front_token (
    hash       TEXT PRIMARY KEY,
    key        TEXT NOT NULL,       -- the hash of the API key that it was given for
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
