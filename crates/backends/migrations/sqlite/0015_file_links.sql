-- Links to files that messages were sent as: until when each file is kept, and who is erased with it. A link is good only
-- while its row is here.
CREATE TABLE file_link (
    media      BLOB NOT NULL,
    message_id BLOB NOT NULL,
    until      INTEGER NOT NULL,
    PRIMARY KEY (media, message_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX file_link_message ON file_link (message_id);
