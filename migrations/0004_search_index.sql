-- The words of the current chunks, each with all chunks that have it: a search reads
-- one row per word and ranks in the program.
alter table knowledge_base add column number integer generated always as identity
    constraint knowledge_base_number_key unique;

drop table knowledge_terms;
create table knowledge_terms (
    lexeme text constraint knowledge_terms_pkey primary key,
    -- Numbers of chunks, their articles (each called by its lowest chunk) and how much
    -- of each chunk is about the word, 0 to 1: three arrays of one length.
    chunks integer[] not null,
    articles integer[] not null,
    weights double precision[] not null,
    -- How many chunks there are in all.
    of_chunks integer not null
);

-- Makes the index anew from the current chunks. A word weighs by where it stands: title
-- and heading say what a chunk is about, the text only that it speaks of it.
create function index_knowledge() returns void language sql as $$
    delete from knowledge_terms;
    with chunk as (
        select number, min(number) over (partition by article) as article, search,
               count(*) over () as of_chunks
        from knowledge_base where is_current
    )
    insert into knowledge_terms (lexeme, chunks, articles, weights, of_chunks)
    select word.lexeme, array_agg(number order by number), array_agg(chunk.article order by number),
           array_agg(1 - (case when 'A' = any(word.weights) then 0.35 else 1 end)
                       * (case when 'B' = any(word.weights) then 0.3 else 1 end)
                       * (case cardinality(array_positions(word.weights, 'C'))
                              when 0 then 1 when 1 then 0.5 when 2 then 0.4 else 0.3 end)
                     order by number),
           max(of_chunks)
    from chunk cross join lateral unnest(search) as word
    group by word.lexeme
$$;

select index_knowledge();
