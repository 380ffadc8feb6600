-- When an action was noted, not when its transaction began: a takeover waits for a send that
-- is just beginning, and only by this order can it be told which of them came first.
create function app_clock() returns timestamptz
language sql volatile parallel safe
return clock_timestamp()
    + coalesce(nullif(current_setting('fte.clock_offset', true), ''), '0 seconds')::interval;

alter table audit_log alter column at set default app_clock();
