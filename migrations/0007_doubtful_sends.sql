-- Sends whose outcome is not known, and what providers tell about them later.

-- When the last try began: from here on the provider's list is searched.
alter table deliveries add column attempted_at timestamptz;
-- Since when the outcome is unknown.
alter table deliveries add column doubtful_since timestamptz;

-- A callback may name nothing but the provider's id.
create index deliveries_provider on deliveries (provider_id) where provider_id is not null;
