-- Dead letters, over either log. fte.dlq holds every letter; these tables hold
-- what was decided about them.

-- Letters that later events of their key wait behind. A (group, topic, key) is
-- parked exactly while it has a row here: there is no second truth to keep.
create table parked_letters (
    letter_id   uuid        not null,
    "group"     text        not null,
    topic       text        not null,
    key         text        not null,
    partition   integer     not null,
    "offset"    bigint      not null,
    -- The whole letter, so that a replay outlives the retention of fte.dlq.
    letter      bytea       not null,
    parked_at   timestamptz not null default now(),
    -- How often it was published again, and the last such time that came back.
    replays     integer     not null default 0,
    came_back   integer     not null default 0,
    constraint parked_letters_pkey primary key (letter_id)
);

create index parked_letters_in_line on parked_letters ("group", topic, key, "offset");
create index parked_letters_by_partition on parked_letters ("group", topic, partition);

-- Letters that are dealt with.
create table dead_letter_actions (
    letter_id uuid        not null,
    action    text        not null,
    at        timestamptz not null default now(),
    constraint dead_letter_actions_pkey primary key (letter_id),
    constraint dead_letter_actions_action check (action in ('replayed', 'dropped'))
);
