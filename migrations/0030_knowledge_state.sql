-- Agents hold the vectors of the knowledge base in memory, where comparing them costs a
-- small part of what it costs here. This number tells them when to read them again.
create table knowledge_state (
    is_only boolean default true
        constraint knowledge_state_pkey primary key
        constraint knowledge_state_is_only_check check (is_only),
    vectors_version bigint not null default 1
);
insert into knowledge_state default values;

create function count_vectors_version() returns trigger language plpgsql as $$
begin
    update knowledge_state set vectors_version = vectors_version + 1;
    return null;
end $$;
create trigger knowledge_vectors_changed
    after insert or update or delete or truncate on knowledge_vectors
    for each statement execute function count_vectors_version();
