-- Sends of which no request has started: their worker may stop, and nothing is in doubt.

-- The try that has begun and has started no request; empty once one is about to start. Only
-- where it is the delivery's attempt does it prove anything: a release that does not know
-- this column counts on and leaves it behind.
alter table deliveries add column unstarted_attempt integer;
-- When the last request was about to start.
alter table deliveries add column started_at timestamptz;
