-- What becomes of a text that waits for its customer when the template that asks for an
-- answer fails.

-- The template's delivery: with it fails what waits behind it.
alter table deliveries add column awaits_template uuid;
-- Who went on with the conversation after it failed; null for nobody.
alter table deliveries add column handed_over_to text;
