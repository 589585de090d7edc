-- As for PostgreSQL.
alter table streams add column past_records integer not null default 0;
