-- Mail on its way out.

-- The draft that is sent, or was, and Gmail's thread in which it stands: what tells
-- whether a mail in doubt has gone.
alter table deliveries add column draft_id text;
alter table deliveries add column draft_thread text;
-- It was seen to be gone: sent, or deleted by hand.
alter table deliveries add column is_draft_gone boolean not null default false;
-- Whom the mail goes to, in lower case: a report may name nothing else.
alter table deliveries add column sent_to text;
-- The Message-ID as on the wire; empty where the mailbox does not have the mail any more.
alter table deliveries add column rfc822_id text;

create index deliveries_sent_to on deliveries (sent_to, accepted_at) where sent_to is not null;
create index deliveries_rfc822 on deliveries (rfc822_id) where rfc822_id is not null;
-- Sent, and their Message-ID not read back yet: few, for seconds.
create index deliveries_not_read_back on deliveries (accepted_at)
    where outlet = 'email' and provider_id is not null and rfc822_id is null;

-- Mails that tell somebody who used the web form where the ticket's page is: one row per
-- address, so that no number of posts makes more than one mail an hour.
create table status_mails (
    address text constraint status_mails_pkey primary key,
    ticket_ref text not null,
    -- Nothing is repeated after sending: what is in doubt stays so.
    state text not null default 'pending' constraint status_mails_state_check
        check (state in ('pending', 'sending', 'sent', 'failed')),
    attempt integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    -- When it was asked for; from the sending on, when that began.
    at timestamptz not null default app_now()
);
create index status_mails_due on status_mails (next_attempt_at) where state = 'pending';
create index status_mails_at on status_mails (at);
