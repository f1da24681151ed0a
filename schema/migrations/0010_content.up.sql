-- The curriculum's history, kept versions of live documents, what the community writes, and
-- credentials issued on a chain.

create table content_items (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    course_id bigint,
    module_id bigint,
    lesson_id bigint,
    quiz_id bigint,
    last_version integer not null default 0,
    published_version integer,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint content_items_pkey primary key (id),
    constraint content_items_public_id_key unique (public_id),
    constraint content_items_course_id_key unique (course_id),
    constraint content_items_module_id_key unique (module_id),
    constraint content_items_lesson_id_key unique (lesson_id),
    constraint content_items_quiz_id_key unique (quiz_id),
    constraint content_items_course_id_fkey
        foreign key (course_id) references courses (id) on delete restrict,
    constraint content_items_module_id_fkey
        foreign key (module_id) references modules (id) on delete restrict,
    constraint content_items_lesson_id_fkey
        foreign key (lesson_id) references lessons (id) on delete restrict,
    constraint content_items_quiz_id_fkey
        foreign key (quiz_id) references quizzes (id) on delete restrict,
    constraint content_items_of_one_thing
        check (num_nonnulls(course_id, module_id, lesson_id, quiz_id) = 1),
    constraint content_items_last_version_check check (last_version >= 0),
    constraint content_items_published_version_check
        check (published_version between 1 and last_version)
);

comment on table content_items is 'Parts of the curriculum whose history is kept: each is one course, module, lesson or quiz.';
comment on column content_items.last_version is 'Number of its newest version; whoever adds one raises it first, and so waits for others.';
comment on column content_items.published_version is 'What the course, module, lesson or quiz shows now; null: nothing was published.';

create table content_versions (
    item_id bigint not null,
    version integer not null,
    body text not null,
    sha256 bytea not null,
    author_id bigint not null,
    note text not null default '',
    created_at timestamptz not null default now(),
    constraint content_versions_pkey primary key (item_id, version),
    constraint content_versions_item_id_fkey
        foreign key (item_id) references content_items (id) on delete restrict,
    constraint content_versions_author_id_fkey
        foreign key (author_id) references users (id) on delete restrict,
    constraint content_versions_version_check check (version >= 1),
    constraint content_versions_sha256_check check (sha256 = sha256(convert_to(body, 'UTF8'))),
    constraint content_versions_note_check check (length(note) <= 1000)
);

comment on table content_versions is 'All that curriculum ever was. Nothing changes or removes a row; to go back, an older version is published.';
comment on column content_versions.body is 'JSON: what the row of the item held besides its ids and place.';
comment on column content_versions.author_id is 'Who wrote it; may be erased, but stays as a row.';

create index content_versions_author_id_idx on content_versions (author_id);

alter table content_items add constraint content_items_id_published_version_fkey
    foreign key (id, published_version) references content_versions (item_id, version)
    on delete restrict;

create function refuse_change() returns trigger
    language plpgsql
    as $$
begin
    raise exception 'rows of % stay as they are', tg_table_name
        using errcode = 'integrity_constraint_violation';
end
$$;

comment on function refuse_change() is 'Keeps the rows of a table as they were written.';

create trigger content_versions_immutable
    before update or delete or truncate on content_versions
    for each statement execute function refuse_change();

create table document_versions (
    document_id bigint not null,
    version integer not null,
    name text not null,
    seq bigint not null,
    payload bytea not null,
    author text,
    created_at timestamptz not null default now(),
    constraint document_versions_pkey primary key (document_id, version),
    constraint document_versions_document_id_fkey
        foreign key (document_id) references documents (id) on delete cascade,
    constraint document_versions_version_check check (version >= 1),
    constraint document_versions_name_check check (length(name) between 1 and 255),
    constraint document_versions_seq_check check (seq >= 0)
);

comment on table document_versions is 'States of live documents that somebody named, kept when the journal has forgotten them.';
comment on column document_versions.seq is 'Of the newest journal row that is in it.';
comment on column document_versions.payload is 'The whole document as a Yjs update, format v1.';
comment on column document_versions.author is 'A token''s sub; null for a guest.';

-- As in document_updates.
alter table document_versions alter column payload set storage external;

-- All but who kept it, for people are erased.
create trigger document_versions_immutable
    before update of document_id, version, name, seq, payload on document_versions
    for each statement execute function refuse_change();

-- No word has a space in it. Times are cut into pieces of 2 ^ n seconds, so that a long time is few.
create function search_labels(
    language text, kind text, course_id bigint, lesson_id bigint, created_at timestamptz
) returns tsvector
    language sql immutable parallel safe
    return array_to_tsvector(
        array_remove(
            array[
                'language ' || split_part(language, '-', 1),
                'kind ' || kind,
                'course ' || course_id::text,
                'lesson ' || lesson_id::text
            ],
            null
        ) || array(
            select 'time ' || size::text || ' ' || (seconds >> size)::text
            from generate_series(14, 26, 2) as size
            cross join (
                select extract(epoch from created_at - timestamptz '2000-01-01 00:00:00+00')::bigint
            ) as since (seconds)
        )
    );

comment on function search_labels is 'What a post can be asked for beside its words, as lexemes that no text has.';

create table posts (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    author_id bigint,
    course_id bigint,
    lesson_id bigint,
    kind text not null default 'DISCUSSION',
    status text not null default 'VISIBLE',
    title text,
    body text,
    language text not null default 'en',
    score bigint not null default 0,
    comments bigint not null default 0,
    created_at timestamptz not null default now(),
    edited_at timestamptz,
    moderated_by bigint,
    moderated_at timestamptz,
    moderation_reason text not null default '',
    search_vector tsvector not null generated always as (
        setweight(to_tsvector(search_config(language), coalesce(title, '')), 'A')
            || setweight(to_tsvector(search_config(language), coalesce(body, '')), 'C')
    ) stored,
    constraint posts_pkey primary key (id),
    constraint posts_public_id_key unique (public_id),
    constraint posts_author_id_fkey
        foreign key (author_id) references users (id) on delete set null,
    constraint posts_course_id_fkey
        foreign key (course_id) references courses (id) on delete set null,
    constraint posts_lesson_id_fkey
        foreign key (lesson_id) references lessons (id) on delete set null,
    constraint posts_moderated_by_fkey
        foreign key (moderated_by) references users (id) on delete set null,
    constraint posts_kind_check
        check (kind in ('DISCUSSION', 'QUESTION', 'SHOWCASE', 'ANNOUNCEMENT')),
    constraint posts_status_check check (status in ('VISIBLE', 'FLAGGED', 'HIDDEN', 'DELETED')),
    constraint posts_title_check check (length(title) between 1 and 255),
    constraint posts_body_check check (length(body) between 1 and 40000),
    constraint posts_gone_iff_deleted
        check (num_nulls(title, body) = case status when 'DELETED' then 2 else 0 end),
    constraint posts_language_check check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]+)*$'),
    constraint posts_comments_check check (comments >= 0),
    constraint posts_edited_at_check check (edited_at >= created_at),
    constraint posts_hidden_by_somebody check (status <> 'HIDDEN' or moderated_at is not null),
    constraint posts_moderation_reason_check check (length(moderation_reason) <= 1000)
)
-- Votes and comments are counted in place.
with (fillfactor = 80);

comment on table posts is 'What people write to each other.';
comment on column posts.author_id is 'Null: removed with all that was the person''s.';
comment on column posts.course_id is 'Where it belongs; null: to no course.';
comment on column posts.status is 'FLAGGED: shown, and somebody should look at it; HIDDEN: by a moderator; DELETED: by its author.';
comment on column posts.score is 'Sum of its votes.';
comment on column posts.comments is 'How many there are, without deleted and hidden ones.';
comment on column posts.moderated_at is 'When somebody last decided on it, whatever the decision.';

-- Words and labels in one index: those that have a word, of a course and a time, are found without
-- looking at all that have the word. What comes is put in its place at once, as a list of what is
-- yet to be put would be read from end to end by each search.
create index posts_search_idx on posts using gin (
    (search_vector || search_labels(language, kind, course_id, lesson_id, created_at))
) with (fastupdate = off) where status in ('VISIBLE', 'FLAGGED');
-- Hidden ones, of an author and of all.
create index posts_hidden_author_id_idx
    on posts (author_id, created_at desc) where status = 'HIDDEN';
create index posts_hidden_idx on posts (created_at desc) where status = 'HIDDEN';
-- The newest of all, of a course and of a lesson; a course's or a lesson's deletion.
create index posts_created_at_idx on posts (created_at desc, id desc);
create index posts_course_id_idx
    on posts (course_id, created_at desc, id desc) where course_id is not null;
create index posts_lesson_id_idx
    on posts (lesson_id, created_at desc, id desc) where lesson_id is not null;
create index posts_author_id_idx on posts (author_id, created_at desc, id desc);
create index posts_moderated_by_idx on posts (moderated_by) where moderated_by is not null;
-- What moderators should look at.
create index posts_flagged_idx on posts (created_at) where status = 'FLAGGED';

create table comments (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    post_id bigint not null,
    parent_id bigint,
    author_id bigint,
    status text not null default 'VISIBLE',
    body text,
    score bigint not null default 0,
    created_at timestamptz not null default now(),
    edited_at timestamptz,
    moderated_by bigint,
    moderated_at timestamptz,
    moderation_reason text not null default '',
    constraint comments_pkey primary key (id),
    constraint comments_public_id_key unique (public_id),
    constraint comments_id_post_id_key unique (id, post_id),
    constraint comments_post_id_fkey foreign key (post_id) references posts (id) on delete cascade,
    constraint comments_parent_id_post_id_fkey
        foreign key (parent_id, post_id) references comments (id, post_id) on delete cascade,
    constraint comments_author_id_fkey
        foreign key (author_id) references users (id) on delete set null,
    constraint comments_moderated_by_fkey
        foreign key (moderated_by) references users (id) on delete set null,
    constraint comments_answer_what_was_there check (parent_id < id),
    constraint comments_status_check check (status in ('VISIBLE', 'FLAGGED', 'HIDDEN', 'DELETED')),
    constraint comments_body_check check (length(body) between 1 and 10000),
    constraint comments_gone_iff_deleted check ((body is null) = (status = 'DELETED')),
    constraint comments_edited_at_check check (edited_at >= created_at),
    constraint comments_hidden_by_somebody check (status <> 'HIDDEN' or moderated_at is not null),
    constraint comments_moderation_reason_check check (length(moderation_reason) <= 1000)
)
with (fillfactor = 80);

comment on table comments is 'Answers to posts, and to each other; the columns mean what they mean in posts.';
comment on column comments.parent_id is 'The comment that it answers, of the same post; null: the post itself.';

create index comments_post_id_idx on comments (post_id, id);
create index comments_parent_id_post_id_idx
    on comments (parent_id, post_id) where parent_id is not null;
create index comments_author_id_idx on comments (author_id, created_at desc, id desc);
create index comments_moderated_by_idx on comments (moderated_by) where moderated_by is not null;
create index comments_flagged_idx on comments (created_at) where status = 'FLAGGED';

create table votes (
    id bigint generated always as identity,
    user_id bigint not null,
    post_id bigint,
    comment_id bigint,
    value smallint not null,
    voted_at timestamptz not null default now(),
    constraint votes_pkey primary key (id),
    constraint votes_post_id_user_id_key unique (post_id, user_id),
    constraint votes_comment_id_user_id_key unique (comment_id, user_id),
    constraint votes_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint votes_post_id_fkey foreign key (post_id) references posts (id) on delete cascade,
    constraint votes_comment_id_fkey
        foreign key (comment_id) references comments (id) on delete cascade,
    constraint votes_on_one_thing check ((post_id is null) <> (comment_id is null)),
    constraint votes_value_check check (value in (-1, 1))
);

comment on table votes is 'Who is for or against a post or a comment; one vote each.';

create index votes_user_id_idx on votes (user_id);

create table search_vocabulary (
    language text not null,
    word text collate "C" not null,
    uses bigint not null,
    updated_at timestamptz not null default now(),
    constraint search_vocabulary_pkey primary key (language, word),
    constraint search_vocabulary_language_check check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]+)*$'),
    constraint search_vocabulary_word_check check (length(word) between 1 and 64),
    constraint search_vocabulary_uses_check check (uses >= 0)
);

comment on table search_vocabulary is 'The words that courses, lessons and posts are written in: what somebody means who typed the beginning of one, or mistyped it.';
comment on column search_vocabulary.language is 'Without region and script.';
comment on column search_vocabulary.uses is 'In how many courses, lessons and posts it stands, of those that everybody may see.';

-- By its end, for a word whose beginning was mistyped.
create index search_vocabulary_reverse_idx
    on search_vocabulary (language, reverse(word) collate "C");

create table credentials (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    user_id bigint,
    course_id bigint not null,
    status text not null default 'PENDING',
    chain_id bigint not null,
    contract text not null,
    recipient text not null,
    token_id numeric(78),
    transaction_hash text,
    metadata jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    confirmed_at timestamptz,
    revoked_at timestamptz,
    constraint credentials_pkey primary key (id),
    constraint credentials_public_id_key unique (public_id),
    constraint credentials_chain_id_contract_token_id_key unique (chain_id, contract, token_id),
    constraint credentials_user_id_fkey
        foreign key (user_id) references users (id) on delete set null,
    constraint credentials_course_id_fkey
        foreign key (course_id) references courses (id) on delete restrict,
    constraint credentials_status_check
        check (status in ('PENDING', 'SENT', 'CONFIRMED', 'REVOKED', 'FAILED')),
    constraint credentials_chain_id_check check (chain_id >= 1),
    constraint credentials_contract_check check (contract ~ '^0x[0-9a-f]{40}$'),
    constraint credentials_recipient_check check (recipient ~ '^0x[0-9a-f]{40}$'),
    constraint credentials_token_id_check check (token_id >= 0 and token_id < 2::numeric ^ 256),
    constraint credentials_transaction_hash_check check (transaction_hash ~ '^0x[0-9a-f]{64}$'),
    constraint credentials_metadata_check check (jsonb_typeof(metadata) = 'object'),
    constraint credentials_sent_has_transaction
        check (status in ('PENDING', 'FAILED') or transaction_hash is not null),
    constraint credentials_confirmed_iff_token check (
        (status in ('CONFIRMED', 'REVOKED')) = (confirmed_at is not null)
        and (confirmed_at is null) = (token_id is null)
    ),
    constraint credentials_revoked_iff_time check ((status = 'REVOKED') = (revoked_at is not null))
)
with (fillfactor = 80);

comment on table credentials is 'Certificates as tokens (ERC-721) on a chain. What is there can''t be taken back: it stays when the person is removed.';
comment on column credentials.chain_id is 'EIP-155.';
comment on column credentials.recipient is 'The wallet it was issued to.';
comment on column credentials.token_id is 'An uint256, known once the chain has confirmed it.';
comment on column credentials.transaction_hash is 'Of the transaction that makes it; a try that failed may leave one.';

-- A course is certified once; a try that failed or was revoked may be repeated.
create unique index credentials_user_id_course_id_key
    on credentials (user_id, course_id) where status in ('PENDING', 'SENT', 'CONFIRMED');
-- A person's, newest first.
create index credentials_user_id_idx on credentials (user_id, id desc);
create index credentials_course_id_idx on credentials (course_id);
-- What a confirmation from the chain is about.
create index credentials_transaction_hash_idx on credentials (transaction_hash);
-- What must still be sent, or waits for the chain.
create index credentials_open_idx on credentials (updated_at) where status in ('PENDING', 'SENT');
