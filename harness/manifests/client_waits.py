"""Client code without running it: missing time-outs, masked errors, ignored answers, clients that nobody closes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from harness.manifests.client_code import of_sources
from harness.manifests.rules import Remark, Rule
from harness.manifests.source import FunctionNode, Made, Source, plain

VERBS = ("get", "post", "put", "patch", "delete", "head", "options", "request")
CLIENTS = ("httpx.Client", "httpx.AsyncClient", "requests.Session", "requests.session", "aiohttp.ClientSession")
LOOKS = ("raise_for_status", "status_code", "status", "ok", "is_success", "is_error", "reason_phrase")
KNOWN = ("requests", "httpx", "aiohttp", "tenacity", "pybreaker", "json", "time", "asyncio")


def _no_timeout(source: Source) -> Iterator[Remark]:
    cure = "give every call a time-out: timeout=(1, 5)"
    sessions = ("requests.Session()", "requests.session()")
    own = any(made.name.endswith("().mount") and _is_own_adapter(made.call) for made in source.made)
    own |= any(isinstance(node, ast.Attribute) and _replaces_request(node) for node in ast.walk(source.tree))
    for made in source.made:
        owner, _, verb = made.name.rpartition(".")
        if verb not in VERBS or made.spread or made.argument("timeout") is not None:
            continue
        if owner == "requests" or (owner in sessions and not own):
            yield Remark(
                source.where(made.call), "requests waits for ever without `timeout=`: a silent peer holds it", cure
            )
    pooled = any(made.spread or made.argument("timeout") for made in source.of_name("urllib3.PoolManager"))
    for made in source.made:
        given = made.argument("timeout")
        off = isinstance(given, ast.Constant) and given.value is None
        if made.name.startswith("httpx.") and off:
            yield Remark(source.where(made.call), "timeout=None switches httpx's time-outs off", cure)
        if made.name == "aiohttp.ClientTimeout" and _bounds_nothing(made):
            yield Remark(source.where(made.call), "ClientTimeout(total=None) alone bounds nothing", cure)
        if made.name == "urllib3.PoolManager().request" and given is None and not pooled and not made.spread:
            yield Remark(source.where(made.call), "urllib3 waits for ever without `timeout=`", cure)
        if made.name == "urllib.request.urlopen" and given is None and len(made.call.args) < 3:
            yield Remark(source.where(made.call), "urlopen waits for ever without `timeout=`", "add timeout=5")


def _bounds_nothing(made: Made) -> bool:
    total, read = made.argument("total"), made.argument("sock_read")
    return isinstance(total, ast.Constant) and total.value is None and read is None and not made.spread


def _replaces_request(node: ast.Attribute) -> bool:
    """`session.request = functools.partial(session.request, timeout=5)` and its like."""
    return isinstance(node.ctx, ast.Store) and node.attr in ("request", "send")


def _is_own_adapter(call: ast.Call) -> bool:
    """Whether an adapter of the client's own is mounted: it may well carry a time-out."""
    adapter = call.args[1] if len(call.args) > 1 else None
    named = adapter.func if isinstance(adapter, ast.Call) else adapter
    return plain(named).rpartition(".")[2] != "HTTPAdapter" if named is not None else False


def _only_defaults(source: Source) -> Iterator[Remark]:
    for made in source.of_name("httpx.Client", "httpx.AsyncClient"):
        verbs = (*VERBS, "stream", "build_request")
        sent = [each for each in source.made if each.name in [f"{made.name}().{verb}" for verb in verbs]]
        told = sent and all(each.argument("timeout") is not None for each in sent)
        if made.argument("timeout") is None and not made.spread and not told:
            why = "httpx's own 5 s are for each step and each chunk: nothing bounds the whole call"
            yield Remark(source.where(made.call), why, "say timeout= yourself, and put a deadline over the call")


def _masks(source: Source) -> Iterator[Remark]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _raises(node):
            returned = [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
            if any(isinstance(value, (ast.Dict, ast.List)) for value in returned):
                why = "every exception becomes an answer here: KATO's 4xx and bugs of the client are never seen"
                yield Remark(source.where(node), why, "catch what means that KATO is unwell, and mark the substitute")


def _is_broad(kind: ast.expr | None) -> bool:
    return kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException"))


def _raises(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Raise) for each in ast.walk(node))


def _requeues(source: Source) -> Iterator[Remark]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type):
            for call in (each for each in ast.walk(node) if isinstance(each, ast.Call)):
                again = next((word.value for word in call.keywords if word.arg == "requeue"), None)
                nack = isinstance(call.func, ast.Attribute) and call.func.attr in ("basic_nack", "nack", "reject")
                if nack and isinstance(again, ast.Constant) and again.value is True:
                    why = "whatever went wrong is delivered again at once and for ever: bad JSON, a 404, a NameError"
                    yield Remark(
                        source.where(call), why, "requeue=False into a dead-letter queue after some deliveries"
                    )


def _status_ignored(source: Source) -> Iterator[Remark]:
    hooked = any("event_hooks" in ast.dump(made.call) or made.argument("raise_for_status") for made in source.made)
    for function in source.functions() if not hooked else ():
        looked = {node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute)} & set(LOOKS)
        sent = [made for made in source.made if made.inside is function and _is_write(made.name)]
        if sent and not looked and not _handed_on(function, sent[0].call):
            why = f"`{function.name}` never looks at the status of its POST: 404 and 500 pass for success"
            yield Remark(source.where(sent[0].call), why, "response.raise_for_status()")


def _is_write(name: str) -> bool:
    owner, _, verb = name.rpartition(".")
    return verb in ("post", "put", "patch") and owner.replace("()", "") in (*CLIENTS, "requests", "httpx")


def _handed_on(function: FunctionNode, call: ast.Call) -> bool:
    """Whether the answer itself is returned, or given to some function: somebody else may look."""
    nodes = list(ast.walk(function))
    answers = [call, *(node for node in nodes if isinstance(node, ast.Await) and node.value is call)]
    kept = {
        plain(name) for node in nodes if isinstance(node, ast.Assign) and node.value in answers for name in node.targets
    }
    passed = [node.value for node in nodes if isinstance(node, ast.Return)]
    passed += [value for node in nodes if isinstance(node, ast.Call) for value in _arguments(node)]
    return any(value in answers or (isinstance(value, ast.Name) and value.id in kept) for value in passed)


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(word.value for word in call.keywords)]


def _made_up_session(source: Source) -> Iterator[Remark]:
    text = [node.value for node in ast.walk(source.tree) if isinstance(node, ast.Constant)]
    creates = any(isinstance(value, str) and value.endswith("/sessions") for value in text)
    uses = any(isinstance(value, str) and "/sessions/" in value for value in text)
    for node in ast.walk(source.tree):
        if creates or not uses or not isinstance(node, ast.Assign) or not isinstance(node.value, ast.JoinedStr):
            continue
        names = [plain(target) for target in node.targets]
        if any("session" in name for name in names):
            why = f"`{names[0]}` is made up here and nobody creates it: KATO answers 404 to every call"
            yield Remark(source.where(node), why, "POST /sessions once a user, and keep the id that it answers")


def _never_closed(source: Source) -> Iterator[Remark]:
    """A class with a base may inherit its close()."""
    for kind in (node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)):
        names = {node.name for node in ast.walk(kind) if isinstance(node, FunctionNode)}
        if kind.bases or names & {"close", "aclose", "__exit__", "__aexit__", "shutdown", "stop", "__del__"}:
            continue
        for node in ast.walk(kind):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                name = plain(node.targets[0])
                if name.startswith("self.") and source.name_of(node.value.func) in CLIENTS:
                    why = f"`{kind.name}` makes a client and has no close(): its connections stay open"
                    yield Remark(source.where(node), why, "close the client with whoever made it")


def _first_instance(source: Source) -> Iterator[Remark]:
    for node in ast.walk(source.tree):
        if not (isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value == 0):
            continue
        if plain(node.value).rpartition(".")[2] in ("instances", "services", "endpoints", "hosts"):
            why = f"`{plain(node.value)}[0]` sends everything to one instance"
            yield Remark(source.where(node), why, "take turns, or choose at random")


def _not_imported(source: Source) -> Iterator[Remark]:
    names = [node for node in ast.walk(source.tree) if isinstance(node, ast.Name)]
    bound = set(source.imports) | {node.id for node in names if isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in ast.walk(source.tree) if isinstance(node, ast.arg)}
    seen: set[str] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = node.value.id
            if name in KNOWN and name not in bound and name not in seen:
                seen.add(name)
                why = f"`{name}` is used and never imported: NameError at the first call"
                yield Remark(source.where(node), why, f"import {name}")


RULES: tuple[Rule, ...] = (
    of_sources("T1/no-timeout", "a call has no time-out", "gate", _no_timeout),
    of_sources("T2/no-total", "nothing bounds a whole call", "info", _only_defaults),
    of_sources("F3/masks", "every exception becomes an answer", "gate", _masks),
    of_sources("F2/status-ignored", "nobody looks at the status of a write", "gate", _status_ignored),
    of_sources("D6/made-up-session", "a session is used that nobody creates", "gate", _made_up_session),
    of_sources("P2/never-closed", "a client is made and never closed", "warn", _never_closed),
    of_sources("S2/first-instance", "one instance gets everything", "warn", _first_instance),
    of_sources("Q3/requeue", "a message that fails comes back for ever", "gate", _requeues),
    of_sources("Q3/not-imported", "a name that is never imported", "gate", _not_imported),
)
"""What is said of waits, answers and resources in client code."""
