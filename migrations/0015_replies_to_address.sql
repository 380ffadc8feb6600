-- How many mails went to one address on their own.
create index conversations_mail_address on conversations (address) where channel = 'email';
