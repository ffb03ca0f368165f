-- Whether what names people is sealed (pii), and how far the ledger has been brought over to that. The key is among the
-- gateway's own secrets.
CREATE TABLE pii (
    sealed INTEGER NOT NULL,    -- 1: sealed, 0: plain
    step   INTEGER NOT NULL,    -- so many tables are brought over
    after  TEXT,                -- of the next one all rows up to this key, as SQL writes it
    done   INTEGER NOT NULL     -- 1: everything is
) STRICT;
INSERT INTO pii VALUES (0, 0, NULL, 1);
