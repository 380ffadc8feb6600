-- What people's actions and the alerts look up.

-- A person's reply has one id, however often its request comes.
create unique index audit_log_reply on audit_log ((detail ->> 'reply_id')) where action = 'reply';

create index audit_log_conversation on audit_log (conversation_id, id);

-- Rare by nature, so the index is empty most of the time.
create index deliveries_in_doubt on deliveries (created_at) where state = 'outcome_unknown';
