-- Drafts of mails that will not go: they are taken out of the mailbox.
create index deliveries_left_drafts on deliveries (id)
    where draft_id is not null and not is_draft_gone and state in ('failed', 'cancelled');
