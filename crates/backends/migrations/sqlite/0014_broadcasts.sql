-- Broadcasts: one message for a list, handed in group by group.
CREATE TABLE broadcast (
    id          BLOB PRIMARY KEY,
    name        TEXT NOT NULL,
    caller      TEXT NOT NULL,
    scopes      TEXT NOT NULL,
    allow       TEXT NOT NULL,          -- JSON (domain::AllowList)
    key         TEXT NOT NULL,          -- JSON: which key, its webhook, its limits
    sealed      BLOB NOT NULL,          -- the submission as its caller wrote it
    tiers       TEXT NOT NULL,          -- JSON: what tiers are called
    pace        INTEGER NOT NULL,       -- milliseconds after each group
    state       INTEGER NOT NULL,       -- domain::BroadcastState
    groups      INTEGER NOT NULL,
    done        INTEGER NOT NULL,       -- how many of them were handed in
    due_at      INTEGER,                -- when the next is; NULL: it rests, or there is none
    created_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    held_by     TEXT,                   -- what keeps it from going on
    request_key TEXT,                   -- the idempotency key, once its list is whole
    request_hash BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX broadcast_due ON broadcast (due_at) WHERE due_at IS NOT NULL;
CREATE UNIQUE INDEX broadcast_key ON broadcast (caller, request_key) WHERE request_key IS NOT NULL;

CREATE TABLE broadcast_row (
    id          BLOB PRIMARY KEY,       -- its broadcast's, plus its position from 1
    line        INTEGER NOT NULL,       -- where it stands in its caller's list
    tier        INTEGER NOT NULL,
    part        INTEGER NOT NULL,       -- the group it goes with
    sealed      BLOB,                   -- whom it is for, and its variables; NULL once it was handed in
    message     BLOB,
    error       TEXT                    -- why it was not taken
) STRICT, WITHOUT ROWID;
CREATE INDEX broadcast_row_waiting ON broadcast_row (id) WHERE sealed IS NOT NULL;
CREATE INDEX broadcast_row_refused ON broadcast_row (id) WHERE error IS NOT NULL;
