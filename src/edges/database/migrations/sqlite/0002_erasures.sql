-- As for PostgreSQL. Milliseconds since 1970.
alter table customer_state add column erased_at integer;
