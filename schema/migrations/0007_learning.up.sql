-- What is taught, and what people have done of it. A course that somebody took is archived, never
-- deleted: enrolments, progress and submissions hold it.

-- Generated columns take only what is immutable, which a cast of text to regconfig is not.
create function search_config(language text) returns regconfig
    language sql immutable parallel safe
    return case split_part(language, '-', 1)
        when 'da' then 'pg_catalog.danish'::regconfig
        when 'de' then 'pg_catalog.german'::regconfig
        when 'en' then 'pg_catalog.english'::regconfig
        when 'es' then 'pg_catalog.spanish'::regconfig
        when 'fi' then 'pg_catalog.finnish'::regconfig
        when 'fr' then 'pg_catalog.french'::regconfig
        when 'hu' then 'pg_catalog.hungarian'::regconfig
        when 'it' then 'pg_catalog.italian'::regconfig
        when 'nl' then 'pg_catalog.dutch'::regconfig
        when 'no' then 'pg_catalog.norwegian'::regconfig
        when 'pt' then 'pg_catalog.portuguese'::regconfig
        when 'ro' then 'pg_catalog.romanian'::regconfig
        when 'ru' then 'pg_catalog.russian'::regconfig
        when 'sv' then 'pg_catalog.swedish'::regconfig
        when 'tr' then 'pg_catalog.turkish'::regconfig
        else 'pg_catalog.simple'::regconfig
    end;

comment on function search_config(text) is 'How text in a language (BCP 47) is searched; word by word as it stands in those that Postgres has no stemmer for.';

create table courses (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    slug text not null,
    version integer not null default 0,
    status text not null default 'DRAFT',
    difficulty text not null default 'BEGINNER',
    title text not null,
    summary text not null default '',
    language text not null default 'en',
    estimated_time interval not null default '0',
    metadata jsonb not null default '{}',
    owner_id bigint,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    published_at timestamptz,
    search_vector tsvector not null generated always as (
        setweight(to_tsvector(search_config(language), title), 'A')
            || setweight(to_tsvector(search_config(language), summary), 'B')
    ) stored,
    constraint courses_pkey primary key (id),
    constraint courses_public_id_key unique (public_id),
    constraint courses_slug_key unique (slug),
    constraint courses_owner_id_fkey
        foreign key (owner_id) references users (id) on delete set null,
    constraint courses_slug_check check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 100),
    constraint courses_version_check check (version >= 0),
    constraint courses_status_check check (status in ('DRAFT', 'REVIEW', 'PUBLISHED', 'ARCHIVED')),
    constraint courses_difficulty_check
        check (difficulty in ('BEGINNER', 'INTERMEDIATE', 'ADVANCED', 'EXPERT')),
    constraint courses_title_check check (length(title) between 1 and 255),
    constraint courses_summary_check check (length(summary) <= 10000),
    constraint courses_language_check check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]+)*$'),
    constraint courses_estimated_time_check check (estimated_time >= '0'),
    constraint courses_metadata_check check (jsonb_typeof(metadata) = 'object'),
    constraint courses_published_iff_version check ((version > 0) = (published_at is not null)),
    constraint courses_published_has_version check (status <> 'PUBLISHED' or version > 0)
);

comment on table courses is 'What can be learned, as it is shown now; content_versions has how it came to that.';
comment on column courses.version is 'Rises with each publication; 0: never published.';
comment on column courses.owner_id is 'Who answers for it; null: the school.';
comment on column courses.published_at is 'When it was last published.';

create index courses_owner_id_idx on courses (owner_id);
-- The catalogue, newest first.
create index courses_published_at_idx on courses (published_at desc) where status = 'PUBLISHED';
create index courses_search_vector_idx on courses using gin (search_vector);

create table course_prerequisites (
    course_id bigint not null,
    prerequisite_id bigint not null,
    constraint course_prerequisites_pkey primary key (course_id, prerequisite_id),
    constraint course_prerequisites_course_id_fkey
        foreign key (course_id) references courses (id) on delete cascade,
    constraint course_prerequisites_prerequisite_id_fkey
        foreign key (prerequisite_id) references courses (id) on delete cascade,
    constraint course_prerequisites_not_itself check (course_id <> prerequisite_id)
);

comment on table course_prerequisites is 'What should be completed before a course is begun; never in a circle.';

create index course_prerequisites_prerequisite_id_idx on course_prerequisites (prerequisite_id);

create function refuse_prerequisite_circle() returns trigger
    language plpgsql
    as $$
begin
    -- Two who add one half of a circle each would not see each other's.
    perform pg_advisory_xact_lock('course_prerequisites'::regclass::bigint);
    if exists (
        with recursive needed (id) as (
            select new.prerequisite_id
            union
            select prerequisite.prerequisite_id
            from needed
            join course_prerequisites as prerequisite on prerequisite.course_id = needed.id
        )
        select from needed where id = new.course_id
    ) then
        raise exception 'course % would need itself', new.course_id
            using errcode = 'check_violation',
                table = 'course_prerequisites',
                constraint = 'course_prerequisites_no_circle';
    end if;
    return null;
end
$$;

comment on function refuse_prerequisite_circle() is 'Keeps prerequisites without a circle.';

create trigger course_prerequisites_no_circle
    after insert or update on course_prerequisites
    for each row execute function refuse_prerequisite_circle();

create table modules (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    course_id bigint not null,
    slug text not null,
    position integer not null,
    title text not null,
    summary text not null default '',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint modules_pkey primary key (id),
    constraint modules_public_id_key unique (public_id),
    constraint modules_course_id_slug_key unique (course_id, slug),
    -- Deferrable, so that one statement can move many.
    constraint modules_course_id_position_key unique (course_id, position) deferrable,
    constraint modules_id_course_id_key unique (id, course_id),
    constraint modules_course_id_fkey
        foreign key (course_id) references courses (id) on delete cascade,
    constraint modules_slug_check check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 100),
    constraint modules_position_check check (position >= 1),
    constraint modules_title_check check (length(title) between 1 and 255),
    constraint modules_summary_check check (length(summary) <= 10000)
);

comment on table modules is 'The chapters of a course.';

create table lessons (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    module_id bigint not null,
    course_id bigint not null,
    slug text not null,
    position integer not null,
    kind text not null default 'READING',
    status text not null default 'DRAFT',
    title text not null,
    body text not null default '',
    exercise jsonb,
    language text not null default 'en',
    xp integer not null default 0,
    estimated_time interval not null default '0',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    search_vector tsvector not null generated always as (
        setweight(to_tsvector(search_config(language), title), 'A')
            || setweight(to_tsvector(search_config(language), body), 'C')
    ) stored,
    constraint lessons_pkey primary key (id),
    constraint lessons_public_id_key unique (public_id),
    constraint lessons_module_id_slug_key unique (module_id, slug),
    constraint lessons_module_id_position_key unique (module_id, position) deferrable,
    constraint lessons_id_course_id_key unique (id, course_id),
    constraint lessons_module_id_course_id_fkey
        foreign key (module_id, course_id) references modules (id, course_id) on delete cascade,
    constraint lessons_slug_check check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 100),
    constraint lessons_position_check check (position >= 1),
    constraint lessons_kind_check
        check (kind in ('READING', 'VIDEO', 'EXERCISE', 'QUIZ', 'PROJECT')),
    constraint lessons_status_check check (status in ('DRAFT', 'PUBLISHED', 'ARCHIVED')),
    constraint lessons_title_check check (length(title) between 1 and 255),
    constraint lessons_body_check check (length(body) <= 200000),
    constraint lessons_exercise_check check (jsonb_typeof(exercise) = 'object'),
    constraint lessons_language_check check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]+)*$'),
    constraint lessons_xp_check check (xp >= 0),
    constraint lessons_estimated_time_check check (estimated_time >= '0')
);

comment on table lessons is 'The lessons of a module, as they are shown now.';
comment on column lessons.course_id is 'Its module''s; here too, so that what refers to a lesson can name its course and be held to it.';
comment on column lessons.body is 'Markdown.';
comment on column lessons.exercise is 'Starting code, tests and what else the runner takes; null if there is nothing to solve.';
comment on column lessons.xp is 'What completing it is worth.';

create index lessons_course_id_idx on lessons (course_id);
create index lessons_module_id_course_id_idx on lessons (module_id, course_id);
create index lessons_search_vector_idx on lessons using gin (search_vector);
-- By the words of their titles alone.
create index lessons_search_title_idx on lessons using gin (ts_filter(search_vector, '{a}'));

create table enrollments (
    user_id bigint not null,
    course_id bigint not null,
    status text not null default 'ACTIVE',
    enrolled_at timestamptz not null default now(),
    completed_at timestamptz,
    constraint enrollments_pkey primary key (user_id, course_id),
    constraint enrollments_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint enrollments_course_id_fkey
        foreign key (course_id) references courses (id) on delete restrict,
    constraint enrollments_status_check check (status in ('ACTIVE', 'COMPLETED', 'DROPPED')),
    constraint enrollments_completed_iff_time
        check ((status = 'COMPLETED') = (completed_at is not null)),
    constraint enrollments_completed_at_check check (completed_at >= enrolled_at)
)
with (fillfactor = 90);

comment on table enrollments is 'Who takes which course.';

-- Who is in a course; and whether a course may be deleted.
create index enrollments_course_id_enrolled_at_idx on enrollments (course_id, enrolled_at desc);

create table user_progress (
    user_id bigint not null,
    course_id bigint not null,
    lesson_id bigint not null,
    status text not null default 'STARTED',
    percent smallint not null default 0,
    seconds integer not null default 0,
    state jsonb,
    started_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    completed_at timestamptz,
    constraint user_progress_pkey primary key (user_id, course_id, lesson_id),
    constraint user_progress_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint user_progress_lesson_id_course_id_fkey
        foreign key (lesson_id, course_id) references lessons (id, course_id) on delete restrict,
    constraint user_progress_status_check check (status in ('STARTED', 'COMPLETED')),
    constraint user_progress_percent_check check (percent between 0 and 100),
    constraint user_progress_seconds_check check (seconds >= 0),
    constraint user_progress_completed_iff_time
        check ((status = 'COMPLETED') = (completed_at is not null)),
    constraint user_progress_completed_is_whole check (status <> 'COMPLETED' or percent = 100),
    constraint user_progress_completed_at_check check (completed_at >= started_at)
) partition by hash (user_id);

comment on table user_progress is 'How far people are in the lessons that they began. The key goes by course, so that one look finds somebody''s progress in it.';
comment on column user_progress.seconds is 'Time on task.';
comment on column user_progress.state is 'Where the person was in the lesson, as the page keeps it.';

-- Who did a lesson, for recommendations; and whether a lesson may be deleted. Not with its course, which
-- follows from it: planners would take that for one row, as good as the key, and read all who did the lesson.
create index user_progress_lesson_id_idx on user_progress (lesson_id);

do $$
begin
    for remainder in 0..7 loop
        -- A lesson's row is changed several times until it is complete.
        execute format(
            'create table user_progress_%s partition of user_progress'
            ' for values with (modulus 8, remainder %s) with (fillfactor = 80)',
            remainder, remainder
        );
    end loop;
end
$$;

create table quizzes (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    lesson_id bigint not null,
    title text not null,
    pass_percent smallint not null default 60,
    max_attempts integer,
    time_limit interval,
    xp integer not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint quizzes_pkey primary key (id),
    constraint quizzes_public_id_key unique (public_id),
    constraint quizzes_lesson_id_fkey
        foreign key (lesson_id) references lessons (id) on delete cascade,
    constraint quizzes_title_check check (length(title) between 1 and 255),
    constraint quizzes_pass_percent_check check (pass_percent between 0 and 100),
    constraint quizzes_max_attempts_check check (max_attempts >= 1),
    constraint quizzes_time_limit_check check (time_limit > '0'),
    constraint quizzes_xp_check check (xp >= 0)
);

comment on table quizzes is 'Questions about a lesson.';
comment on column quizzes.max_attempts is 'Null: as many as one likes.';
comment on column quizzes.time_limit is 'For one attempt; null: none.';
comment on column quizzes.xp is 'What passing it for the first time is worth.';

create index quizzes_lesson_id_idx on quizzes (lesson_id);

create table quiz_questions (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    quiz_id bigint not null,
    position integer not null,
    kind text not null,
    prompt text not null,
    choices jsonb not null default '[]',
    answer jsonb not null,
    explanation text not null default '',
    points integer not null default 1,
    constraint quiz_questions_pkey primary key (id),
    constraint quiz_questions_public_id_key unique (public_id),
    constraint quiz_questions_quiz_id_position_key unique (quiz_id, position) deferrable,
    constraint quiz_questions_quiz_id_fkey
        foreign key (quiz_id) references quizzes (id) on delete cascade,
    constraint quiz_questions_position_check check (position >= 1),
    constraint quiz_questions_kind_check check (kind in ('SINGLE', 'MULTIPLE', 'TEXT')),
    constraint quiz_questions_prompt_check check (length(prompt) between 1 and 10000),
    constraint quiz_questions_choices_check check (jsonb_typeof(choices) = 'array'),
    constraint quiz_questions_choices_iff_chosen
        check ((kind = 'TEXT') = (choices = '[]')),
    constraint quiz_questions_points_check check (points >= 1)
);

comment on table quiz_questions is 'The questions of a quiz.';
comment on column quiz_questions.answer is 'What is right: never told before an attempt was handed in.';

create table quiz_attempts (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    user_id bigint not null,
    quiz_id bigint not null,
    number integer not null,
    answers jsonb not null default '{}',
    points integer,
    max_points integer,
    passed boolean,
    started_at timestamptz not null default now(),
    submitted_at timestamptz,
    constraint quiz_attempts_pkey primary key (id),
    constraint quiz_attempts_public_id_key unique (public_id),
    constraint quiz_attempts_user_id_quiz_id_number_key unique (user_id, quiz_id, number),
    constraint quiz_attempts_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint quiz_attempts_quiz_id_fkey
        foreign key (quiz_id) references quizzes (id) on delete restrict,
    constraint quiz_attempts_number_check check (number >= 1),
    constraint quiz_attempts_answers_check check (jsonb_typeof(answers) = 'object'),
    constraint quiz_attempts_points_check check (points between 0 and max_points),
    constraint quiz_attempts_graded_iff_submitted check (
        num_nonnulls(points, max_points, passed)
            = case when submitted_at is null then 0 else 3 end
    ),
    constraint quiz_attempts_submitted_at_check check (submitted_at >= started_at)
)
with (fillfactor = 80);

comment on table quiz_attempts is 'Each try of a person at a quiz, graded when it is handed in.';
comment on column quiz_attempts.number is '1, 2, 3, … of this person at this quiz.';
comment on column quiz_attempts.answers is 'By the questions'' public ids.';

-- One attempt is open at a time.
create unique index quiz_attempts_user_id_quiz_id_key
    on quiz_attempts (user_id, quiz_id) where submitted_at is null;
-- How a quiz went for all; and whether it may be deleted.
create index quiz_attempts_quiz_id_submitted_at_idx on quiz_attempts (quiz_id, submitted_at);

create table code_submissions (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    user_id bigint not null,
    course_id bigint not null,
    lesson_id bigint not null,
    language text not null default 'solidity',
    source text not null,
    status text not null default 'PENDING',
    tests_passed integer,
    tests_total integer,
    gas_used bigint,
    result jsonb,
    submitted_at timestamptz not null default now(),
    judged_at timestamptz,
    constraint code_submissions_pkey primary key (id, submitted_at),
    constraint code_submissions_public_id_submitted_at_key unique (public_id, submitted_at),
    constraint code_submissions_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint code_submissions_lesson_id_course_id_fkey
        foreign key (lesson_id, course_id) references lessons (id, course_id) on delete restrict,
    constraint code_submissions_language_check check (length(language) between 1 and 64),
    constraint code_submissions_source_check check (length(source) <= 200000),
    constraint code_submissions_status_check
        check (status in ('PENDING', 'PASSED', 'FAILED', 'ERROR', 'TIMEOUT')),
    constraint code_submissions_tests_check check (
        num_nonnulls(tests_passed, tests_total) in (0, 2)
        and tests_passed between 0 and tests_total
    ),
    constraint code_submissions_passed_is_whole
        check (status <> 'PASSED' or tests_passed = tests_total),
    constraint code_submissions_gas_used_check check (gas_used >= 0),
    constraint code_submissions_judged_iff_time
        check ((status <> 'PENDING') = (judged_at is not null)),
    constraint code_submissions_judged_at_check check (judged_at >= submitted_at)
) partition by range (submitted_at);

comment on table code_submissions is 'Code that was handed in and what became of it, by month.';
comment on column code_submissions.status is 'ERROR: does not compile or run; FAILED: runs, and a test fails.';
comment on column code_submissions.gas_used is 'Of all tests together; null if nothing ran on a chain.';
comment on column code_submissions.result is 'What the runner said, test by test.';

-- One's own, by lesson.
create index code_submissions_user_id_lesson_id_idx
    on code_submissions (user_id, lesson_id, submitted_at desc);
-- What a class handed in; and whether a lesson may be deleted.
create index code_submissions_lesson_id_course_id_idx
    on code_submissions (lesson_id, course_id, submitted_at desc);
-- What a course's people handed in, newest first.
create index code_submissions_course_id_submitted_at_idx
    on code_submissions (course_id, submitted_at desc);
