-- What Synapse keeps for ever and has no setting for. The timer securecall-forget runs it each hour.

-- Who was here on which day, with the program: counted for statistics that are off.
DELETE FROM user_daily_visits WHERE timestamp < (extract(epoch FROM now()) - 86400) * 1000;
-- Relay tokens are bought with an OpenID token: a row for each purchase, with user and time, that no longer counts for anything.
DELETE FROM open_id_tokens WHERE ts_valid_until_ms < extract(epoch FROM now()) * 1000;
