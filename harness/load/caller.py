"""Performs one planned call on the integration and records it, in a `def` and an `async def` form.

Only the line that calls the integration differs between the two; what comes before and after is shared here.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.clock import Clock
from harness.data import fingerprint
from harness.errors import UsageError
from harness.load.book import Book, Job
from harness.load.frame import CURRENT, NOTHING, Frame
from harness.load.outcomes import classify, shape
from harness.load.recorder import Recorder
from harness.load.users import Life, User
from harness.model import UNLEARNED, UNNAMED, Load, PlannedCall
from harness.plan import Plan, open_call_id


@dataclass(slots=True)
class _Session:
    number: int
    id: str
    opens: int = 0
    shown: set[str] = field(default_factory=set)
    prepared: dict[str, Any] = field(default_factory=dict)


def opener(integration: Any, load: Load) -> Callable[..., Any]:
    """`open_session` with the config and the lifetime (s) that the load gives its sessions.

    Raises UsageError where the client doesn't take one of them: a key that does nothing would be a wrong result.
    """
    opens: Callable[..., Any] = integration.open_session
    given = {name: value for name, value in (("config", dict(load.config)), ("ttl", load.ttl_s)) if value}
    taken = inspect.signature(opens).parameters if given else {}
    named = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())
    missing = [] if named else [name for name in given if name not in taken]
    if missing:
        what = f"load.sessions gives {' and '.join(missing)}, and this client's open_session takes none"
        raise UsageError(what, f"give open_session a parameter {' and '.join(missing)}, or leave the key out")
    return functools.partial(opens, **given) if given else opens


def _never(node_id: str) -> str:
    raise AssertionError("this client owns its sessions")


class Caller:
    """Calls one integration for all sessions of this process."""

    def __init__(self, integration: Any, plan: Plan, recorder: Recorder, clock: Clock, book: Book) -> None:
        self._integration = integration
        self._plan = plan
        self._recorder = recorder
        self._clock = clock
        self._book = book
        self._sessions: dict[int, _Session] = {}
        self._slots = max(plan.load.sessions, plan.load.users, 1)
        self._marked = bool(plan.load.users_are)
        self._headers: dict[int, Mapping[str, str]] = {}
        self._names: dict[int, tuple[str, str]] = {}
        self.opens = hasattr(integration, "open_session")
        """Whether the client opens sessions; else it owns them and is given the users' ids."""
        self._open: Callable[..., Any] = opener(integration, plan.load) if self.opens else _never
        self._degraded: Callable[[Any], bool] | None = getattr(integration, "degraded", None)
        self._symbols: Callable[[Any], list[str]] | None = getattr(integration, "symbols", None)
        self._answering = "predict" if hasattr(integration, "predict") else "observe"

    def user(self, life: Life) -> User:
        """A closed user of this client."""
        return User(life, self, self._book)

    def arrivals(self, submit: Callable[[Job], None]) -> Callable[[Job], None]:
        """What starts a job of the open model; `submit` has a thread perform one."""
        return submit

    def perform(self, job: Job) -> int:
        """Run one job to its end and record it; the end time (ns). A session that isn't open yet is opened first."""
        session = self._session(job)
        if not session.id:
            opening = self._opening(job, session)
            frame = self._begin(opening)
            try:
                opened = _checked(invoke(self._open, (self._named(job)[0],)))
            except BaseException as error:  # noqa: BLE001 - whatever the client raises is the call's outcome
                return self._unopened(job, opening, frame, error)
            session.id = session.id or opened  # the first one stays, where several callers share it
            end_ns = self._opened(job, opening, frame, opened)
            if opening is job:
                return end_ns
        elif job.op == "open_session":
            return self._needless()
        request = self._request(job, session)
        frame = self._begin(job)
        try:
            result = invoke(*request)
        except BaseException as error:  # noqa: BLE001 - whatever the client raises is the call's outcome
            return self._failed(job, frame, error)
        return self._ended(job, frame, result, session.id)

    async def perform_async(self, job: Job) -> int:
        """`perform` for an integration of `async def` methods."""
        session = self._session(job)
        if not session.id:
            opening = self._opening(job, session)
            frame = self._begin(opening)
            try:
                opened = _checked(await self._open(self._named(job)[0]))
            except BaseException as error:  # noqa: BLE001 - whatever the client raises is the call's outcome
                return self._unopened(job, opening, frame, error)
            session.id = session.id or opened  # the first one stays, where several callers share it
            end_ns = self._opened(job, opening, frame, opened)
            if opening is job:
                return end_ns
        elif job.op == "open_session":
            return self._needless()
        method, arguments = self._request(job, session)
        frame = self._begin(job)
        try:
            result = await method(*arguments)
        except BaseException as error:  # noqa: BLE001 - whatever the client raises is the call's outcome
            return self._failed(job, frame, error)
        return self._ended(job, frame, result, session.id)

    def _headers_of(self, job: Job) -> Mapping[str, str]:
        slot = job.session % max(self._plan.load.sessions, 1)
        found = self._headers.get(slot)
        if found is None:
            found = self._headers[slot] = self._plan.headers(slot)
        return found

    def _session(self, job: Job) -> _Session:
        """The session of a call; of a slot's sessions only the latest is kept, since they come one after another."""
        number = job.session
        slot = number % self._slots
        session = self._sessions.get(slot)
        if session is None or session.number != number:
            session = self._sessions[slot] = _Session(number, "" if self.opens else self._named(job)[1])
        return session

    def _named(self, job: Job) -> tuple[str, str]:
        """Node and user of a call's session."""
        slot = job.session % max(self._plan.load.sessions, 1)
        found = self._names.get(slot)
        if found is None:
            found = self._names[slot] = self._plan.node_id(slot), self._plan.user(slot)
        return found

    def _opening(self, job: Job, session: _Session) -> Job:
        """The job that opens the session: the planned one itself, try 0 whenever it comes, or one more that `job` waits
        for."""
        if job.op == "open_session":
            return job
        number = job.session
        session.opens += 1
        planned = PlannedCall(open_call_id(number, session.opens), 0, number, "open_session")
        return self._book.aside(planned, job)

    def _request(self, job: Job, session: _Session) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The method and its arguments, made before the call starts: drawing data is the generator's own time."""
        method = getattr(self._integration, job.op)
        if job.op == "observe":
            observation = self._plan.observation(job.call)
            job.content = fingerprint(observation)
            if self._symbols is not None:
                session.shown.update(observation.get("strings", ()))
            return method, (session.id, observation)
        return method, (session.id,)

    def _begin(self, job: Job) -> Frame:
        headers = self._headers_of(job) if self._marked else NOTHING
        frame = Frame(job.call, headers, job.op)
        CURRENT.set(frame)
        job.start_ns = self._clock.now_ns()
        return frame

    def _ended(self, job: Job, frame: Frame, result: Any, session_id: str) -> int:
        end_ns = self._clock.now_ns()
        CURRENT.set(None)
        frame.over = True
        try:
            marked = job.op != "open_session" and self._marks(result)  # an id is no answer of KATO's
            detail = self._unlearned(job, result)
        except Exception as error:  # noqa: BLE001 - the client's own code; its error is the call's outcome
            return self._failed(job, frame, error)
        unserved = self._recorder.attempts_seen > 0 and not frame.served
        outcome = "degraded" if marked or unserved else "ok"
        self._record(job, end_ns, outcome, session_id=session_id, marked=marked, detail=detail, shape=shape(result))
        return end_ns

    def _marks(self, result: Any) -> bool:
        """Does the client call this result a substitute?"""
        if self._degraded is None:
            return False
        try:
            return bool(self._degraded(result))
        except (AttributeError, TypeError):
            if result is not None:
                raise
            return False  # the answer of an operation that gives nothing, for which it wasn't made

    def _unlearned(self, job: Job, result: Any) -> str:
        """The symbols of an answer that its session never showed to KATO, or that there were none (law F5)."""
        if self._symbols is None or job.op != self._answering or result is None:
            return ""
        named = list(self._symbols(result))
        strange = [name for name in named if name not in self._session(job).shown]
        if strange:
            return f"{UNLEARNED}{', '.join(strange[:3])}"
        return "" if named else UNNAMED

    def _failed(self, job: Job, frame: Frame, error: BaseException) -> int:
        end_ns = self._clock.now_ns()
        CURRENT.set(None)
        frame.over = True
        failure = classify(error)
        session_id = self._session(job).id
        self._record(
            job, end_ns, failure.outcome, failure.error, failure.status, session_id=session_id, detail=failure.detail
        )
        return end_ns

    def _needless(self) -> int:
        """A planned opening of a session that an earlier call has opened: it is no call."""
        self._book.issued -= 1
        return self._clock.now_ns()

    def _opened(self, job: Job, opening: Job, frame: Frame, session_id: str) -> int:
        end_ns = self._ended(opening, frame, None, session_id)
        if opening is not job:
            self._book.over(opening)
        job.ready_ns = max(job.ready_ns, end_ns)
        return end_ns

    def _unopened(self, job: Job, opening: Job, frame: Frame, error: BaseException) -> int:
        end_ns = self._failed(opening, frame, error)
        if opening is not job:
            self._book.over(opening)
            # it waited for its session to the end, which is no delay of the harness
            job.ready_ns = job.start_ns = end_ns
            self._record(job, end_ns, "cancelled", "cancelled", detail=f"no session: {type(error).__name__}")
        return end_ns

    def cancel(self, job: Job, end_ns: int) -> None:
        """Record a call that the drain gave up."""
        if not job.start_ns:
            job.ready_ns = job.start_ns = end_ns  # it waited for its session to the end: queueing, not dispatch delay
        self._write(job, end_ns, "cancelled", "cancelled", detail="given up at the end of the drain")

    def overflow(self, planned: PlannedCall, intended_ns: int, now_ns: int) -> None:
        """Record a call that went over the bound on calls in flight."""
        self._write(Job.of(planned, intended_ns, now_ns, start_ns=now_ns), now_ns, "overflow")

    def _record(self, job: Job, end_ns: int, outcome: str, *args: Any, **more: Any) -> None:
        if self._book.alive(job):
            self._write(job, end_ns, outcome, *args, **more)

    def _write(self, job: Job, end_ns: int, outcome: str, *args: Any, session_id: str = "", **more: Any) -> None:
        self._recorder.call(
            job.call,
            job.op,
            session_id,
            *self._named(job),
            job.intended_ns,
            job.ready_ns,
            job.start_ns,
            end_ns,
            outcome,
            *args,
            **{"content": job.content, **more},
        )


def invoke(method: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """The one frame under which integration code runs; the sampler knows it by its code object."""
    return method(*arguments)


def _checked(session_id: Any) -> str:
    if not isinstance(session_id, str) or not session_id:
        raise TypeError(f"open_session returned {type(session_id).__name__}, not a session id")
    return session_id
