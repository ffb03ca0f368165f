-- Who is who. What is said of people is sealed; userid, status, source and time are not, for they are looked up by.
-- Addresses kept before are moved; they are sealed as soon as the keys are at hand, before anything else is done.
PRAGMA secure_delete = ON;
ALTER TABLE person RENAME TO person_before;
CREATE TABLE person (
    userid    TEXT PRIMARY KEY,                         -- in lower case
    shown     TEXT NOT NULL,                            -- as it was given
    status    INTEGER,                                  -- WeCom's number; NULL: nobody has said
    source    TEXT NOT NULL,                            -- 'own', 'app', 'contacts'
    synced_at INTEGER,
    sealed    TEXT NOT NULL                             -- JSON: name, departments, mobile, email, identities
) STRICT, WITHOUT ROWID;
INSERT INTO person (userid, shown, source, sealed)
    SELECT userid, shown, 'own', json_object('email', email) FROM person_before;
DELETE FROM person_before;
DROP TABLE person_before;
PRAGMA secure_delete = OFF;

-- Groups ('group') and on-call lists ('oncall') of one's own.
CREATE TABLE person_list (
    kind   TEXT NOT NULL,
    name   TEXT NOT NULL,
    sealed TEXT NOT NULL,                               -- JSON; bound to 'kind:name'
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- Whom WeCom found by mobile number or mail address. Neither is readable here: all are read at the start.
CREATE TABLE person_lookup (
    id     INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    sealed TEXT NOT NULL                                -- JSON: entry, userid
) STRICT;
