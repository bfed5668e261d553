"""Every key of the scenario file has an example that is accepted and one that is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from harness.errors import ScenarioError
from harness.faults import KINDS
from harness.scenario import Scenario, load_scenario
from harness.scenario.faultkeys import COMMON, FaultEntry, Only
from harness.scenario.kinds import Either, ListOf, MapOf, Record, keys_of
from harness.scenario.load import LAYERS
from harness.scenario.policykeys import WHOLE, Part

HEAD = "format: kato-harness/1\n"

# key: what is accepted, what is refused (both laid under the head)
EXAMPLES: dict[str, tuple[str, str]] = {
    "format": ("", "format: kato-harness/2"),
    "question": ("question: Does it hold?", "question: [a]"),
    "extends": ("extends: []", "extends: [./no-such-base.yaml]"),
    "environments": ("environments: {ci: {seed: 2}}", "environments: {ci: {sead: 2}}"),
    "matrix": ("matrix: {workers: [1, 4], seed: [1, 2]}", "matrix: {seed: [one]}"),
    "seed": ("seed: 7", "seed: seven"),
    "workers": ("workers: 4", "workers: 0"),
    "destructive": ("destructive: true", "destructive: yes"),
    "target": ("target: embedded", "target: ftp://kato"),
    "target.url": ("target: {url: http://127.0.0.1:8000}", "target: {url: 127.0.0.1}"),
    "target.profile": ("target: {profile: kato-1w}", "target: {profile: kato-9w}"),
    "target.twin": ("target: {twin: {service: 20ms, workers: parallel}}", "target: {twin: fast}"),
    "target.twin.service": ("target: {twin: {service: 20ms}}", "target: {twin: {service: 20}}"),
    "target.twin.workers": ("target: {twin: {workers: 4}}", "target: {twin: {workers: many}}"),
    "target.env": ("target: {env: {SESSION_TTL: 60}}", "target: {url: 'http://127.0.0.1:80', env: {SESSION_TTL: 60}}"),
    "target.command": ("target: {command: kato, ready: 'http://127.0.0.1:80'}", "target: {command: kato}"),
    "target.ready": (
        "target: {command: kato, ready: 'http://127.0.0.1:{port}/health'}",
        "target: {command: kato, ready: soon}",
    ),
    "target.within": (
        "target: {command: kato, ready: 'http://127.0.0.1:80', within: 90s}",
        "target: {command: kato, ready: 'http://127.0.0.1:80', within: 0s}",
    ),
    "target.headers": ("target: {headers: {authorization: '${env:KATO}'}}", "target: {headers: {a: '${KATO}'}}"),
    "target.tls": ("target: {tls: {ca: ca.pem}}", "target: {tls: ca.pem}"),
    "target.tls.ca": ("target: {tls: {ca: ca.pem}}", "target: {tls: {ca: []}}"),
    "target.tls.cert": ("target: {tls: {cert: client.pem}}", "target: {tls: {cert: {}}}"),
    "target.tls.key": ("target: {tls: {key: client.key}}", "target: {tls: {key: ''}}"),
    "target.footprint": ("target: {footprint: {max_nodes: 5}}", "target: {footprint: small}"),
    "target.footprint.node_prefix": (
        "target: {footprint: {node_prefix: kh-}}",
        "target: {footprint: {node_prefix: a b}}",
    ),
    "target.footprint.max_nodes": ("target: {footprint: {max_nodes: 80}}", "target: {footprint: {max_nodes: 81}}"),
    "target.footprint.cleanup": ("target: {footprint: {cleanup: none}}", "target: {footprint: {cleanup: all}}"),
    "integration": ("integration: reference", "integration: a b"),
    "integration.use": ("integration: {use: 'kato.py:factory'}", "integration: {use: kato.py}"),
    "integration.python": ("integration: {python: .venv/bin/python}", "integration: {python: [python]}"),
    "integration.runtime": ("integration: {runtime: asyncio}", "integration: {runtime: trio}"),
    "integration.inspect": ("integration: {inspect: ['app.kato:breaker']}", "integration: {inspect: breaker}"),
    "integration.scale": ("integration: {scale: 0.1}", "integration: {scale: -1}"),
    "subject": ("subject: {command: 'front --port {port}', ready: 'http://127.0.0.1:{port}/health'}", "subject: front"),
    "subject.command": ("subject: {command: front, ready: 'http://127.0.0.1:80'}", "subject: {command: front}"),
    "subject.ready": ("subject: {command: consume, ready: 'queue:observations'}", "subject: {ready: soon}"),
    "subject.url": ("subject: {url: 'http://127.0.0.1:8080'}", "subject: {url: 'http://127.0.0.1:{port}'}"),
    "subject.within": (
        "subject: {url: 'http://127.0.0.1:8080', within: 5s}",
        "subject: {url: 'http://127.0.0.1:8080', within: 0s}",
    ),
    "subject.env": (
        "subject: {url: 'http://127.0.0.1:8080', env: {LOG_LEVEL: info}}",
        "subject: {url: 'http://127.0.0.1:8080', env: LOG_LEVEL}",
    ),
    "topology": ("topology: {replicas: 3}", "topology: 3"),
    "topology.replicas": ("topology: {replicas: 3}", "topology: {replicas: 0}"),
    "topology.probes": ("topology: {probes: {readiness: /ready}}", "topology: {probes: [/ready]}"),
    "topology.probes.readiness": ("topology: {probes: {readiness: tcp}}", "topology: {probes: {readiness: []}}"),
    "topology.probes.liveness": ("topology: {probes: {liveness: /health}}", "topology: {probes: {liveness: {}}}"),
    "topology.probes.period": ("topology: {probes: {period: 5s}}", "topology: {probes: {period: 5}}"),
    "topology.probes.timeout": ("topology: {probes: {timeout: 2s}}", "topology: {probes: {timeout: 0s}}"),
    "topology.probes.failures": ("topology: {probes: {failures: 3}}", "topology: {probes: {failures: 0}}"),
    "topology.collector": ("topology: {collector: otlp}", "topology: {collector: zipkin}"),
    "topology.discovery": ("topology: {discovery: consul}", "topology: {discovery: zookeeper}"),
    "topology.discovery.kind": ("topology: {discovery: {kind: dns}}", "topology: {discovery: {kind: 3}}"),
    "topology.discovery.address": (
        "topology: {discovery: {kind: consul, address: node}}",
        "topology: {discovery: {kind: dns, address: node}}",
    ),
    "topology.discovery.path": (
        "topology: {discovery: {kind: consul, path: /status}}",
        "topology: {discovery: {kind: consul, path: []}}",
    ),
    "topology.discovery.interval": (
        "topology: {discovery: {kind: consul, interval: 10s}}",
        "topology: {discovery: {kind: consul, interval: 10}}",
    ),
    "topology.discovery.timeout": (
        "topology: {discovery: {kind: consul, timeout: 2s}}",
        "topology: {discovery: {kind: consul, timeout: 0s}}",
    ),
    "topology.discovery.ttl": (
        "topology: {discovery: {kind: dns, ttl: 5s}}",
        "topology: {discovery: {kind: dns, ttl: soon}}",
    ),
    "topology.balance": ("topology: {balance: round_robin}", "topology: {balance: random}"),
    "topology.mesh": ("topology: {mesh: {istio: [vs.yaml]}}", "topology: {mesh: {istoi: [vs.yaml]}}"),
    "topology.broker": ("topology: {broker: rabbitmq}", "topology: {broker: kafka}"),
    "topology.broker.kind": ("topology: {broker: {kind: rabbitmq}}", "topology: {broker: {kind: 3}}"),
    "topology.broker.heartbeat": (
        "topology: {broker: {kind: rabbitmq, heartbeat: 2s}}",
        "topology: {broker: {kind: rabbitmq, heartbeat: 1.5s}}",
    ),
    "topology.broker.queue": (
        "topology: {broker: {kind: rabbitmq, queue: events}}",
        "topology: {broker: {kind: rabbitmq, queue: []}}",
    ),
    "topology.broker.outputs": (
        "topology: {broker: {kind: rabbitmq, outputs: answers}}",
        "topology: {broker: {kind: rabbitmq, outputs: {}}}",
    ),
    "topology.broker.dead": (
        "topology: {broker: {kind: rabbitmq, dead: events.dead}}",
        "topology: {broker: {kind: rabbitmq, dead: []}}",
    ),
    "topology.stores": ("topology: {stores: {redis: auto}}", "topology: {stores: {postgres: auto}}"),
    "topology.stores.proxy": (
        'topology: {stores: {redis: {proxy: "127.0.0.1:16379"}}}',
        "topology: {stores: {redis: {proxy: somewhere}}}",
    ),
    "topology.stores.listen": (
        'topology: {stores: {redis: {listen: "127.0.0.1:16379", upstream: "redis:6379"}}}',
        'topology: {stores: {redis: {listen: "127.0.0.1:16379"}}}',
    ),
    "topology.stores.upstream": (
        'topology: {stores: {redis: {listen: "127.0.0.1:16379", upstream: "redis:6379"}}}',
        'topology: {stores: {redis: {listen: "127.0.0.1:16379", upstream: redis}}}',
    ),
    "load": ("load: {rate: 40/s}", "load: [40/s]"),
    "load.rate": ("load: {rate: [{ramp: 0/s..40/s, over: 10s}, {hold: 40/s, for: 60s}]}", "load: {rate: 40}"),
    "load.users": ("load: {users: 50, think: 500ms}", "load: {users: 50, rate: 40/s}"),
    "load.think": ("load: {users: 5, think: {mean: 500ms}}", "load: {rate: 40/s, think: 500ms}"),
    "load.think.mean": ("load: {users: 5, think: {mean: 500ms}}", "load: {users: 5, think: {mean: 500}}"),
    "load.think.spread": ("load: {users: 5, think: {spread: exponential}}", "load: {users: 5, think: {spread: wide}}"),
    "load.replay": ("load: {replay: arrivals.jsonl}", "load: {replay: arrivals.jsonl, rate: 40/s}"),
    "load.arrivals": ("load: {arrivals: poisson}", "load: {arrivals: uniform}"),
    "load.duration": ("load: {duration: 90s}", "load: {duration: 90s, rate: [{hold: 4/s, for: 5s}]}"),
    "load.sessions": ("load: {sessions: {concurrent: 60}}", "load: {sessions: 60}"),
    "load.sessions.concurrent": ("load: {sessions: {concurrent: 60}}", "load: {sessions: {concurrent: 0}}"),
    "load.sessions.strategy": ("load: {sessions: {strategy: per_call}}", "load: {sessions: {strategy: sticky}}"),
    "load.sessions.events": ("load: {sessions: {events: 12}}", "load: {sessions: {events: 1000}}"),
    "load.sessions.ttl": ("load: {sessions: {ttl: 300s}}", "load: {sessions: {ttl: 300}}"),
    "load.sessions.config": ("load: {sessions: {config: {max_pattern_length: 0}}}", "load: {sessions: {config: 0}}"),
    "load.mix": ("load: {mix: {observe: 6, predict: 3, learn: 1}}", "load: {mix: {observ: 6}}"),
    "load.data": ("load: {data: product_views}", "load: {data: product_view}"),
    "load.data.generator": ("load: {data: {generator: emotives}}", "load: {data: {generator: emotive}}"),
    "load.data.feed": ("load: {data: {feed: views.jsonl}}", "load: {data: {feed: views.jsonl, generator: emotives}}"),
    "load.data.order": (
        "load: {data: {feed: views.jsonl, order: shuffle}}",
        "load: {data: {feed: v.jsonl, order: any}}",
    ),
    "load.users_are": (
        "load: {users_are: [{share: 90%, headers: {x: 'std-{n}'}}, {share: 10%}]}",
        "load: {users_are: [{share: 90%}]}",
    ),
    "load.users_are.share": ("load: {users_are: [{share: 100%}]}", "load: {users_are: [{share: 900}]}"),
    "load.users_are.headers": (
        "load: {users_are: [{share: 1, headers: {a: b}}]}",
        "load: {users_are: [{share: 1, headers: a}]}",
    ),
    "phases": ("phases: {warmup: 5s}", "phases: 5s"),
    "phases.warmup": ("phases: {warmup: 5s}", "phases: {warmup: 5}"),
    "phases.baseline": ("phases: {baseline: {for: 20s, max_for: 30s}}", "phases: {baseline: long}"),
    "phases.recovery": (
        "phases: {recovery: policy.breaker.reset_timeout + 10s}",
        "phases: {recovery: policy.breaker + 10s}",
    ),
    "phases.cooldown": ("phases: {cooldown: 2s}", "phases: {cooldown: 2s + 1}"),
    "steady_state": ("steady_state: [a]\nslos: {a: error_rate < 1% in baseline}", "steady_state: [a]"),
    "faults": ("faults: [{kind: refuse}]", "faults: {kind: refuse}"),
    "faults.name": ("faults: [{name: outage, kind: refuse}]", "faults: [{name: baseline, kind: refuse}]"),
    "faults.kind": ("faults: [{kind: refuse}]", "faults: [{kind: refus}]"),
    "faults.only": ("faults: [{kind: status, only: {op: observe}}]", "faults: [{kind: refuse, only: {op: observe}}]"),
    "faults.only.op": (
        "faults: [{kind: status, only: {op: observe}}]",
        "faults: [{kind: status, only: {op: observes}}]",
    ),
    "faults.only.path": (
        "faults: [{kind: status, only: {path: /sessions/*}}]",
        "faults: [{kind: status, only: {path: []}}]",
    ),
    "faults.only.header": (
        "faults: [{kind: status, only: {header: a=b}}]",
        "faults: [{kind: status, only: {header: {a: b}}}]",
    ),
    "faults.only.instance": (
        "topology: {replicas: 3}\nfaults: [{kind: kill, only: {instance: 2}}]",
        "topology: {replicas: 3}\nfaults: [{kind: kill, only: {instance: 3}}]",
    ),
    "faults.only.part": (
        "topology: {discovery: consul}\nfaults: [{kind: refuse, only: {part: registry}}]",
        "faults: [{kind: refuse, only: {part: registry}}]",
    ),
    "faults.only.nth": ("faults: [{kind: status, only: {nth: 3}}]", "faults: [{kind: status, only: {nth: 0}}]"),
    "faults.only.first": ("faults: [{kind: status, only: {first: 3}}]", "faults: [{kind: status, only: {first: all}}]"),
    "faults.only.every": (
        "faults: [{kind: status, only: {every: 50}}]",
        "faults: [{kind: status, only: {every: 50s}}]",
    ),
    "faults.only.share": (
        "faults: [{kind: status, only: {share: 30%}}]",
        "faults: [{kind: status, only: {share: 130%}}]",
    ),
    "faults.at": ("faults: [{kind: refuse, at: baseline.end + 5s}]", "faults: [{kind: refuse, at: basline.end}]"),
    "faults.for": (
        "faults: [{kind: refuse, for: 3 * policy.breaker.reset_timeout}]",
        "faults: [{kind: refuse, for: 8}]",
    ),
    "faults.max_for": ("faults: [{kind: refuse, max_for: 4m}]", "faults: [{kind: refuse, max_for: 0s}]"),
    "faults.repeat": ("faults: [{kind: refuse, for: 1s, repeat: 5, every: 3s}]", "faults: [{kind: refuse, repeat: 5}]"),
    "faults.every": ("faults: [{kind: refuse, repeat: 2, every: 20s}]", "faults: [{kind: refuse, every: 20s}]"),
    "faults.destructive": ("faults: [{kind: refuse, destructive: true}]", "faults: [{kind: refuse, destructive: 1}]"),
    "policy": ("policy: {timeout: {read: 2s}}", "policy: {file: no-such.policy.yaml}"),
    "policy.timeout": ("policy: {timeout: {connect: 1s}}", "policy: {timeout: 1s}"),
    "policy.retry": ("policy: {retry: {max_attempts: 3}}", "policy: {retry: 3}"),
    "policy.breaker": ("policy: {breaker: {fail_max: 5}}", "policy: {breaker: on}"),
    "policy.fallback": ("policy: {fallback: {marked: true}}", "policy: {fallback: {marked: maybe}}"),
    "policy.sessions": ("policy: {sessions: shared}", "policy: {sessions: one}"),
    "policy.calls": ("policy: {calls: {predict: {timeout: {total: 1s}}}}", "policy: {calls: {forecast: {}}}"),
    "policy.timeout.connect": ("policy: {timeout: {connect: 1s}}", "policy: {timeout: {connect: 1}}"),
    "policy.timeout.read": ("policy: {timeout: {read: 2s}}", "policy: {timeout: {read: forever}}"),
    "policy.timeout.write": ("policy: {timeout: {write: 2s}}", "policy: {timeout: {write: 0s}}"),
    "policy.timeout.pool": ("policy: {timeout: {pool: 2s}}", "policy: {timeout: {pool: 2 s}}"),
    "policy.timeout.total": ("policy: {timeout: {total: 5s}}", "policy: {timeout: {total: -5s}}"),
    "policy.retry.max_attempts": ("policy: {retry: {max_attempts: 3}}", "policy: {retry: {max_attempts: 0}}"),
    "policy.retry.on": ('policy: {retry: {on: [timeout, "503"]}}', "policy: {retry: {on: [timeouts]}}"),
    "policy.retry.calls": ("policy: {retry: {calls: [predict]}}", "policy: {retry: {calls: [forecast]}}"),
    "policy.retry.backoff": ("policy: {retry: {backoff: {initial: 200ms}}}", "policy: {retry: {backoff: 200ms}}"),
    "policy.retry.backoff.initial": (
        "policy: {retry: {backoff: {initial: 0s}}}",
        "policy: {retry: {backoff: {initial: 1}}}",
    ),
    "policy.retry.backoff.multiplier": (
        "policy: {retry: {backoff: {multiplier: 2}}}",
        "policy: {retry: {backoff: {multiplier: 2x}}}",
    ),
    "policy.retry.backoff.max": ("policy: {retry: {backoff: {max: 2s}}}", "policy: {retry: {backoff: {max: two}}}"),
    "policy.retry.backoff.jitter": (
        "policy: {retry: {backoff: {jitter: full}}}",
        "policy: {retry: {backoff: {jitter: half}}}",
    ),
    "policy.retry.retry_after": ("policy: {retry: {retry_after: honour}}", "policy: {retry: {retry_after: true}}"),
    "policy.retry.budget": ("policy: {retry: {budget: {ratio: 0.2}}}", "policy: {retry: {budget: 0.2}}"),
    "policy.retry.budget.ratio": ("policy: {retry: {budget: {ratio: 0.2}}}", "policy: {retry: {budget: {ratio: low}}}"),
    "policy.retry.budget.min_per_second": (
        "policy: {retry: {budget: {min_per_second: 10}}}",
        "policy: {retry: {budget: {min_per_second: 10/s}}}",
    ),
    "policy.retry.reraise": ("policy: {retry: {reraise: true}}", "policy: {retry: {reraise: 1}}"),
    "policy.breaker.fail_max": ("policy: {breaker: {fail_max: 5}}", "policy: {breaker: {fail_max: 5s}}"),
    "policy.breaker.reset_timeout": (
        "policy: {breaker: {reset_timeout: 60s}}",
        "policy: {breaker: {reset_timeout: 60}}",
    ),
    "policy.breaker.counts": ("policy: {breaker: {counts: [5xx]}}", "policy: {breaker: {counts: 5xx}}"),
    "policy.breaker.half_open_trials": (
        "policy: {breaker: {half_open_trials: 1}}",
        "policy: {breaker: {half_open_trials: 0}}",
    ),
    "policy.breaker.success_threshold": (
        "policy: {breaker: {success_threshold: 2}}",
        "policy: {breaker: {success_threshold: all}}",
    ),
    "policy.breaker.failure_ratio": (
        "policy: {breaker: {failure_ratio: 50%}}",
        "policy: {breaker: {failure_ratio: 50}}",
    ),
    "policy.breaker.window": ("policy: {breaker: {window: 10s}}", "policy: {breaker: {window: 10}}"),
    "policy.breaker.min_calls": ("policy: {breaker: {min_calls: 10}}", "policy: {breaker: {min_calls: few}}"),
    "policy.fallback.marked": ("policy: {fallback: {marked: false}}", "policy: {fallback: {marked: null}}"),
    "slos": ("slos: {a: p(95) < 50ms}", "slos: [p(95) < 50ms]"),
    "slos.expr": ("slos: {a: {expr: p(95) < 50ms}}", "slos: {a: {expr: p95 < 50}}"),
    "slos.severity": ("slos: {a: {expr: p(95) < 50ms, severity: warn}}", "slos: {a: {expr: lost == 0, severity: low}}"),
    "laws": ("laws: {watch: [M2]}", "laws: [M2]"),
    "laws.require": ("laws: {require: [B3, D2]}", "laws: {require: all}"),
    "laws.watch": ("laws: {watch: [M2]}", "laws: {watch: M2}"),
    "laws.skip": ("laws: {skip: {B10: hosts run NTP}}", "laws: {skip: {X1: slow}}"),
    "known": ("known: [{law: D2, reason: r, until: 2027-02-01}]", "known: {law: D2}"),
    "known.law": (
        "known: [{law: D2, reason: r, until: 2027-02-01}]",
        "known: [{law: X3, reason: r, until: 2027-02-01}]",
    ),
    "known.where": (
        "faults: [{kind: refuse}]\nknown: [{law: D2, where: {fault: refuse}, reason: r, until: 2027-02-01}]",
        "known: [{law: D2, where: {fault: nothing}, reason: r, until: 2027-02-01}]",
    ),
    "known.at_most": (
        "known: [{law: D2, at_most: 3 per 1000, reason: r, until: 2027-02-01}]",
        "known: [{law: D2, at_most: three, reason: r, until: 2027-02-01}]",
    ),
    "known.reason": ("known: [{law: D2, reason: r, until: 2027-02-01}]", "known: [{law: D2, until: 2027-02-01}]"),
    "known.issue": (
        "known: [{law: D2, reason: r, issue: C-1, until: 2027-02-01}]",
        "known: [{law: D2, reason: r, issue: [], until: 2027-02-01}]",
    ),
    "known.owner": (
        "known: [{law: D2, reason: r, owner: ana, until: 2027-02-01}]",
        "known: [{law: D2, reason: r, owner: {}, until: 2027-02-01}]",
    ),
    "known.until": ("known: [{law: D2, reason: r, until: 2027-02-01}]", "known: [{law: D2, reason: r, until: soon}]"),
    "guards": ("guards: {max_rate: 60/s}", "guards: none"),
    "guards.allow_target": ("guards: {allow_target: [kato.internal]}", "guards: {allow_target: kato.internal}"),
    "guards.max_rate": ("guards: {max_rate: 60/s}", "guards: {max_rate: 60}"),
    "guards.max_calls": ("guards: {max_calls: 50000}", "guards: {max_calls: 0}"),
    "guards.max_duration": ("guards: {max_duration: 15m}", "guards: {max_duration: 15}"),
    "guards.abort_if": ("guards: {abort_if: [error_rate > 50% over 10s]}", "guards: {abort_if: [error_rate > 50%]}"),
}

# by type of a fault kind's parameter: what is accepted, what is refused
BY_TYPE = {
    "duration": ("0.5 * policy.timeout.read", "5"),
    "bytes": ("64KiB", "64 pounds"),
    "int": ("500", "several"),
    "number": ("10", "ten"),
    "text": ("some words", "[]"),
    "steps": ('["cut*4", "status:503"]', "[cut by 4]"),
    "retry_after": ("{date: 2}", "{day: 2}"),
}


def _keys(record: type, prefix: str) -> Iterator[str]:
    for word, entry in keys_of(record).items():
        yield prefix + word
        yield from _inner(entry.kind, f"{prefix}{word}.")


def _inner(kind: Any, prefix: str) -> Iterator[str]:
    if isinstance(kind, Record):
        if kind.type.__name__ != "Length":
            yield from _keys(kind.type, prefix)
    elif isinstance(kind, (ListOf, MapOf)):
        yield from _inner(kind.item, prefix)
    elif isinstance(kind, Either):
        for each in (kind.scalar, kind.list, kind.map):
            yield from _inner(each, prefix)
    elif isinstance(kind, FaultEntry):
        yield from (prefix + word for word in COMMON)
        yield from _keys(Only, f"{prefix}only.")
    elif isinstance(kind, Part) and prefix.count(".calls.") == 0:
        for word, inner in kind.keys.items():
            yield prefix + word
            yield from _inner(inner, f"{prefix}{word}.")


def _load(text: str) -> Scenario:
    head = "" if text.startswith("format:") else HEAD
    return load_scenario("case.yaml", text=head + text)


def test_every_key_has_its_examples() -> None:
    """The table above names exactly the keys that exist."""
    known = {*LAYERS, *_keys(Scenario, ""), *_inner(WHOLE, "policy.")}
    assert known == set(EXAMPLES)


@pytest.mark.parametrize("key", EXAMPLES)
def test_a_key_is_accepted(key: str) -> None:
    """The accepted example loads."""
    assert _load(EXAMPLES[key][0]).format == "kato-harness/1"


@pytest.mark.parametrize("key", EXAMPLES)
def test_a_key_is_refused(key: str) -> None:
    """The refused example names a place in the file and a cure."""
    with pytest.raises(ScenarioError) as caught:
        _load(EXAMPLES[key][1])
    for problem in caught.value.problems:
        assert problem.file == "case.yaml"
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.what
        assert problem.cure


def _entry(kind: str, name: str, value: str) -> str:
    """A fault of that kind with `name` as given and every other required parameter as accepted."""
    params = {param.name: _accepted(param) for param in KINDS[kind].params if param.required}
    written = ", ".join(f"{word}: {text}" for word, text in {**params, name: value}.items())
    return f"faults: [{{kind: {kind}, {written}}}]"


def _accepted(param: Any) -> str:
    return str(param.choices[0]) if param.type == "choice" else BY_TYPE[param.type][0]


PARAMS = [(kind.name, param.name) for kind in KINDS.values() for param in kind.params]


@pytest.mark.parametrize(("kind", "name"), PARAMS)
def test_a_parameter_of_a_fault_is_accepted_and_refused(kind: str, name: str) -> None:
    """Each parameter of each kind takes its unit and refuses another."""
    param = next(each for each in KINDS[kind].params if each.name == name)
    assert _load(_entry(kind, name, _accepted(param))).faults[0].params[name] is not None
    with pytest.raises(ScenarioError):
        _load(_entry(kind, name, "nonsense" if param.type == "choice" else BY_TYPE[param.type][1]))


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_parameter_is_refused_with_the_known_ones(kind: str) -> None:
    """A typo in a parameter is never a fault that does nothing."""
    with pytest.raises(ScenarioError, match="unknown key 'latencyy'"):
        _load(_entry(kind, "latencyy", "1s"))
