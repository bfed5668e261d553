"""Virtual time: clocks jump when nobody has work, sockets stay real. Each case runs in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from harness.errors import EXIT_INTERNAL, EXIT_USAGE

GEVENT = "from harness.simulate.gevent_loop import install; loop = install()\n"
ASYNCIO = "from harness.simulate.asyncio_loop import install; loop = install()\n"


def _run(source: str) -> Any:
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_hour_of_sleep_takes_no_time_on_gevent() -> None:
    """time.sleep, Event.wait and Timer all advance the one virtual clock exactly."""
    source = """
import json, threading, time
begin = time.monotonic()
time.sleep(3600)
fired = threading.Event()
threading.Timer(50, fired.set).start()
fired.wait()
fired.clear()
came = fired.wait(3.5)
print(json.dumps([time.monotonic() - begin, came]))
"""
    assert _run(GEVENT + source) == [3653.5, False]


def test_an_hour_of_sleep_takes_no_time_on_asyncio() -> None:
    """asyncio.sleep, wait_for and executors run on the one virtual clock."""
    source = """
import asyncio, json, time
async def main():
    begin = time.monotonic()
    await asyncio.sleep(3600)
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 2.5)
    except TimeoutError:
        pass
    answer = await asyncio.get_running_loop().run_in_executor(None, lambda: 42)
    print(json.dumps([time.monotonic() - begin, answer]))
loop.run_until_complete(main())
"""
    assert _run(ASYNCIO + source) == [3602.5, 42]


@pytest.mark.parametrize("install", [GEVENT, ASYNCIO], ids=["gevent", "asyncio"])
def test_every_clock_of_python_agrees(install: str) -> None:
    """monotonic, time, perf_counter, their ns forms and datetime show the same virtual moment, also by old names."""
    source = """
import json, queue, threading, time
from datetime import datetime, timezone
wall = datetime.now(timezone.utc).timestamp()
same = [time.monotonic() == time.perf_counter(), time.monotonic_ns() == round(time.monotonic() * 1e9),
        time.time_ns() == round(time.time() * 1e9), abs(wall - time.time()) < 1e-3,
        isinstance(datetime.now(), datetime), threading._time is time.monotonic]
print(json.dumps(same))
"""
    assert _run("import threading\n" + install + source) == [True] * 6


def test_a_socket_that_is_ready_comes_before_a_timer() -> None:
    """Bytes on a loopback socket are served before the clock moves on."""
    source = """
import gevent, json, time
from gevent import socket
server = socket.socket(); server.bind(("127.0.0.1", 0)); server.listen()
def serve():
    sock, _ = server.accept()
    while data := sock.recv(100):
        gevent.sleep(0.018)
        sock.sendall(data)
gevent.spawn(serve)
client = socket.create_connection(server.getsockname())
begin = time.monotonic()
for _ in range(200):
    client.sendall(b"x"); client.recv(1)
print(json.dumps(round(time.monotonic() - begin, 6)))
"""
    assert _run(GEVENT + source) == 3.6


def test_a_package_with_a_clock_of_its_own_is_refused() -> None:
    """A loaded package whose loop virtual time can't reach is named, with the way out."""
    source = """
import json, sys, types
from harness.errors import UsageError
from harness.simulate.clocks import refuse_foreign
sys.modules["uvloop"] = types.ModuleType("uvloop")
try:
    refuse_foreign()
except UsageError as error:
    print(json.dumps([error.what, error.cure]))
"""
    what, cure = _run(source)
    assert "uvloop keeps a clock of its own" in what
    assert "real time" in cure


def _ends(source: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_a_busy_wait_is_noticed_and_its_place_named() -> None:
    """The clock never moves while somebody works, so one who waits for it in a loop would wait for ever."""
    source = """
import threading, time
from harness.simulate import standstill
standstill.TURNLESS_S = 0.5
standstill.watch(loop.now, lambda: loop.iteration)
def spin():
    until = time.monotonic() + 0.1
    while time.monotonic() < until:
        pass
thread = threading.Thread(target=spin)
thread.start()
thread.join()
"""
    code, words = _ends(GEVENT + source)
    assert code == EXIT_USAGE
    assert "virtual time stands still: a busy wait" in words
    assert "real time" in words


def test_hard_work_within_one_turn_is_no_standstill() -> None:
    """A client whose attempts end goes on for longer than a turn may take without any; then it is noticed."""
    source = """
import sys
from harness.simulate import native, standstill
standstill.TURNLESS_S, standstill.LOOK_S = 0.5, 0.05
ended = 0
standstill.watch(loop.now, lambda: loop.iteration + ended)
until = native.monotonic() + 1.5
while native.monotonic() < until:
    native.sleep(0.01)
    ended += 1
print("worked", file=sys.stderr, flush=True)
while True:
    native.sleep(0.01)
"""
    code, words = _ends(GEVENT + source)
    assert code == EXIT_USAGE
    assert words.startswith("worked")
    assert "virtual time stands still" in words


def test_a_client_that_never_lets_the_clock_go_on_is_noticed_however_much_it_gets_done() -> None:
    """Attempts end all the time, as those of a retry without a wait do, and no timer is ever due."""
    source = """
from harness.simulate import standstill
standstill.TIMELESS_S, standstill.LOOK_S = 0.5, 0.05
ended = 0
standstill.watch(loop.now, lambda: ended)
while True:
    ended += 1
"""
    code, words = _ends(GEVENT + source)
    assert code == EXIT_USAGE
    assert "virtual time stands still" in words


@pytest.mark.parametrize(
    "source",
    [
        GEVENT + "import gevent; gevent.get_hub().loop.timer(1.0).start(lambda: 1 / 0); gevent.sleep(2)",
        ASYNCIO + "import asyncio; loop.call_later(1.0, lambda: 1 / 0); loop.run_until_complete(asyncio.sleep(2))",
    ],
    ids=["gevent", "asyncio"],
)
def test_an_error_of_the_simulated_world_ends_the_run_with_words(source: str) -> None:
    """What would come after it is no evidence."""
    code, words = _ends(source)
    assert code == EXIT_INTERNAL
    assert "the simulated world failed: ZeroDivisionError" in words


def test_an_error_in_a_greenlet_is_the_clients_own() -> None:
    """A client's background work may fail without ending the run."""
    code, words = _ends(GEVENT + "import gevent; gevent.spawn(lambda: 1 / 0); gevent.sleep(2); print('went on')")
    assert code == 0
    assert "ZeroDivisionError" in words


@pytest.mark.parametrize("runtime", ["asyncio", "gevent"])
def test_what_is_reckoned_before_the_loop_begins_lies_near_its_time(runtime: str) -> None:
    """A deadline taken while modules are imported must not send the loop to the machine's uptime."""
    source = f"""
import json, time
from harness.simulate import {runtime}_loop
{runtime}_loop.patch()
before = time.monotonic()
loop = {runtime}_loop.begin()
print(json.dumps([before, time.monotonic()]))
"""
    before, after = _run(source)
    assert before == after == 1000.0
