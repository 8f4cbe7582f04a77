-- What Synapse keeps for ever and has no setting for. The timer securecall-forget runs it each hour.

-- Who was here on which day, with the program: counted for statistics that are off.
DELETE FROM user_daily_visits WHERE timestamp < (extract(epoch FROM now()) - 86400) * 1000;
-- Relay tokens are bought with an OpenID token: a row for each purchase, with user and time, that no longer counts for anything.
DELETE FROM open_id_tokens WHERE ts_valid_until_ms < extract(epoch FROM now()) * 1000;
-- What Synapse's processes tell each other has changed: whose one-time keys were asked for, and when, is among it, and that is done by
-- the first call to a device. Processes that run have read it within seconds. By itself it goes after 7 days; SQLite has none.
DELETE FROM cache_invalidation_stream_by_instance WHERE invalidation_ts < (extract(epoch FROM now()) - 3600) * 1000;
