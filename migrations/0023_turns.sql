-- What a turn cost, and how often one that waits for its model was tried.
alter table turns
    add column cached_tokens integer not null default 0,
    -- In millionths of a US dollar; null for a model without a known price.
    add column cost_micro_usd bigint;
alter table due_turns add column attempts integer not null default 0;
