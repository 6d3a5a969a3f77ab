-- The schema of Lovejoy's database, version 1. It is part of the binary; `PRAGMA user_version` in a
-- database file says which version it has. All times are Unix milliseconds (UTC).
--
-- The three tables of the chat of 2013 are still here: users, relations, messages. Beside them are
-- the conversations with their members, so that a group is not a special case; the sessions; and
-- two small tables by which a cursor is judged.

-- What this database is; one row. Its id is written once, so that a cursor from another database is
-- refused. Up to `marked_id` the read marks in `members` include what follows from sending (people
-- have read what came before their own message); for later messages that is made up for at the next
-- start.
CREATE TABLE identity (
    database_id  BLOB NOT NULL,
    marked_id    INTEGER NOT NULL DEFAULT 0,
    forgets      INTEGER NOT NULL DEFAULT 0,  -- so many numbers may have been given that are not known here
    forgotten_id INTEGER NOT NULL DEFAULT 0,  -- messages up to this one were removed for their age
    room         BLOB                         -- nothing, but while it is tried whether there is room
) STRICT;

-- One row for each start of a server on this database, and for each time that it was restored, with
-- the newest message id of that moment. A cursor names its epoch, and holds up to where the next row
-- began: what it claims beyond that is of a future that this database has forgotten (a restored
-- backup, a power cut). If the row is missing, nothing of it holds. A restored copy also has the
-- epochs that followed it in the database that it replaced; for them newest_id is what both are known
-- to have in common.
CREATE TABLE epochs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    mark       INTEGER NOT NULL,          -- random: tells epochs with the same id apart
    newest_id  INTEGER NOT NULL,          -- no number up to this one is given from this epoch on
    started_at INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT NOT NULL,           -- as shown (NFC); '' once the account is deleted
    name_key     TEXT UNIQUE,             -- NFKC and lower case; NULL once the account is deleted
    display_name TEXT NOT NULL,
    display_key  TEXT,                    -- the same in NFKC and lower case; NULL once it is deleted
    salt         BLOB NOT NULL,           -- 16 random bytes
    iterations   INTEGER NOT NULL,        -- of PBKDF2-HMAC-SHA256
    password     BLOB NOT NULL,           -- the derived 32 bytes
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER,
    deleted_at   INTEGER
) STRICT;
-- Users are looked up by the beginning of either name.
CREATE INDEX users_by_display_key ON users (display_key) WHERE display_key IS NOT NULL;

-- A session is a login. Only the client knows its token.
CREATE TABLE sessions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id      INTEGER NOT NULL REFERENCES users (id),
    token_hash   BLOB NOT NULL UNIQUE,    -- SHA-256 of the token
    user_agent   TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL         -- kept up to the hour, never by a write of its own
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id);

-- A code with which one person may make an account, once. Only whoever was given it knows it.
CREATE TABLE invites (
    code_hash  BLOB PRIMARY KEY,          -- SHA-256 of the code
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What one user thinks of another. Two users are friends if both rows say 'friend'; a request is a
-- row 'asked' without an answer.
CREATE TABLE relations (
    user_id  INTEGER NOT NULL REFERENCES users (id),
    other_id INTEGER NOT NULL REFERENCES users (id),
    stance   TEXT NOT NULL CHECK (stance IN ('asked', 'friend', 'blocked')),
    since_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, other_id),
    CHECK (user_id <> other_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX relations_by_other ON relations (other_id);

CREATE TABLE conversations (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    kind         TEXT NOT NULL CHECK (kind IN ('direct', 'group')),
    title        TEXT,                    -- groups only
    low_user_id  INTEGER REFERENCES users (id),   -- direct ones only: the two members,
    high_user_id INTEGER REFERENCES users (id),   -- the smaller id first
    created_at   INTEGER NOT NULL,
    CHECK ((kind = 'direct') = (low_user_id IS NOT NULL)),
    CHECK ((low_user_id IS NULL) = (high_user_id IS NULL)),
    CHECK (low_user_id < high_user_id)
) STRICT;
CREATE UNIQUE INDEX conversations_by_pair ON conversations (low_user_id, high_user_id)
    WHERE low_user_id IS NOT NULL;

CREATE TABLE members (
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    user_id         INTEGER NOT NULL REFERENCES users (id),
    role            TEXT NOT NULL CHECK (role IN ('owner', 'member')),
    after_id        INTEGER NOT NULL,     -- the newest message at joining: what came later is seen
    read_id         INTEGER NOT NULL DEFAULT 0,
    delivered_id    INTEGER NOT NULL DEFAULT 0,
    place           INTEGER NOT NULL,     -- in the order of joining, whatever the clock did
    has_said        INTEGER NOT NULL DEFAULT 0,   -- in a group: has ever said something there
    PRIMARY KEY (conversation_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_user ON members (user_id);

-- Those who are no longer in a group and have left messages behind.
CREATE TABLE former_members (
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    user_id         INTEGER NOT NULL REFERENCES users (id),
    PRIMARY KEY (conversation_id, user_id)
) STRICT, WITHOUT ROWID;

-- The one sequence of everything that is stored. A message takes the next number when it is
-- written, and a further row, whose `changes` names the message, takes one when it is edited or
-- deleted: so a client that asks "what came after this id?" learns of both through one cursor. The
-- newest row is never removed, so no number is given twice.
--
-- To write a message is to append a row to this table and nothing else: there is no second index,
-- no AUTOINCREMENT with its row elsewhere, and no REFERENCES to be looked up (the writer has
-- checked already).
CREATE TABLE messages (
    id              INTEGER PRIMARY KEY,
    conversation_id INTEGER NOT NULL,
    sender_id       INTEGER NOT NULL,
    body            TEXT NOT NULL,        -- '' once deleted, and in a row that notes a change
    sent_at         INTEGER NOT NULL,
    edited_at       INTEGER,
    deleted_at      INTEGER,
    changes         INTEGER,              -- the message that was edited or deleted
    nonce           TEXT
) STRICT;
-- Only the last of the changes of one message is noted.
CREATE UNIQUE INDEX messages_by_change ON messages (changes) WHERE changes IS NOT NULL;

-- What leads to the messages of a conversation, in order, and to the message of a sender's nonce.
-- It is written later, in several levels, each larger and older than the one before; what is not
-- here yet of the newest messages, the server remembers. See src/data/index.rs.
CREATE TABLE message_index (
    level      INTEGER NOT NULL,
    key        INTEGER NOT NULL,          -- 2 c: messages of conversation c; 2 c + 1: changes of them;
    message_id INTEGER NOT NULL,          -- below zero: a hash of a sender and a nonce
    PRIMARY KEY (level, key, message_id)
) STRICT, WITHOUT ROWID;

-- What is said in which messages, 128 of them at a time, as a row of bits: so a search can skip
-- most of what does not contain its text. See src/data/search.rs.
CREATE TABLE signatures (
    block INTEGER PRIMARY KEY,            -- the messages from 128 block on
    bits  BLOB NOT NULL
) STRICT;

-- A level answers for the messages after the newest of the next level, up to its own newest.
CREATE TABLE index_levels (
    level     INTEGER PRIMARY KEY,
    newest_id INTEGER NOT NULL,
    swept_id  INTEGER NOT NULL,           -- up to this message the next level has all entries alone
    messages  INTEGER NOT NULL            -- about so many it answers for: numbers have gaps
) STRICT;
