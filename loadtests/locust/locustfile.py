"""Where Locust begins: options, and what happens at the start and the end of a test.

Run from the root of the repository: `make load PROFILE=classroom`; README.md beside this folder.
"""

import logging
import secrets
import signal
import sys
from typing import Any

import gevent
from gevent.event import Event as Flag
from locust import events
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from loadtests.locust.finish import finish
from loadtests.locust.progress import tell_now_and_then
from loadtests.locust.school import School
from loadtests.locust.target import DEFAULT, ForeignTarget, checked
from loadtests.locust.users import Reader, Student, Teacher

__all__ = ["Reader", "Student", "Teacher"]

ASK, ANSWER = "lyceum-finish", "lyceum-finished"
ANSWER_TIMEOUT = 60.0  # seconds beyond --settle

log = logging.getLogger("lyceum")


@events.init_command_line_parser.add_listener
def add_options(parser: Any) -> None:
    """What a profile may set."""
    parser.add_argument("--students", type=int, default=4, help="People who type")
    parser.add_argument("--teachers", type=int, default=1, help="People who watch")
    parser.add_argument("--readers", type=int, default=1, help="Readers of pages")
    parser.add_argument("--sessions", type=int, default=1, help="Sessions that they share")
    parser.add_argument("--watch", type=int, default=4, help="Sessions that a teacher watches")
    parser.add_argument("--pause", type=float, default=3.0, help="Mean seconds between bursts")
    parser.add_argument(
        "--settle", type=float, default=30.0, help="Seconds until all must have arrived at the end"
    )
    parser.add_argument("--run", default="", help="Part of sessions' names; made up if not given")
    parser.add_argument(
        "--auth-secret",
        default="",
        env_var="LYCEUM_AUTH_SECRET",
        is_secret=True,
        help="Key to make tokens with; without one all are guests",
    )


@events.init.add_listener
def prepare(environment: Any, runner: Any, **_: Any) -> None:
    """Check the target, and let each kind of user have its number."""
    gevent.get_hub().loop.update_now()  # or a slow start counts as a part of --run-time
    options = environment.parsed_options
    environment.host = environment.host or DEFAULT
    try:
        checked(environment.host)
    except ForeignTarget as error:
        sys.exit(f"lyceum: {error}")
    options.run = options.run or secrets.token_hex(4)
    Student.fixed_count = options.students
    Teacher.fixed_count = options.teachers
    Reader.fixed_count = options.readers
    options.num_users = options.students + options.teachers + options.readers
    environment.school = None
    if isinstance(runner, WorkerRunner):
        if options.processes:  # Ctrl-C reaches all of a terminal; the master ends the others
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        runner.register_message(ASK, answer, concurrent=True)
    elif isinstance(runner, MasterRunner):
        environment.answers = Answers()
        runner.register_message(ANSWER, environment.answers.take)


@events.test_start.add_listener
def open_school(environment: Any, **_: Any) -> None:
    """A new test."""
    if isinstance(environment.runner, MasterRunner):
        environment.answers.asked = False
    else:
        environment.school = School(environment)
    if not isinstance(environment.runner, WorkerRunner):
        gevent.spawn(tell_now_and_then, environment.runner)


@events.test_stopping.add_listener
@events.quitting.add_listener
def close_school(environment: Any, **_: Any) -> None:
    """Check while everybody is still there: in this process, or from the master in all others."""
    if isinstance(environment.runner, MasterRunner):
        environment.answers.ask(environment.runner)
    elif not isinstance(environment.runner, WorkerRunner) and checked_here(environment):
        environment.process_exit_code = 1


def answer(environment: Any, **_: Any) -> None:
    """One process's part, when the master asks."""
    environment.runner.send_message(ANSWER, checked_here(environment))


def checked_here(environment: Any) -> int:
    """The failures of this process, all being checked."""
    return finish(environment.school) if environment.school is not None else 0


class Answers:
    """What the other processes found, on the master. asked: whether they were, in this test."""

    def __init__(self) -> None:
        self.asked = True
        self._wanted = 0
        self._failures: list[int] = []
        self._complete = Flag()

    def ask(self, runner: Any) -> None:
        """Let all check and wait for them; a failure anywhere is one of the whole run."""
        if self.asked:
            return
        self.asked = True
        self._wanted = sum(client.state != STATE_MISSING for client in runner.clients.all)
        self._failures = []
        self._complete.clear()
        runner.send_message(ASK)
        timeout = runner.environment.parsed_options.settle + ANSWER_TIMEOUT
        if not self._complete.wait(timeout):
            log.error("only %s of %s processes checked", len(self._failures), self._wanted)
            runner.environment.process_exit_code = 1
        elif any(self._failures):
            runner.environment.process_exit_code = 1

    def take(self, environment: Any, msg: Any, **_: Any) -> None:
        """One more."""
        self._failures.append(int(msg.data))
        if len(self._failures) >= self._wanted:
            self._complete.set()
