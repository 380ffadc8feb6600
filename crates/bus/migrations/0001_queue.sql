-- The log in PostgreSQL: topics, records, groups. Words such as "group" and
-- "offset" are the log's own, so they are quoted instead of renamed.

-- What each topic is held to; the rows of queue_partitions carry its partitions.
create table queue_topics (
    topic             text    not null,
    retention         interval not null,
    max_message_bytes bigint  not null,
    constraint queue_topics_pkey primary key (topic)
);

-- One row per partition. Its lock makes offsets dense and visible in order:
-- whoever takes an offset holds it until the record is committed.
create table queue_partitions (
    topic       text    not null,
    partition   integer not null,
    next_offset bigint  not null default 0,
    constraint queue_partitions_pkey primary key (topic, partition),
    constraint queue_partitions_topic foreign key (topic) references queue_topics (topic)
) with (
    -- Every batch updates a row here: room for it on its page, and a vacuum that
    -- does not wait for a share of a table of a hundred rows.
    fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000
);

create table message_queue (
    topic      text        not null,
    partition  integer     not null,
    "offset"   bigint      not null,
    key        text        not null,
    -- [[name, text], [name, hex digits, "hex"], …] in order.
    headers    jsonb       not null,
    payload    bytea       not null,
    -- The wall clock under the partition's lock, so it rises with the offset.
    created_at timestamptz not null default clock_timestamp(),
    constraint message_queue_pkey primary key (topic, partition, "offset")
);

-- Rows lie in the order of time, so a block range index finds an instant for
-- nearly nothing.
create index message_queue_created_at on message_queue
    using brin (created_at) with (pages_per_range = 16);

-- Where a group stands in a partition, and who holds it.
create table queue_cursors (
    "group"      text    not null,
    topic        text    not null,
    partition    integer not null,
    -- The first offset that is not finished.
    next_offset  bigint  not null default 0,
    -- Rises with every owner: a commit of an earlier one finds no row.
    epoch        bigint  not null default 0,
    owner        uuid,
    leased_until timestamptz,
    constraint queue_cursors_pkey primary key ("group", topic, partition)
) with (
    fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000
);

-- The living members of a group on a topic.
create table queue_members (
    "group" text        not null,
    topic   text        not null,
    member  uuid        not null,
    seen_at timestamptz not null default now(),
    constraint queue_members_pkey primary key ("group", topic, member)
);
