-- Databases for the homeserver and securecall-server. Once, as PostgreSQL's own user:
--   sudo -u postgres psql --file=- < /etc/securecall-server/postgres/create.sql
-- Again with other passwords: ALTER ROLE … PASSWORD '…'.

CREATE ROLE <homeserver_role> LOGIN PASSWORD '<homeserver_database_password>';
-- Synapse wants this order of letters; Dendrite does not mind.
CREATE DATABASE <homeserver_role> OWNER <homeserver_role> ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;

CREATE ROLE securecall LOGIN PASSWORD '<server_database_password>';
CREATE DATABASE securecall OWNER securecall;

-- Statements hold what is in the rows: none in the log, nor those that fail.
ALTER SYSTEM SET log_statement = 'none';
ALTER SYSTEM SET log_min_duration_statement = -1;
ALTER SYSTEM SET log_min_error_statement = 'panic';
ALTER SYSTEM SET log_connections = off;
ALTER SYSTEM SET log_disconnections = off;
SELECT pg_reload_conf();
