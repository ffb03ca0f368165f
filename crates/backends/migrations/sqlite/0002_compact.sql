-- Ids become their 16 bytes, tables are kept in the order of their ids, and what only the last minutes ask for moves out
-- of the deliveries into a table that stays small. `id_bytes(text)` is registered by the migration.

CREATE TABLE new_message (
    id           BLOB PRIMARY KEY,
    caller       TEXT NOT NULL,
    state        INTEGER NOT NULL,
    content      TEXT,              -- with a version (domain::Content); absent where it is long
    options      TEXT,              -- JSON, absent where nothing is special
    priority     INTEGER NOT NULL,
    accepted_at  INTEGER NOT NULL,
    send_at      INTEGER,
    expires_at   INTEGER,
    tags         TEXT,              -- JSON array
    metadata     TEXT,              -- the caller's own JSON
    duplicate_of BLOB
) STRICT, WITHOUT ROWID;
INSERT INTO new_message SELECT id_bytes(id), caller, state, content, options, priority, accepted_at, send_at, expires_at, tags, metadata,
    id_bytes(duplicate_of) FROM message ORDER BY id;
DROP TABLE message;
ALTER TABLE new_message RENAME TO message;
CREATE INDEX message_by_caller ON message (caller, id);
-- Troubled messages are few; open ones are found by their deliveries, delivered ones from the newest on.
CREATE INDEX message_troubled ON message (state, id) WHERE state > 2;

-- Content that is too long to be written again with every change of its message's state.
CREATE TABLE long_content (
    message_id BLOB PRIMARY KEY,
    content    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What messages are searched by, in runs of messages that were accepted one after another: a run is small enough to be
-- written in order, whatever its terms are. Terms of messages after the last run are not written yet: see sqlite/search.rs.
CREATE TABLE run (
    number   INTEGER PRIMARY KEY,
    messages INTEGER NOT NULL,
    until    BLOB NOT NULL        -- its last message
) STRICT;
INSERT INTO run SELECT 1, COUNT(*), COALESCE(MAX(id), x'00000000000000000000000000000000') FROM message;

CREATE TABLE new_term (
    run        INTEGER NOT NULL,
    term       TEXT NOT NULL,     -- `user:…`, `robot:…`, `#tag`
    message_id BLOB NOT NULL,
    PRIMARY KEY (run, term, message_id)
) STRICT, WITHOUT ROWID;
INSERT INTO new_term SELECT 1, term, id_bytes(message_id) FROM term ORDER BY term, message_id;
DROP TABLE term;
ALTER TABLE new_term RENAME TO term;

CREATE TABLE new_delivery (
    id              BLOB PRIMARY KEY,
    lane            TEXT NOT NULL,
    caller          TEXT NOT NULL,
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
    fence           INTEGER NOT NULL,
    attempts        INTEGER NOT NULL,
    tries           INTEGER NOT NULL,
    last_attempt_at INTEGER,
    uncertain_since INTEGER,
    handle          TEXT,
    unconfirmed     INTEGER NOT NULL,
    reason          TEXT,             -- JSON
    settled_at      INTEGER,
    recall          INTEGER NOT NULL  -- 1: wanted back and not carried out
) STRICT, WITHOUT ROWID;
INSERT INTO new_delivery SELECT id_bytes(id), lane,
    COALESCE((SELECT m.caller FROM message AS m WHERE m.id <= id_bytes(delivery.id) ORDER BY m.id DESC LIMIT 1), ''),
    recipients, state, priority, due_at, expires_at, give_up_at, sole, request_hash, duplicate_check, body, fence, attempts, tries,
    last_attempt_at, uncertain_since, handle, unconfirmed, reason, settled_at, recall FROM delivery ORDER BY id;

-- Requests that went out lately, in order of time: an equal one must not carry the upstream's duplicate check.
CREATE TABLE request (
    hash INTEGER NOT NULL,
    lane TEXT NOT NULL,
    at   INTEGER NOT NULL
) STRICT;
INSERT INTO request SELECT request_hash, lane, last_attempt_at FROM delivery
    WHERE last_attempt_at > (SELECT MAX(last_attempt_at) FROM delivery) - 1800000 ORDER BY last_attempt_at;

DROP TABLE delivery;
ALTER TABLE new_delivery RENAME TO delivery;
CREATE INDEX delivery_waiting ON delivery (lane, priority, caller, due_at) WHERE state = 0 AND recall = 0;
CREATE INDEX delivery_open ON delivery (state, id) WHERE state < 2;
CREATE INDEX delivery_expiring ON delivery (expires_at) WHERE state = 0 AND expires_at IS NOT NULL;
CREATE INDEX delivery_recall ON delivery (id) WHERE recall = 1;

CREATE TABLE new_recipient (
    delivery_id BLOB NOT NULL,
    recipient   TEXT NOT NULL,        -- one whose state differs from its delivery's
    state       INTEGER NOT NULL,
    reason      TEXT,
    PRIMARY KEY (delivery_id, recipient)
) STRICT, WITHOUT ROWID;
INSERT INTO new_recipient SELECT id_bytes(delivery_id), recipient, state, reason FROM recipient ORDER BY delivery_id;
DROP TABLE recipient;
ALTER TABLE new_recipient RENAME TO recipient;

-- An attempt that is not here, of those a delivery counts, was its only one and was taken at once: the delivery says when.
CREATE TABLE new_attempt (
    id         BLOB PRIMARY KEY,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    result     TEXT NOT NULL,
    reason     TEXT,               -- JSON
    flags      INTEGER NOT NULL,   -- 1: a probe, 2: an earlier attempt may have been taken
    lane       TEXT                -- only where a quota's window is rebuilt from it
) STRICT, WITHOUT ROWID;
INSERT INTO new_attempt SELECT id_bytes(id), started_at, ended_at, result, reason, flags, lane FROM attempt ORDER BY id;
DROP TABLE attempt;
ALTER TABLE new_attempt RENAME TO attempt;
CREATE INDEX attempt_metered ON attempt (lane, ended_at) WHERE lane IS NOT NULL;

CREATE TABLE new_idempotency (
    caller       TEXT NOT NULL,
    key          TEXT NOT NULL,
    hash         BLOB NOT NULL,
    message_id   BLOB NOT NULL,
    accepted_at  INTEGER NOT NULL,
    duplicate_of BLOB,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
INSERT INTO new_idempotency SELECT caller, key, unhex(hash), id_bytes(message_id), accepted_at, id_bytes(duplicate_of) FROM idempotency;
DROP TABLE idempotency;
ALTER TABLE new_idempotency RENAME TO idempotency;
CREATE INDEX idempotency_age ON idempotency (accepted_at);

CREATE TABLE new_dedupe (
    caller     TEXT NOT NULL,
    key        TEXT NOT NULL,
    message_id BLOB NOT NULL,
    until      INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
INSERT INTO new_dedupe SELECT caller, key, id_bytes(message_id), until FROM dedupe;
DROP TABLE dedupe;
ALTER TABLE new_dedupe RENAME TO dedupe;
CREATE INDEX dedupe_age ON dedupe (until);

-- Counts commits: the file beside the database holds the last number, so that a database that lost some is noticed. And
-- when the last was made, so that a clock that was put back is noticed.
CREATE TABLE commit_number (
    number INTEGER NOT NULL,
    at     INTEGER NOT NULL
) STRICT;
INSERT INTO commit_number VALUES (0, 0);
