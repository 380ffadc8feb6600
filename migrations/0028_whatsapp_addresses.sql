-- Who wrote from a number before: a list of messages tells the number only.
create index conversations_whatsapp_address on conversations (address, created_at)
    where channel = 'whatsapp';
