-- What the server keeps. Days are counted from 1970-01-01; no time of day, no address and no Matrix ID is in here.

-- Whose key was proven. The ID is the account's name at the homeserver, without sc_.
CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    -- new: within one transaction only
    state TEXT NOT NULL CHECK (state IN ('new', 'waiting', 'approved', 'admitted', 'enrolled', 'disabled')),
    day BIGINT NOT NULL
);

CREATE TABLE invitations (
    -- What people call it by.
    id TEXT NOT NULL PRIMARY KEY,
    -- SHA-256 of the code, which has 80 random bits and is nowhere.
    code TEXT NOT NULL UNIQUE,
    note TEXT NOT NULL,
    uses BIGINT NOT NULL,
    used BIGINT NOT NULL,
    -- Seconds since 1970.
    not_after BIGINT NOT NULL
);

-- Challenges that were answered, until they expire.
CREATE TABLE answered_challenges (
    id TEXT NOT NULL PRIMARY KEY,
    -- Seconds since 1970.
    not_after BIGINT NOT NULL
);

CREATE INDEX answered_challenges_not_after ON answered_challenges (not_after);

-- How many came without an invitation, day by day; the last days only.
CREATE TABLE arrivals (
    day BIGINT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL
);

-- How many tokens were sold to an account today. The account is a keyed hash, which only this server can make.
CREATE TABLE sales (
    account TEXT NOT NULL,
    day BIGINT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (account, day)
);
