-- Whom the answer to a mail goes to, as it stood when the mail came: a later mail of
-- somebody else in the thread does not lead it away. Null for mails from before.
alter table mails add column reply_to text;
