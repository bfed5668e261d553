"""Client code without running it: each rule finds its defect in a few lines, and is silent on the corrected ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.verbs import kato_harness
from harness.manifests import audit_command
from harness.manifests.audit import audit
from harness.manifests.source import read_source
from harness.mesh.nodes import ManifestError

BREAKER = "import httpx\nfrom pybreaker import CircuitBreaker\n"
RETRY = "import httpx\nfrom tenacity import *\nimport tenacity\n"
CASES = {
    "B1/unknown-argument": (
        BREAKER + "b = CircuitBreaker(fail_max=5, timeout_duration=60)\n",
        BREAKER + "b = CircuitBreaker(fail_max=5, reset_timeout=60)\n",
    ),
    "B3/status-excluded": (
        BREAKER + "b = CircuitBreaker(exclude=[httpx.HTTPStatusError])\n",
        BREAKER + "b = CircuitBreaker(exclude=[lambda e: e.response.status_code < 500])\n",
    ),
    "B9/async-under-sync": (
        BREAKER + "b = CircuitBreaker()\n@b\nasync def observe(): ...\n",
        "import aiobreaker\nb = aiobreaker.CircuitBreaker()\n@b\nasync def observe(): ...\n",
    ),
    "B9/async-called": (
        BREAKER + "b = CircuitBreaker()\nasync def send(): ...\ndef observe(): return b.call(send)\n",
        BREAKER + "b = CircuitBreaker()\ndef send(): ...\ndef observe(): return b.call(send)\n",
    ),
    "R2/retries-anything": (
        "import httpx, tenacity\n@tenacity.retry(reraise=True)\ndef read(): ...\n",
        (
            "import httpx, tenacity\n@tenacity.retry(reraise=True, retry=tenacity.retry_if_exception_type("
            "httpx.TransportError))\ndef read(): ...\n"
        ),
    ),
    "R2/retries-refusals": (
        "from urllib3.util import Retry\nr = Retry(3, status_forcelist=range(400, 600))\n",
        "from urllib3.util import Retry\nr = Retry(3, status_forcelist=[429, 502, 503, 504])\n",
    ),
    "R8/posts-again": (
        "from urllib3.util import Retry\nr = Retry(3, allowed_methods=None)\n",
        "from urllib3.util import Retry\nr = Retry(3, allowed_methods=None, read=0)\n",
    ),
    "R5/deaf": (
        "from urllib3.util import Retry\nr = Retry(3, status_forcelist=[503], respect_retry_after_header=False)\n",
        "from urllib3.util import Retry\nr = Retry(3, status_forcelist=[503])\n",
    ),
    "B8/lock-held": (
        BREAKER + "b = CircuitBreaker()\n@b\ndef observe(): ...\n",
        "def observe(): ...\n",
    ),
    "R9/no-reraise": (
        "import tenacity\n@tenacity.retry(stop=tenacity.stop_after_attempt(3))\ndef read(): ...\n",
        "import tenacity\n@tenacity.retry(stop=tenacity.stop_after_attempt(3), reraise=True)\ndef read(): ...\n",
    ),
    "R4/no-jitter": (
        "import tenacity as t\n@t.retry(wait=t.wait_fixed(2), reraise=True)\ndef read(): ...\n",
        "import tenacity as t\n@t.retry(wait=t.wait_fixed(2) + t.wait_random(0, 1), reraise=True)\ndef read(): ...\n",
    ),
    "R3/unreachable-max": (
        (
            "from tenacity import retry, stop_after_attempt, wait_exponential\n"
            "@retry(stop=stop_after_attempt(3), wait=wait_exponential(multiplier=1, min=2, max=10))\ndef read(): ...\n"
        ),
        (
            "from tenacity import retry, stop_after_attempt, wait_exponential\n"
            "@retry(stop=stop_after_attempt(9), wait=wait_exponential(multiplier=1, min=2, max=10))\ndef read(): ...\n"
        ),
    ),
    "R8/writes-again": (
        (
            "import httpx\nfrom tenacity import retry, retry_if_exception_type\n"
            "@retry(retry=retry_if_exception_type(httpx.RequestError))\ndef make(c):\n    return c.post('/sessions')\n"
        ),
        (
            "import httpx\nfrom tenacity import retry, retry_if_exception_type\n"
            "@retry(retry=retry_if_exception_type(httpx.ConnectError))\ndef make(c):\n    return c.post('/sessions')\n"
        ),
    ),
    "R10/retry-around-breaker": (
        BREAKER + "import tenacity\nb = CircuitBreaker()\n@tenacity.retry(reraise=True)\n@b\ndef read(): ...\n",
        BREAKER + "import tenacity\nb = CircuitBreaker()\n@b\n@tenacity.retry(reraise=True)\ndef read(): ...\n",
    ),
    "T1/no-timeout": (
        (
            "import requests\nclass A:\n    def __init__(self):\n        self.s = requests.Session()\n"
            "    def read(self):\n        return self.s.get('/')\n"
        ),
        (
            "import requests\nclass A:\n    def __init__(self):\n        self.s = requests.Session()\n"
            "    def read(self):\n        return self.s.get('/', timeout=5)\n"
        ),
    ),
    "T2/no-total": ("import httpx\nc = httpx.Client()\n", "import httpx\nc = httpx.Client(timeout=2)\n"),
    "F3/masks": (
        "try:\n    pass\nexcept Exception:\n    def f():\n        return {'status': 'error'}\n",
        "try:\n    pass\nexcept ValueError:\n    def f():\n        return {'status': 'error'}\n",
    ),
    "F2/status-ignored": (
        "import requests\ndef track():\n    requests.post('/', timeout=1)\n    return True\n",
        "import requests\ndef track():\n    requests.post('/', timeout=1).raise_for_status()\n    return True\n",
    ),
    "D6/made-up-session": (
        "def track(c, user):\n    session_id = f'user-{user}'\n    return c.post(f'/sessions/{session_id}/observe')\n",
        "def track(c, user):\n    session_id = c.post('/sessions')\n    c.post(f'/sessions/{session_id}/observe')\n",
    ),
    "P2/never-closed": (
        "import httpx\nclass A:\n    def __init__(self):\n        self.c = httpx.Client(timeout=1)\n",
        (
            "import httpx\nclass A:\n    def __init__(self):\n        self.c = httpx.Client(timeout=1)\n"
            "    def close(self):\n        self.c.close()\n"
        ),
    ),
    "S2/first-instance": ("url = instances[0]\n", "url = random.choice(instances)\n"),
    "Q3/requeue": (
        "def take(ch):\n    try:\n        pass\n    except Exception:\n        ch.basic_nack(requeue=True)\n",
        "def take(ch):\n    try:\n        pass\n    except Exception:\n        ch.basic_nack(requeue=False)\n",
    ),
    "Q3/not-imported": ("requests.get('/', timeout=1)\n", "import requests\nrequests.get('/', timeout=1)\n"),
}


def rules_of(text: str, folder: Path) -> set[str]:
    """The rules that one source breaks."""
    file = folder / "client.py"
    file.write_text(text)
    return {finding.rule for finding in audit([file])}


@pytest.mark.parametrize("rule", CASES)
def test_a_defect_is_named_and_its_correction_is_not(rule: str, tmp_path: Path) -> None:
    """One line's difference decides."""
    defect, corrected = CASES[rule]
    assert rule in rules_of(defect, tmp_path)
    assert rule not in rules_of(corrected, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "import requests\ns = requests.Session()\ns.request = partial(s.request, timeout=5)\ns.get('/')\n",
        "import requests\ns = requests.Session()\ns.mount('http://', TimeoutAdapter(5))\ns.get('/')\n",
        "import requests\nrequests.get('/', **options)\n",
        "import requests\nseen = {}\nseen.get('/')\n",
    ],
)
def test_a_timeout_that_is_given_elsewhere_is_no_finding(text: str, tmp_path: Path) -> None:
    """An adapter, a replaced method or spread arguments may carry it."""
    assert "T1/no-timeout" not in rules_of(text, tmp_path)


@pytest.mark.parametrize(("given", "found"), [("timeout=left, **k", False), ("**k", True)])
def test_a_client_whose_every_request_says_its_timeout_needs_none_of_its_own(
    given: str, found: bool, tmp_path: Path
) -> None:
    """What is left of a deadline, for instance; what may be among further arguments nobody knows."""
    text = f"import httpx\nc = httpx.Client()\ndef read(left, **k):\n    return c.request('GET', '/', {given})\n"
    assert ("T2/no-total" in rules_of(text, tmp_path)) is found


@pytest.mark.parametrize(
    "text",
    [
        "import urllib3\npool = urllib3.PoolManager()\npool.request('GET', '/')\n",
        "import aiohttp\ntimeout = aiohttp.ClientTimeout(total=None)\n",
        "import requests\nurl, s = '/', requests.Session()\ns.get(url)\n",
    ],
)
def test_a_library_that_waits_for_ever_is_named(text: str, tmp_path: Path) -> None:
    """urllib3 without a time-out, aiohttp with all of them off, a session that was made beside something else."""
    assert "T1/no-timeout" in rules_of(text, tmp_path)


@pytest.mark.parametrize(
    "body",
    [
        "return checked(self.c.post('/'))",
        "r = self.c.post('/')\n        return checked(r)",
        "r = self.c.post('/')\n        return r",
    ],
)
def test_an_answer_that_is_handed_on_may_be_looked_at_there(body: str, tmp_path: Path) -> None:
    """Only one that nobody gets passes for success."""
    head = "import httpx\nclass A:\n    def __init__(self):\n        self.c = httpx.Client(timeout=1)\n"
    text = head + f"    def observe(self):\n        {body}\n"
    assert "F2/status-ignored" not in rules_of(text, tmp_path)
    assert "F2/status-ignored" in rules_of(head + "    def observe(self):\n        self.c.post('/')\n", tmp_path)


@pytest.mark.parametrize(("head", "found"), [
    ("@stamina.retry(on=httpx.HTTPError)", True), ("@stamina.retry(on=httpx.ConnectError)", False),
    ("@stamina.retry(on=refused)", False), ("@backoff.on_exception(backoff.expo, Exception)", True),
    ("@backoff.on_exception(backoff.expo, httpx.ConnectError)", False), ("@tenacity.retry", True),
    ("@tenacity.retry(retry=tenacity.retry_if_exception_type())", True),
    ("@tenacity.retry(retry=tenacity.retry_if_exception_type(exception_types=httpx.ConnectError))", False),
    ("@tenacity.retry(retry=tenacity.retry_if_exception(lambda e: refused(e)))", False),
])  # fmt: skip
@pytest.mark.parametrize("send", ["c.post('/')", "c.request('POST', '/')", "send(method='POST', path='/')"])
def test_a_write_is_told_by_its_method_and_a_retry_by_what_it_names(
    head: str, found: bool, send: str, tmp_path: Path
) -> None:
    """Of tenacity, stamina and backoff; what only running it would tell is no finding."""
    text = f"import backoff, httpx, stamina, tenacity\n{head}\ndef make(c):\n    return {send}\n"
    assert ("R8/writes-again" in rules_of(text, tmp_path)) is found
    assert "R8/writes-again" not in rules_of(text.replace("POST", "GET").replace("post", "get"), tmp_path)


def test_what_a_callback_gives_in_the_end_is_no_retry_error(tmp_path: Path) -> None:
    """tenacity raises none then."""
    text = "import tenacity\n@tenacity.retry(retry_error_callback=last)\ndef read(): ...\n"
    assert "R9/no-reraise" not in rules_of(text, tmp_path)


def test_a_file_that_is_no_python_is_a_finding_with_its_line(tmp_path: Path) -> None:
    """Never a traceback."""
    file = tmp_path / "client.py"
    file.write_text("x = 1\ndef (:\n")
    assert [finding.where for finding in audit([file])] == [f"{file}:2:5"]
    with pytest.raises(ManifestError):
        read_source("\0", "client.py")


def test_the_command_fails_on_a_gate_rule(tmp_path: Path) -> None:
    """Exit 1 with place, reason and cure; SARIF names the rule."""
    file = tmp_path / "client.py"
    file.write_text(CASES["B1/unknown-argument"][0])
    done = CliRunner().invoke(kato_harness, ["audit", str(file)], standalone_mode=False)
    assert done.return_value == 1
    assert f"{file}:3:32: error" in done.output and "timeout_duration" in done.output
    assert "B1/unknown-argument" in audit_command([str(file)], "sarif")[0]
