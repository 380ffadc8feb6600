-- One mail that comes by two addresses of ours is found by its Message-ID.
create index mails_rfc822 on mails (rfc822_id) where rfc822_id is not null;
