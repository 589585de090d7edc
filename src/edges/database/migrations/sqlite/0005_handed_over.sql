-- As for PostgreSQL.
create table handed_over (
    stream integer not null,
    partition integer not null,
    chunk integer not null,
    customer_id blob not null,
    applied_offset integer not null,
    version integer not null,
    state blob not null
) strict;
create index handed_over_of on handed_over (stream, partition, chunk);
alter table partition_progress add column handed_over_offset integer;
