-- Administrators that were made at the homeserver and are not known to be gone. Each is for one command.
CREATE TABLE operators (
    -- Its localpart. Its password and token are nowhere.
    name TEXT NOT NULL PRIMARY KEY,
    -- Until when the command may need it, seconds since 1970. Afterwards it is ended.
    not_after BIGINT NOT NULL
);

-- The first version had one for all commands, made when somebody was first shut out.
INSERT INTO operators (name, not_after)
SELECT 'securecall_operator', 0 WHERE EXISTS (SELECT 1 FROM users WHERE state = 'disabled');
