-- How far each of our mailboxes has been read, and what in it could not be.

create table mailboxes (
    -- In lower case.
    address text constraint mailboxes_pkey primary key,
    -- Gmail's history id up to which everything is in the log; null before the first
    -- reading. An unsigned 64-bit number.
    cursor numeric(20, 0) constraint mailboxes_cursor_check
        check (cursor between 0 and 18446744073709551615),
    -- Who reads: every taking of the lease raises the epoch, and a write under an older
    -- one does nothing.
    epoch bigint not null default 0,
    lease_until timestamptz,
    -- When it was last read to its end.
    synced_at timestamptz,
    -- Why the last reading did not come to its end; null when it did.
    last_error text,
    watch_renewed_at timestamptz,
    -- When Gmail stops telling Pub/Sub about it.
    watch_expires_at timestamptz
);

-- Mails that failed by themselves, not with the mailbox. They hold the cursor until they
-- are read or given up.
create table mailbox_failures (
    mailbox text not null constraint mailbox_failures_mailbox_fkey
        references mailboxes (address),
    gmail_id text not null,
    attempts integer not null,
    -- What failed, without anything of the mail.
    last_error text not null,
    first_failed_at timestamptz not null default app_now(),
    last_failed_at timestamptz not null default app_now(),
    -- Since when it counts as unreadable: it is in the log as such and holds nothing.
    given_up_at timestamptz,
    constraint mailbox_failures_pkey primary key (mailbox, gmail_id)
);
