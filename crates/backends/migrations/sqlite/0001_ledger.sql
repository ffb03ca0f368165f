-- The ledger. Ids are the 26 characters after their prefix: the deliveries of a message, and the attempts of a
-- delivery, are a range of ids, so no index but the primary keys finds them. Times are milliseconds since the epoch.
-- States are the numbers of RecipientState (delivery, recipient) and MessageState (message), in their order in `domain`.

CREATE TABLE message (
    id           TEXT PRIMARY KEY,
    caller       TEXT NOT NULL,
    state        INTEGER NOT NULL,
    content      TEXT NOT NULL,     -- with a version (domain::Content)
    options      TEXT,              -- JSON, absent where nothing is special
    priority     INTEGER NOT NULL,
    accepted_at  INTEGER NOT NULL,
    send_at      INTEGER,
    expires_at   INTEGER,
    tags         TEXT,              -- JSON array
    metadata     TEXT,              -- the caller's own JSON
    duplicate_of TEXT
) STRICT;
CREATE INDEX message_by_state ON message (state, id);
CREATE INDEX message_by_caller ON message (caller, id);

-- What messages are searched by: `user:…`, `robot:…`, `#tag`.
CREATE TABLE term (
    term       TEXT NOT NULL,
    message_id TEXT NOT NULL,
    PRIMARY KEY (term, message_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE delivery (
    id              TEXT PRIMARY KEY,
    lane            TEXT NOT NULL,
    recipients      TEXT NOT NULL,    -- one a line
    state           INTEGER NOT NULL,
    priority        INTEGER NOT NULL,
    due_at          INTEGER NOT NULL,
    expires_at      INTEGER,
    give_up_at      INTEGER NOT NULL,
    sole            INTEGER NOT NULL, -- 1: the message has no other delivery
    request_hash    INTEGER NOT NULL, -- first 64 bits of the request's SHA-256
    duplicate_check INTEGER,          -- whether the first attempt carried the upstream's duplicate check
    body            TEXT,             -- the request, frozen once it is to be repeated
    fence           INTEGER NOT NULL DEFAULT 0,
    attempts        INTEGER NOT NULL DEFAULT 0,
    tries           INTEGER NOT NULL DEFAULT 0,
    last_attempt_at INTEGER,
    uncertain_since INTEGER,
    handle          TEXT,
    unconfirmed     INTEGER NOT NULL DEFAULT 0,
    reason          TEXT,             -- JSON
    settled_at      INTEGER,
    recall          INTEGER NOT NULL DEFAULT 0 -- 1: wanted back and not carried out
) STRICT;
CREATE INDEX delivery_waiting ON delivery (lane, priority, due_at) WHERE state = 0;
CREATE INDEX delivery_leased ON delivery (id) WHERE state = 1;
CREATE INDEX delivery_expiring ON delivery (expires_at) WHERE state = 0 AND expires_at IS NOT NULL;
CREATE INDEX delivery_request ON delivery (request_hash, last_attempt_at) WHERE last_attempt_at IS NOT NULL;
CREATE INDEX delivery_recall ON delivery (id) WHERE recall = 1;

-- Recipients whose state differs from their delivery's.
CREATE TABLE recipient (
    delivery_id TEXT NOT NULL,
    recipient   TEXT NOT NULL,
    state       INTEGER NOT NULL,
    reason      TEXT,
    PRIMARY KEY (delivery_id, recipient)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
    id         TEXT PRIMARY KEY,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    result     TEXT NOT NULL,
    reason     TEXT,               -- JSON
    flags      INTEGER NOT NULL,   -- 1: a probe, 2: an earlier attempt may have been taken
    lane       TEXT                -- only where a quota's window is rebuilt from it
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_metered ON attempt (lane, ended_at) WHERE lane IS NOT NULL;

CREATE TABLE idempotency (
    caller       TEXT NOT NULL,
    key          TEXT NOT NULL,
    hash         TEXT NOT NULL,
    message_id   TEXT NOT NULL,
    accepted_at  INTEGER NOT NULL,
    duplicate_of TEXT,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (accepted_at);

CREATE TABLE dedupe (
    caller     TEXT NOT NULL,
    key        TEXT NOT NULL,
    message_id TEXT NOT NULL,
    until      INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX dedupe_age ON dedupe (until);

CREATE TABLE api_key (
    hash         TEXT PRIMARY KEY,
    prefix       TEXT NOT NULL,
    caller       TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    allow        TEXT NOT NULL,    -- JSON
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
