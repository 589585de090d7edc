-- A stream is what one consumer group reads of one topic; offsets mean something only within it.
create table streams (
    stream integer generated always as identity primary key,
    group_id text not null,
    topic text not null,
    unique (group_id, topic)
);

-- How far a partition is saved, and who may write to it.
create table partition_progress (
    stream integer not null references streams,
    partition integer not null,
    -- Every customer changed by a record before this offset is in customer_state.
    saved_offset bigint not null default 0,
    -- The highest applied_offset in customer_state.
    highest_offset bigint not null default 0,
    -- Raised by every claim. Only the newest one writes.
    epoch bigint not null default 0,
    -- Who holds it; null: it was let go.
    owner text,
    saved_at timestamptz,
    primary key (stream, partition)
);

-- One row a customer, replaced at every save: half-empty pages keep the new version beside the old
-- one, so that the index is not touched.
create table customer_state (
    stream integer not null references streams,
    partition integer not null,
    -- UTF-8. Not text, which takes no zero byte, and a producer's id may have one.
    customer_id bytea not null,
    -- Records of the partition before this offset are in the state.
    applied_offset bigint not null,
    -- Version of the format, as in the bytes.
    version smallint not null,
    state bytea not null,
    primary key (stream, partition, customer_id)
) with (fillfactor = 50);

-- States are small and do not compress well; trying costs every save.
alter table customer_state alter column state set storage external;
