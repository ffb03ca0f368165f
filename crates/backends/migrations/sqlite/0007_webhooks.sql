-- Webhooks to business systems: what is to be posted, in order, kept until it was taken or given up.
ALTER TABLE message ADD COLUMN webhook TEXT;        -- the target that hears what becomes of it

CREATE TABLE webhook_event (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,       -- a configured name
    topic  TEXT NOT NULL,       -- message, callback, card
    key    TEXT NOT NULL,       -- events of one key are posted one after another
    at     INTEGER NOT NULL,
    body   TEXT,                -- JSON, sealed; absent where it is read off the message
    state  INTEGER,             -- what the message had become
    due_at INTEGER NOT NULL,
    tries  INTEGER NOT NULL DEFAULT 0,
    error  TEXT,                -- why the last try failed
    dead   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX webhook_event_due ON webhook_event (target, due_at) WHERE dead = 0;
CREATE INDEX webhook_event_order ON webhook_event (target, key, id) WHERE dead = 0;

-- Every change of a message's state that its caller wants to hear of leaves its event in the same transaction, whatever
-- made the change.
CREATE TRIGGER message_state_told AFTER UPDATE OF state ON message
WHEN NEW.webhook IS NOT NULL AND NEW.state > 1 AND NEW.state <> OLD.state
BEGIN
    INSERT INTO webhook_event (target, topic, key, at, state, due_at)
    VALUES (NEW.webhook, 'message', message_name(NEW.id), now_millis(), NEW.state, 0);
END;
CREATE TRIGGER message_acknowledged_told AFTER UPDATE OF acknowledged_at ON message
WHEN NEW.webhook IS NOT NULL AND OLD.acknowledged_at IS NULL AND NEW.acknowledged_at IS NOT NULL
BEGIN
    INSERT INTO webhook_event (target, topic, key, at, state, due_at)
    VALUES (NEW.webhook, 'message', message_name(NEW.id), NEW.acknowledged_at, NULL, 0);
END;

-- Keys that sign, keys of the drop-in front, limits.
ALTER TABLE api_key ADD COLUMN settings TEXT;       -- JSON: kind, webhook, limits; absent where nothing is special
ALTER TABLE api_key ADD COLUMN secret TEXT;         -- sealed: what requests are signed with
CREATE TABLE key_use (
    hash     TEXT PRIMARY KEY,
    day      INTEGER NOT NULL,      -- when it began
    messages INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
