"""What may be given, in words, for whoever gave something else. The schema itself refuses it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from msgspec import json

from server.errors import BadRequest, NotFound, TooLong

MOST_KEPT = 100_000  # characters of JSON that a page keeps in one place

TAG = "A language is a tag such as «en» or «pt-BR»."
SLUG = "A slug has 1 to 100 small letters and digits, with single hyphens between."
TITLE = "A title has 1 to 255 characters."
SUMMARY = "A summary has at most 10,000 characters."
POSITION = "A position is 1, 2, 3, …"
POINTS = "Points are never less than 0."
TIME = "A time in seconds is never less than 0."
REASON = "A reason has at most 1,000 characters."
VERDICT = "tests_passed is between 0 and tests_total, and as many for PASSED."

# By the constraint that refused it.
CHECKS = {
    **dict.fromkeys(("badges_slug_check", "courses_slug_check", "modules_slug_check",
                     "lessons_slug_check"), SLUG),
    **dict.fromkeys(("posts_title_check", "badges_title_check", "courses_title_check",
                     "modules_title_check", "lessons_title_check", "quizzes_title_check"), TITLE),
    **dict.fromkeys(("courses_summary_check", "modules_summary_check"), SUMMARY),
    **dict.fromkeys(("modules_position_check", "lessons_position_check"), POSITION),
    **dict.fromkeys(("posts_language_check", "courses_language_check", "lessons_language_check",
                     "user_profiles_language_check"), TAG),
    **dict.fromkeys(("lessons_xp_check", "quizzes_xp_check"), POINTS),
    **dict.fromkeys(("courses_estimated_time_check", "lessons_estimated_time_check"), TIME),
    **dict.fromkeys(("flags_reason_check", "user_badges_reason_check",
                     "posts_moderation_reason_check", "comments_moderation_reason_check",
                     "suspensions_reason_check", "suspensions_lift_reason_check"), REASON),
    **dict.fromkeys(("code_submissions_tests_check", "code_submissions_passed_is_whole"), VERDICT),
    "users_username_check":
        "A name has 1 to 64 characters, without blanks, control characters and @.",
    "user_profiles_display_name_check": "A display name has at most 64 characters.",
    "user_profiles_bio_check": "A bio has at most 4,000 characters.",
    "user_profiles_avatar_url_check":
        "An avatar_url begins with https://; 2,048 characters at most.",
    "user_profiles_website_check":
        "A website begins with https:// or http://; 2,048 characters at most.",
    "user_profiles_wallet_check": "A wallet is 0x and 40 hexadecimal digits.",
    "posts_body_check": "A post has 1 to 40,000 characters.",
    "comments_body_check": "A comment has 1 to 10,000 characters.",
    "badges_image_url_check": "An image_url begins with https://; 2,048 characters at most.",
    "lessons_body_check": "A lesson has at most 200,000 characters.",
    "quizzes_pass_percent_check": "A pass_percent is between 0 and 100.",
    "quizzes_max_attempts_check": "There is at least 1 attempt; null: as many as one likes.",
    "quizzes_time_limit_check": "A limit is more than 0 seconds; null: none.",
    "quiz_questions_prompt_check": "A prompt has 1 to 10,000 characters.",
    "quiz_questions_choices_iff_chosen":
        "A question of the kind TEXT has no choices, any other has some.",
    "quiz_questions_points_check": "A question is worth 1 point or more.",
    "content_versions_note_check": "A note has at most 1,000 characters.",
    "tutor_threads_title_check": "A title has at most 255 characters.",
    "code_submissions_language_check": "A language has 1 to 64 characters.",
    "code_submissions_source_check": "A source has at most 200,000 characters.",
    "code_submissions_gas_used_check": "No less than 0 gas is used.",
    "user_progress_percent_check": "A percent is between 0 and 100.",
}  # fmt: skip
REFERENCES = {
    "posts_course_id_fkey": "There is no such course.",
    "tutor_threads_lesson_id_fkey": "There is no such lesson.",
}
NUL = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)
NUL_IN_JSON = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # behind an even number of backslashes


@contextmanager
def allowed() -> Iterator[None]:
    """Raise BadRequest for what somebody gave and the schema refuses, NotFound for what it names.

    What nobody gave goes through as it is.
    """
    try:
        yield
    except asyncpg.NotNullViolationError as error:
        raise BadRequest(f"There must be a {error.column_name}.") from error
    except asyncpg.IntegrityConstraintViolationError as error:
        name = str(error.constraint_name)
        if name in CHECKS:
            raise BadRequest(CHECKS[name]) from error
        if name in REFERENCES:
            raise NotFound(REFERENCES[name]) from error
        raise
    except NUL as error:
        raise BadRequest("No text may hold the character NUL.") from error
    except asyncpg.NumericValueOutOfRangeError as error:
        raise BadRequest("A number is too large.") from error


def jsonb(value: object) -> str:
    """The JSON of a value; U+FFFD stands for NUL, which jsonb can't hold."""
    return NUL_IN_JSON.sub(r"\1\\ufffd", json.encode(value).decode())


def kept(what: str, value: object) -> str:
    """The JSON of what a page keeps; raises TooLong, in a sentence that begins with `what`."""
    text = jsonb(value)
    if len(text) > MOST_KEPT:
        raise TooLong(f"{what} at most {MOST_KEPT:,} characters of JSON, not {len(text):,}.")
    return text
