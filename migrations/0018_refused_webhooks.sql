-- The last webhooks that were refused because of their signature, for whoever looks why.
-- Names of parameters only, never values. The program keeps it short.
create table refused_webhooks (
    id bigint generated always as identity constraint refused_webhooks_pkey primary key,
    at timestamptz not null default app_now(),
    route text not null,
    -- Under which URLs the signature was tried.
    public_urls text[] not null,
    parameters text[] not null,
    reason text not null
);
