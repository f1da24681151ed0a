"""Students who type, teachers who watch, and readers of pages."""

from typing import Any

import gevent
from locust import FastHttpUser, User, constant, task
from locust.exception import StopUser

from loadtests.locust.report import JOIN
from loadtests.locust.school import School
from loadtests.locust.target import DEFAULT, ForeignTarget, checked
from loadtests.locust.typist import Typist
from server.domain.roles import Role


class Person(User):
    """Somebody with a socket."""

    abstract = True
    host = DEFAULT

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.school: School = environment.school

    def enter(self, replicas: list[Any], role: Role) -> None:
        """Join sessions and wait until their documents are there; try for as long as it takes."""
        connection = self.school.connect(replicas, role)
        while not connection.wait_synced():
            self.school.report.failed(JOIN, "the document did not come in time")


class Student(Person):
    """Types like people. Every other one speaks Hocuspocus and so learns what is saved."""

    def on_start(self) -> None:
        """Come in."""
        options = self.environment.parsed_options
        number = self.school.number("student")
        session = self.school.session(number)
        hocuspocus = self.school.place(session) % 2 == 0
        self.typist = Typist(f"{options.run}-{number}", options.pause)
        self.at = 0
        self.replica = self.school.sit(session, f"student-{number}", hocuspocus)
        self.enter([self.replica], Role.EDITOR)

    @task
    def type(self) -> None:
        """One burst."""
        self.at = self.typist.jump(self.replica.length, self.at)
        keys = self.typist.burst()
        for key in keys:
            gevent.sleep(key.pause)
            if self.school.over:
                return
            self.at = self.replica.type(self.at, key.text, mark=key is keys[-1])

    def wait_time(self) -> float:
        """Seconds until the next burst."""
        return self.typist.pause()


class Teacher(Person):
    """Watches some sessions over one socket."""

    wait_time = constant(1)

    def on_start(self) -> None:
        """Come in."""
        options = self.environment.parsed_options
        number = self.school.number("teacher")
        watched = min(options.watch, options.sessions)
        nth, process = divmod(number, self.school.processes)
        students = range(nth * watched, (nth + 1) * watched)  # of the same process
        sessions = {
            self.school.session(process + self.school.processes * student) for student in students
        }
        author = f"teacher-{number}"
        replicas = [self.school.sit(session, author, True, True) for session in sorted(sessions)]
        self.enter(replicas, Role.TEACHER)

    @task
    def watch(self) -> None:
        """What arrives is measured where it arrives."""


class Reader(FastHttpUser):
    """Somebody, or some machine, that reads pages."""

    host = DEFAULT
    wait_time = constant(1)

    def on_start(self) -> None:
        """Go nowhere but to this machine, whatever the web page of Locust was told."""
        try:
            checked(self.environment.host)
        except ForeignTarget as error:
            raise StopUser(str(error)) from None

    @task(3)
    def page(self) -> None:
        """The page."""
        self.client.get("/")

    @task
    def health(self) -> None:
        """Whether the process lives."""
        self.client.get("/healthz")

    @task
    def readiness(self) -> None:
        """Whether it can save."""
        self.client.get("/readyz")

    @task
    def metrics(self) -> None:
        """What Prometheus reads."""
        self.client.get("/metrics")
