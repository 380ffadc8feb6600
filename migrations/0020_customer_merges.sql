-- The company's records of its customers, and merges of customers that can be undone.

-- Whether the company's records name this address. They say whose it is; who writes from
-- it is proven by the channel alone, so `level` stays what it was.
alter table customer_identifiers add column on_record boolean not null default false;

-- A customer merged into another keeps its row, without identifiers or conversations.
alter table customers add column merged_into uuid
    constraint customers_merged_into_fkey references customers (id);

-- The value of the identifier by which a conversation's customer was found: whose it is
-- after an un-merge.
alter table conversations add column came_by text;

create table customer_merges (
    id uuid constraint customer_merges_pkey primary key,
    kept_id uuid not null constraint customer_merges_kept_fkey references customers (id),
    merged_id uuid not null constraint customer_merges_merged_fkey references customers (id),
    -- What went over to the kept customer: the undoing moves exactly this back.
    identifier_kinds text[] not null,
    identifier_values text[] not null,
    conversation_ids uuid[] not null,
    -- The kept customer's own that came by an address of the merged one's: they stay.
    kept_conversation_ids uuid[] not null,
    -- The kept customer's plan without and with the merged one's.
    plan_before text,
    plan_after text,
    merged_by text not null,
    merged_at timestamptz not null default app_now(),
    undone_by text,
    undone_at timestamptz,
    constraint customer_merges_two_check check (kept_id <> merged_id)
);
create unique index customer_merges_standing on customer_merges (merged_id) where undone_at is null;
create index customer_merges_kept on customer_merges (kept_id);

-- A resolver looks a customer up and writes a moment later. A merge or its undoing may
-- come between, so the write asks once more, under a lock for which either waits.
create function follow_merges() returns trigger language plpgsql as $$
declare
    next_id uuid;
begin
    loop
        select merged_into into next_id from customers where id = new.customer_id for key share;
        exit when next_id is null;
        new.customer_id := next_id;
    end loop;
    return new;
end
$$;

create function follow_customer() returns trigger language plpgsql as $$
declare
    owner_id uuid;
begin
    new.came_by := coalesce(new.came_by, case new.channel
        when 'whatsapp' then new.thread_key when 'email' then lower(new.address) end);
    -- `follow_merges` has locked the customer by now: triggers run in the order of their names.
    select identifier.customer_id into owner_id
    from customer_merges merge join customer_identifiers identifier
        on identifier.customer_id = merge.merged_id
            and identifier.kind = case new.channel when 'whatsapp' then 'whatsapp' else 'email' end
            and identifier.value = new.came_by
    where merge.kept_id = new.customer_id and merge.undone_at is not null limit 1;
    new.customer_id := coalesce(owner_id, new.customer_id);
    return new;
end
$$;

create trigger conversations_1_merges before insert on conversations
    for each row execute function follow_merges();
create trigger conversations_2_owner before insert on conversations
    for each row execute function follow_customer();
create trigger customer_identifiers_merges before insert on customer_identifiers
    for each row execute function follow_merges();
