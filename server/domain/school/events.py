"""What learning events are called, and how one is known that is sent again. Pure."""

from hashlib import sha1
from uuid import UUID

from server.domain.school.xp import Reason

COURSE_ENROLLED = "course.enrolled"
COURSE_DROPPED = "course.dropped"
COURSE_COMPLETED = "course.completed"
LESSON_STARTED = "lesson.started"
LESSON_ADVANCED = "lesson.advanced"  # data: percent, seconds (since it was last told)
LESSON_COMPLETED = "lesson.completed"
QUIZ_SUBMITTED = "quiz.submitted"  # data: points, max_points, passed
QUIZ_PASSED = "quiz.passed"  # for the first time
SUBMISSION_JUDGED = "submission.judged"  # data: status
SUBMISSION_PASSED = "submission.passed"  # for the first time in its lesson
ACHIEVEMENT_EARNED = "achievement.earned"  # data: achievement (its slug)
STREAK_REACHED = "streak.reached"  # data: days
COMMUNITY_EARNED = "community.earned"
POINTS_CORRECTED = "points.corrected"

# Each line of the ledger of points has an event; its data tells them as xp.
EARNING: dict[Reason, str] = {
    "LESSON": LESSON_COMPLETED,
    "QUIZ": QUIZ_PASSED,
    "SUBMISSION": SUBMISSION_PASSED,
    "ACHIEVEMENT": ACHIEVEMENT_EARNED,
    "STREAK": STREAK_REACHED,
    "COMMUNITY": COMMUNITY_EARNED,
    "CORRECTION": POINTS_CORRECTED,
}

SPACE = UUID("6f0c4a4e-6a5b-4d0c-9a55-0f6a3c1d7e21").bytes


def event_id(user_id: int, event_type: str, key: object) -> UUID:
    """The same for the same thing that somebody did, so that it is counted once (RFC 9562, 5.5)."""
    name = f"{user_id}/{event_type}/{key}".encode()
    # As uuid.uuid5, in half the time: there is one for each line of the ledger.
    return UUID(bytes=sha1(SPACE + name, usedforsecurity=False).digest()[:16], version=5)
