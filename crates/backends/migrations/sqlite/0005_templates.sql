-- Templates, in versions that never change.
CREATE TABLE template (
    name       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    body       TEXT NOT NULL,           -- JSON (domain::Template)
    active     INTEGER NOT NULL,        -- 1: what the name stands for
    created_at INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;

ALTER TABLE message ADD COLUMN template TEXT;   -- JSON (domain::TemplateUse): what its content was made by, and of what
