-- Routes, digests, parts, escalations, files, addresses. Columns are added at the end, absent where nothing is special.

ALTER TABLE message ADD COLUMN route TEXT;              -- JSON (domain::Route), as it was when the message was accepted
ALTER TABLE message ADD COLUMN replay_of BLOB;          -- the failed message that this one was sent in place of
ALTER TABLE message ADD COLUMN acknowledged_at INTEGER;
CREATE INDEX message_replay ON message (replay_of) WHERE replay_of IS NOT NULL;

ALTER TABLE delivery ADD COLUMN address TEXT;           -- where it goes, if its recipients do not say: mailboxes
ALTER TABLE delivery ADD COLUMN step INTEGER;           -- of the message's route, from 0
ALTER TABLE delivery ADD COLUMN moves_at INTEGER;       -- when it moves on to a later step
ALTER TABLE delivery ADD COLUMN budget INTEGER;         -- percent of the quota beyond which it moves on
ALTER TABLE delivery ADD COLUMN digest TEXT;            -- the group in which it may be merged
ALTER TABLE delivery ADD COLUMN digest_of BLOB;         -- the delivery it was merged into; itself, if it is that one
ALTER TABLE delivery ADD COLUMN part INTEGER;           -- parts sent so far
CREATE INDEX delivery_moving ON delivery (lane, moves_at) WHERE state = 0 AND moves_at IS NOT NULL;
CREATE INDEX delivery_budget ON delivery (lane, budget) WHERE state = 0 AND budget IS NOT NULL;
CREATE INDEX delivery_digest ON delivery (lane, digest, recipients) WHERE state = 0 AND digest IS NOT NULL;
CREATE INDEX delivery_joined ON delivery (digest_of) WHERE digest_of IS NOT NULL;

ALTER TABLE attempt ADD COLUMN bytes INTEGER;
ALTER TABLE attempt ADD COLUMN request TEXT;            -- what was written, without secrets, if it was not taken

-- Whose request it was: the windows of members' quotas are rebuilt from it.
ALTER TABLE request ADD COLUMN delivery BLOB;

-- When nobody has acknowledged by then, the next escalation of the message's route is made.
CREATE TABLE escalation (
    message_id BLOB PRIMARY KEY,
    at         INTEGER NOT NULL,
    level      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX escalation_due ON escalation (at);

CREATE TABLE person (
    userid TEXT PRIMARY KEY,                            -- in lower case
    shown  TEXT NOT NULL,                               -- as it was given
    email  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Files that were handed in; their bytes lie beside the database.
CREATE TABLE media (
    id         BLOB PRIMARY KEY,
    caller     TEXT NOT NULL,
    file_name  TEXT NOT NULL,
    size       INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What they are called where they were uploaded.
CREATE TABLE upload (
    scope    TEXT NOT NULL,
    media    BLOB NOT NULL,
    media_id TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (media, scope)
) STRICT, WITHOUT ROWID;
