-- The meaning of chunks beside their words, and the questions that found nothing.
create extension if not exists vector;

-- Other ways to ask for a chunk, a line each: found by, never shown.
alter table knowledge_base add column asked_as text not null default '';
alter table knowledge_base alter column search set expression as (
    setweight(to_tsvector('english', title), 'A')
    || setweight(to_tsvector('english', heading || ' ' || asked_as), 'B')
    || setweight(to_tsvector('english', body), 'C'));

-- The vectors of the current chunks: part 0 is its text, the others are the ways to ask
-- for it. Those of one model and dimension are never compared with another's. A few
-- thousand rows are read one by one: exact, and as fast as an index.
create table knowledge_vectors (
    model text not null,
    dimension integer not null,
    number integer not null
        constraint knowledge_vectors_number_fkey references knowledge_base (number),
    part integer not null,
    article text not null,
    vector vector not null,
    constraint knowledge_vectors_pkey primary key (model, dimension, number, part),
    constraint knowledge_vectors_dimension_check check (vector_dims(vector) = dimension)
);
create index knowledge_vectors_number on knowledge_vectors (number);

-- Questions for which the knowledge base had too little, once per turn: what to write next.
create table knowledge_gaps (
    turn_id uuid constraint knowledge_gaps_pkey primary key,
    conversation_id uuid not null
        constraint knowledge_gaps_conversation_id_fkey references conversations (id) on delete cascade,
    -- The customer's own words, cut, without addresses and numbers.
    question text not null constraint knowledge_gaps_question_check check (length(question) <= 500),
    -- Of the best chunk there was; 0 where there was none.
    relevance double precision not null,
    at timestamptz not null default app_now()
);
create index knowledge_gaps_at on knowledge_gaps (at);
create index knowledge_gaps_conversation_id on knowledge_gaps (conversation_id);
