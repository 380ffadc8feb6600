-- Replies that wait for their customer, because free text may not go any more, and the
-- approved template that asks the customer to write.

-- The customer's newest message when the reply could not go; a newer one lets it go.
alter table deliveries add column awaits_inbound_after timestamptz;
-- What is sent in place of the body: the template's id at Twilio, and its variables.
alter table deliveries add column template jsonb;
