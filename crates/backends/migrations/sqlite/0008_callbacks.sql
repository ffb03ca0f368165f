-- What people do: callbacks that were answered, kept before they were.
CREATE TABLE heard (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    callback TEXT NOT NULL,     -- a configured name
    key      TEXT NOT NULL,     -- the same for repeats
    sender   TEXT NOT NULL,     -- what one of them does is acted on in its order
    at       INTEGER NOT NULL,
    body     TEXT NOT NULL,     -- JSON (domain::Heard), sealed
    reply    TEXT,              -- what was answered (domain::Content), sealed
    handled  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX heard_repeat ON heard (callback, key);
CREATE INDEX heard_open ON heard (sender, id) WHERE handled = 0;

-- Keys that were set while the gateway ran, and those before them.
CREATE TABLE callback_keys (
    callback TEXT PRIMARY KEY,
    body     TEXT NOT NULL,     -- JSON, sealed
    set_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which messages a card's id is of.
CREATE TABLE card (
    task_id    TEXT NOT NULL,
    message_id BLOB NOT NULL,
    PRIMARY KEY (task_id, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX card_of ON card (message_id);

-- Who did what with a message.
CREATE TABLE feedback (
    message_id BLOB NOT NULL,
    at         INTEGER NOT NULL,
    who        TEXT NOT NULL,
    action     TEXT NOT NULL,   -- press, acknowledge, card_updated, card_not_updated
    key        TEXT NOT NULL,
    PRIMARY KEY (message_id, at, who, action, key)
) STRICT, WITHOUT ROWID;
