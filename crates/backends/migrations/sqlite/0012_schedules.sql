-- Schedules: submissions that are made again and again, or once at a time.
CREATE TABLE schedule (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,  -- another with each time that it is kept anew
    name        TEXT NOT NULL UNIQUE,
    caller      TEXT NOT NULL,
    scopes      TEXT NOT NULL,
    allow       TEXT NOT NULL,          -- JSON (domain::AllowList)
    key         TEXT NOT NULL,          -- JSON: which key, its webhook, its limits
    cron        TEXT,                   -- the pattern; NULL: once, at `at`
    zone        TEXT NOT NULL,
    at          INTEGER,
    missed      TEXT NOT NULL,          -- JSON (domain::MissedRuns)
    paused      INTEGER NOT NULL,
    sealed      BLOB NOT NULL,          -- JSON: the submission as its caller wrote it, and where its variables come from
    occurrence  INTEGER,                -- the run that it waits for; NULL: there is none any more
    due_at      INTEGER,                -- when that is tried
    tries       INTEGER NOT NULL,       -- how often it was tried in vain
    planned_at  INTEGER NOT NULL,       -- when that was planned, by the clock on the wall
    created_at  INTEGER NOT NULL,
    last_run    INTEGER,                -- which run was the last
    last_ended  INTEGER,                -- when it was tried last
    last_message BLOB,                  -- what it made; NULL: nothing
    last_error  TEXT,                   -- why it failed
    left_out    INTEGER NOT NULL        -- runs that were missed and not made up for
) STRICT;
CREATE INDEX schedule_due ON schedule (due_at) WHERE due_at IS NOT NULL AND paused = 0;
