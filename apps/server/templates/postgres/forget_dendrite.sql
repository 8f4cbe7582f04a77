-- What Dendrite keeps for ever and has no setting for. The timer securecall-forget runs it each hour.

-- Relay tokens are bought with an OpenID token: a row for each purchase, with user and time, that no longer counts for anything.
DELETE FROM userapi_openid_tokens WHERE token_expires_at_ms < extract(epoch FROM now()) * 1000;
-- Who was here on which day, with the program.
DELETE FROM userapi_daily_visits WHERE timestamp < (extract(epoch FROM now()) - 86400) * 1000;
