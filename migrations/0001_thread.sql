-- The tables of the thread: who wrote, what was said, what was decided, what is sent.
-- Conventions: lowercase; ids are UUIDv5 of their cause and come from the program;
-- closed sets are text with a check; every constraint has a name, and the program
-- maps errors by it; times with a meaning for people come from app_now().

-- The clock of everything that people see. Only tests set the offset
-- (alter database … set fte.clock_offset = '30 minutes').
create function app_now() returns timestamptz
language sql stable parallel safe
return now() + coalesce(nullif(current_setting('fte.clock_offset', true), ''), '0 seconds')::interval;

create table customers (
    id uuid constraint customers_pkey primary key,
    name text not null,
    -- The plan of the company's records; a typed plan never lands here.
    plan text constraint customers_plan_check check (plan in ('free', 'pro', 'enterprise')),
    created_at timestamptz not null default app_now()
);

create table customer_identifiers (
    kind text not null constraint customer_identifiers_kind_check
        check (kind in ('email', 'phone', 'whatsapp')),
    -- Normal form: an e-mail address in lower case, a phone number in E.164.
    value text not null,
    customer_id uuid not null constraint customer_identifiers_customer_fkey references customers (id),
    level text not null constraint customer_identifiers_level_check
        check (level in ('self_asserted', 'authenticated')),
    created_at timestamptz not null default app_now(),
    constraint customer_identifiers_pkey primary key (kind, value)
);
create index customer_identifiers_customer on customer_identifiers (customer_id);

create table conversations (
    id uuid constraint conversations_pkey primary key,
    channel text not null constraint conversations_channel_check
        check (channel in ('email', 'whatsapp', 'web_form')),
    -- What makes two messages one thread: a ticket ref on the web form.
    thread_key text not null,
    customer_id uuid not null constraint conversations_customer_fkey references customers (id),
    -- How well this conversation's writer is proven; gates what may be disclosed.
    identity_level text not null constraint conversations_identity_level_check
        check (identity_level in ('self_asserted', 'authenticated')),
    status text not null default 'open' constraint conversations_status_check
        check (status in ('open', 'resolved', 'closed')),
    owner text not null default 'agent' constraint conversations_owner_check
        check (owner in ('agent', 'person')),
    -- Who has it, or for whom it waits, when owner is a person.
    person text,
    -- Set while a person has actively taken it; null while it waits for one.
    taken_at timestamptz,
    -- Raised by taking and closing: the fence for the agent's sends.
    owner_epoch bigint not null default 0,
    -- Rises only with a new row in messages.
    last_seq bigint not null default 0,
    -- Every message up to here has its outcome.
    handled_seq bigint not null default 0,
    escalated_at timestamptz,
    first_reply_at timestamptz,
    created_at timestamptz not null default app_now(),
    updated_at timestamptz not null default app_now(),
    constraint conversations_seq_check check (0 <= handled_seq and handled_seq <= last_seq)
);
create unique index conversations_open_thread on conversations (channel, thread_key)
    where status <> 'closed';
create index conversations_waiting on conversations (updated_at) where owner = 'person' and status = 'open';
create index conversations_customer on conversations (customer_id);

create table tickets (
    ref text constraint tickets_pkey primary key,
    conversation_id uuid not null constraint tickets_conversation_fkey references conversations (id),
    -- An equal submission within ten minutes: shows the conversation of the first.
    is_alias boolean not null default false,
    subject text not null,
    category text constraint tickets_category_check check (category in
        ('general', 'technical', 'billing', 'account', 'bug-report', 'feature-request', 'feedback',
         'legal', 'security')),
    priority text constraint tickets_priority_check check (priority in ('low', 'medium', 'high', 'urgent')),
    claimed_plan text constraint tickets_claimed_plan_check check (claimed_plan in ('free', 'pro', 'enterprise')),
    respond_by timestamptz not null,
    created_at timestamptz not null default app_now()
);
create index tickets_conversation on tickets (conversation_id);
create unique index tickets_one_per_conversation on tickets (conversation_id) where not is_alias;

-- The last submission without an idempotency key of each content: the one row on
-- which two replicas that hold equal submissions meet. Pruned after a day.
create table recent_submissions (
    -- SHA-256 of address, subject and message.
    content_hash bytea constraint recent_submissions_pkey primary key,
    conversation_id uuid not null,
    sent_at timestamptz not null
);
create index recent_submissions_sent on recent_submissions (sent_at);

-- What customers wrote. Outbound texts stand in deliveries.
create table messages (
    id uuid constraint messages_pkey primary key,
    conversation_id uuid not null constraint messages_conversation_fkey references conversations (id),
    seq bigint not null,
    channel text not null,
    -- The provider's own id; for the web form the event id.
    provider_id text not null,
    body text not null,
    -- When the customer sent it, and when it was stored.
    sent_at timestamptz not null,
    stored_at timestamptz not null default app_now(),
    outcome text constraint messages_outcome_check
        check (outcome in ('answered', 'handed_over', 'no_answer')),
    outcome_reason text,
    turn_id uuid,
    constraint messages_provider_id_key unique (channel, provider_id),
    constraint messages_seq_key unique (conversation_id, seq)
);

-- The decision log: one row per committed turn.
create table turns (
    id uuid constraint turns_pkey primary key,
    conversation_id uuid not null constraint turns_conversation_fkey references conversations (id),
    owner_epoch bigint not null,
    first_seq bigint not null,
    last_seq bigint not null,
    model text not null,
    policy_hash text not null,
    -- Inputs, chunks with scores, tool calls, verdicts: enough to decide again.
    log jsonb not null,
    outcome text not null constraint turns_outcome_check
        check (outcome in ('answered', 'handed_over', 'no_answer')),
    category text,
    prompt_tokens integer not null default 0,
    completion_tokens integer not null default 0,
    duration_us bigint not null,
    created_at timestamptz not null default app_now()
);
create index turns_conversation on turns (conversation_id, created_at);

-- Conversations that wait for a turn longer than the log can defer.
create table due_turns (
    conversation_id uuid constraint due_turns_pkey primary key
        constraint due_turns_conversation_fkey references conversations (id),
    seq bigint not null,
    due_at timestamptz not null,
    reason text not null,
    created_at timestamptz not null default app_now()
);
create index due_turns_due on due_turns (due_at);

-- What a step decided and must still publish; deleted after the acknowledgement.
create table outbox (
    id bigint generated always as identity constraint outbox_pkey primary key,
    -- The service whose relay publishes what a crash left.
    service text not null,
    conversation_id uuid,
    event_id uuid not null constraint outbox_event_key unique,
    topic text not null,
    key text not null,
    headers jsonb not null,
    payload bytea not null,
    created_at timestamptz not null default now()
);
create index outbox_conversation on outbox (conversation_id, id);
-- Not by service: a look at one conversation would walk through every dead entry.
create index outbox_created on outbox (created_at);

-- One row per part of a reply, and one per hand-off.
create table deliveries (
    id uuid constraint deliveries_pkey primary key,
    -- The order of sending within a conversation and outlet.
    position bigint generated always as identity,
    conversation_id uuid not null constraint deliveries_conversation_fkey references conversations (id),
    outlet text not null constraint deliveries_outlet_check
        check (outlet in ('email', 'whatsapp', 'web_form', 'hand_off')),
    -- The reply, or the hand-off.
    reply_id uuid not null,
    part integer not null,
    author text not null constraint deliveries_author_check check (author in ('agent', 'system', 'person')),
    author_name text not null default '',
    owner_epoch bigint not null,
    first_seq bigint not null default 0,
    last_seq bigint not null default 0,
    body text not null,
    -- The hand-off's fields, for the person who takes over.
    hand_off jsonb,
    state text not null default 'pending' constraint deliveries_state_check check (state in
        ('pending', 'sending', 'outcome_unknown', 'accepted', 'sent', 'failed', 'delivered', 'read', 'cancelled')),
    attempt integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    lease_until timestamptz,
    last_error text,
    provider_id text,
    traceparent text,
    created_at timestamptz not null default app_now(),
    -- When the provider had it, or the status page showed it.
    accepted_at timestamptz,
    constraint deliveries_part_key unique (reply_id, part)
);
create index deliveries_due on deliveries (outlet, next_attempt_at) where state = 'pending';
create index deliveries_leased on deliveries (lease_until) where state = 'sending';
create index deliveries_conversation on deliveries (conversation_id, position);

-- How a delivery came to its state.
create table delivery_events (
    delivery_id uuid not null constraint delivery_events_delivery_fkey references deliveries (id),
    state text not null,
    attempt integer not null,
    detail text not null default '',
    at timestamptz not null default app_now(),
    constraint delivery_events_pkey primary key (delivery_id, state, attempt)
);

-- Periodic work: who does it next, and when.
create table jobs (
    name text constraint jobs_pkey primary key,
    next_at timestamptz not null default now(),
    lease_until timestamptz,
    last_run_at timestamptz,
    last_error text
);

-- How far each day's ticket refs are given out.
create table ticket_ref_blocks (
    day date constraint ticket_ref_blocks_pkey primary key,
    next_number bigint not null
);

-- Requests with an idempotency key.
create table web_requests (
    key_hash bytea constraint web_requests_pkey primary key,
    body_hash bytea not null,
    ref text not null,
    created_at timestamptz not null default app_now()
);
create index web_requests_created on web_requests (created_at);

create table channel_configs (
    channel text constraint channel_configs_pkey primary key
        constraint channel_configs_channel_check check (channel in ('email', 'whatsapp', 'web_form')),
    enabled boolean not null default true,
    settings jsonb not null default '{}',
    updated_at timestamptz not null default app_now()
);
insert into channel_configs (channel, enabled) values ('email', false), ('whatsapp', false), ('web_form', true);

-- Articles in chunks by heading; one row per chunk and version.
create table knowledge_base (
    chunk_id text not null,
    version integer not null,
    article text not null,
    title text not null,
    heading text not null,
    body text not null,
    content_hash bytea not null,
    is_current boolean not null default true,
    search tsvector not null generated always as (
        setweight(to_tsvector('english', title), 'A')
        || setweight(to_tsvector('english', heading), 'B')
        || setweight(to_tsvector('english', body), 'C')) stored,
    created_at timestamptz not null default app_now(),
    constraint knowledge_base_pkey primary key (chunk_id, version)
);
create unique index knowledge_base_current on knowledge_base (chunk_id) where is_current;

-- The current chunks by word, so that one short statement ranks them for a question.
-- Written with the chunks; the weight says how much of the chunk is about the word.
create table knowledge_terms (
    lexeme text not null,
    chunk_id text not null,
    weight double precision not null,
    constraint knowledge_terms_pkey primary key (lexeme, chunk_id) include (weight)
);
create index knowledge_terms_chunk on knowledge_terms (chunk_id);

-- Facts as they came off the topic, once each.
create table metric_facts (
    event_day date not null,
    event_id uuid not null,
    log_partition integer not null,
    channel text not null,
    kind text not null,
    conversation_id uuid,
    event_time timestamptz not null,
    fact jsonb not null,
    constraint metric_facts_pkey primary key (event_day, event_id)
);

-- Mergeable rollups: sums by minute, channel and log partition.
create table agent_metrics (
    minute timestamptz not null,
    channel text not null,
    log_partition integer not null,
    received bigint not null default 0,
    answered bigint not null default 0,
    no_answer bigint not null default 0,
    turns bigint not null default 0,
    -- Conversations, by their first outcome and first hand-over.
    with_outcome bigint not null default 0,
    escalated bigint not null default 0,
    failed_sends bigint not null default 0,
    duplicates bigint not null default 0,
    -- First replies by latency bucket (bounds in the metrics service), up to
    -- the highest one in use.
    first_replies bigint[] not null default '{}',
    -- The newest message counted here.
    last_received_at timestamptz,
    sentiment_count bigint not null default 0,
    sentiment_sum_milli bigint not null default 0,
    constraint agent_metrics_pkey primary key (channel, minute, log_partition)
);

-- What operators did.
create table audit_log (
    id bigint generated always as identity constraint audit_log_pkey primary key,
    at timestamptz not null default app_now(),
    operator text not null,
    action text not null,
    conversation_id uuid,
    detail jsonb not null default '{}'
);
create index audit_log_at on audit_log (at);
