-- As for PostgreSQL, where every column is explained.
create table streams (
    stream integer primary key,
    group_id text not null,
    topic text not null,
    unique (group_id, topic)
) strict;

create table partition_progress (
    stream integer not null references streams,
    partition integer not null,
    saved_offset integer not null default 0,
    highest_offset integer not null default 0,
    epoch integer not null default 0,
    owner text,
    -- Milliseconds since 1970.
    saved_at integer,
    primary key (stream, partition)
) strict;

create table customer_state (
    stream integer not null references streams,
    partition integer not null,
    customer_id blob not null,
    applied_offset integer not null,
    version integer not null,
    state blob not null,
    primary key (stream, partition, customer_id)
) strict;
