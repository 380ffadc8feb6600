-- Sweeps over a provider's list for what its webhooks did not bring.

create table sweeps (
    name text constraint sweeps_pkey primary key,
    -- What came before is here.
    swept_until timestamptz not null
);

-- What a sweep has put into the log: it is on its way, and no gap any more. Kept for
-- longer than a sweep looks back.
create table swept_messages (
    channel text not null constraint swept_messages_channel_check check (channel in ('email', 'whatsapp')),
    provider_id text not null,
    swept_at timestamptz not null default now(),
    constraint swept_messages_pkey primary key (channel, provider_id)
);
create index swept_messages_swept on swept_messages (swept_at);
