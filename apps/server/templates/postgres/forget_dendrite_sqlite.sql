-- What Dendrite keeps for ever and has no setting for. The timer securecall-forget runs it each hour.
PRAGMA busy_timeout = 10000;
PRAGMA secure_delete = ON;

-- Relay tokens are bought with an OpenID token: a row for each purchase, with user and time, that no longer counts for anything.
DELETE FROM userapi_openid_tokens WHERE token_expires_at_ms < strftime('%s', 'now') * 1000;
-- Who was here on which day, with the program.
DELETE FROM userapi_daily_visits WHERE timestamp < (strftime('%s', 'now') - 86400) * 1000;
