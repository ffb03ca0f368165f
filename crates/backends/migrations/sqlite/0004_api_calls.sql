-- Calls upstream that were no messages: the windows of uploads, recalls and group chats are rebuilt from it.
CREATE TABLE api_call (
    api TEXT NOT NULL,      -- of which company or robot: ww…/cgi-bin/media/upload
    at  INTEGER NOT NULL    -- when it began
) STRICT;
CREATE INDEX api_call_recent ON api_call (api, at);
CREATE INDEX api_call_old ON api_call (at);
