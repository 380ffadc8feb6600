-- Channels on which a reply needs an address, and a time to reply in.

-- The address that replies go to, exactly as the newest message had it, and ours that
-- it was sent to. Null on the web form, whose replies stand on the status page.
alter table conversations add column address text;
alter table conversations add column our_address text;
-- When we received the newest message: WhatsApp's 24-hour window counts from it.
alter table conversations add column last_inbound_at timestamptz;

-- Files and places by reference: [{"kind", "url", "content_type", …}].
alter table messages add column attachments jsonb not null default '[]';

-- Who has told us to stop: nothing is sent there until they say start.
create table opt_outs (
    channel text not null constraint opt_outs_channel_check check (channel in ('email', 'whatsapp')),
    address text not null,
    created_at timestamptz not null default app_now(),
    constraint opt_outs_pkey primary key (channel, address)
);
