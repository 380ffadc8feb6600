-- Telling people of hand-offs. The hand-off itself stands in deliveries and is visible
-- at once; whether anybody was told stands here.

-- One row per hand-off and way to tell of it. Written with the hand-off, or when the
-- other way does not work.
create table hand_off_notices (
    delivery_id uuid not null constraint hand_off_notices_delivery_fkey references deliveries (id),
    way text not null constraint hand_off_notices_way_check check (way in ('webhook', 'mail')),
    state text not null default 'pending' constraint hand_off_notices_state_check check (state in
        ('pending', 'delivered', 'gave_up', 'disabled', 'obsolete')),
    -- Counts at the beginning of each attempt, and guards its end.
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default app_now(),
    lease_until timestamptz,
    last_error text,
    created_at timestamptz not null default app_now(),
    -- Of a mail: its draft with Gmail's thread, Gmail's id of the mail that it became, and
    -- the Message-ID on the wire (empty where the mailbox does not have it any more).
    draft_id text,
    draft_thread text,
    gmail_id text,
    rfc822_id text,
    constraint hand_off_notices_pkey primary key (delivery_id, way)
);
create index hand_off_notices_due on hand_off_notices (way, next_attempt_at) where state = 'pending';
create index hand_off_notices_untold on hand_off_notices (delivery_id)
    where state in ('pending', 'gave_up', 'disabled');
create index hand_off_notices_not_read_back on hand_off_notices (created_at)
    where gmail_id is not null and rfc822_id is null;

-- What a webhook's endpoint has asked of us, by a hash of its URL.
create table hand_off_endpoints (
    id text constraint hand_off_endpoints_pkey primary key,
    -- Nothing goes there before.
    throttled_until timestamptz,
    -- It wants no more of it; only another URL begins anew.
    disabled_at timestamptz
);
