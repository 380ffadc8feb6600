-- Mail: what a reply needs to know of the mail that it answers, and what makes a mail
-- part of a conversation.

-- One row per stored mail.
create table mails (
    message_id uuid constraint mails_pkey primary key
        constraint mails_message_fkey references messages (id),
    -- The Message-ID as on the wire, without angle brackets; null where the mail has none.
    rfc822_id text,
    -- The ids of its References, else of its In-Reply-To, oldest first.
    referenced_ids text[] not null default '{}',
    subject text not null,
    -- The whole text with quoted history and signature; null where messages.body says it all.
    original_text text
);

-- Gmail's thread of an e-mail conversation. Conversations of two customers can share one.
alter table conversations add column mail_thread text;
create index conversations_mail_thread on conversations (mail_thread)
    where mail_thread is not null;

-- The Message-IDs of a conversation's mails, theirs and ours as on the wire: a mail
-- that answers one of them belongs to the conversation.
create table mail_ids (
    rfc822_id text not null,
    conversation_id uuid not null constraint mail_ids_conversation_fkey
        references conversations (id),
    constraint mail_ids_pkey primary key (rfc822_id, conversation_id)
);
create index mail_ids_conversation on mail_ids (conversation_id);

-- Who may join a conversation by writing into it: the customer, and whom the customer
-- or we addressed. In lower case.
create table mail_participants (
    conversation_id uuid not null constraint mail_participants_conversation_fkey
        references conversations (id),
    address text not null,
    constraint mail_participants_pkey primary key (conversation_id, address)
);
