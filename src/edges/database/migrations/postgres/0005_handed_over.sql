-- What had changed of a partition's customers since its saved offset when its owner left: rows that
-- nobody looks up one by one, so that putting them here takes a fraction of a save. They go when all of
-- it is in customer_state. No reference to streams: it would be looked up for every row.
create table handed_over (
    stream integer not null,
    partition integer not null,
    -- They come some thousands at a time, each of which can be repeated.
    chunk integer not null,
    customer_id bytea not null,
    applied_offset bigint not null,
    version smallint not null,
    state bytea not null
);
alter table handed_over alter column state set storage external;
create index handed_over_of on handed_over (stream, partition, chunk);

-- Every customer changed by a record before this offset is in customer_state or in handed_over; null:
-- nothing is handed over.
alter table partition_progress add column handed_over_offset bigint;
