"""A run as OTLP and as Prometheus text, read back by the protocols' own parsers."""

from __future__ import annotations

import re

from report_runs import demo_run

from harness.laws.judge import judge_run
from harness.otlp.decode import parse, rows_of
from harness.report import FORMATS

RUN = demo_run(rate=5.0)
JUDGED = judge_run(RUN)
SAMPLE = re.compile(r'[a-z_]+\{([a-z_]+="(\\.|[^"\\])*",?)*\} -?[0-9.e+]+(inf)?')


def test_otlp_holds_the_run_its_phases_and_its_faults() -> None:
    """As spans of one trace that OTLP's own parser reads, the same whenever they are drawn."""
    text = FORMATS["otlp"].render(RUN, JUDGED)
    assert text == FORMATS["otlp"].render(RUN, JUDGED)
    spans = list(rows_of(parse(text.splitlines()[0], json_encoded=True), 0))
    assert len({span["trace"] for span in spans}) == 1
    faults = [row["name"] for row in RUN.history.faults.rows()]
    expected = [*(f"phase {phase.name}" for phase in RUN.history.phases), *(f"fault {name}" for name in faults)]
    root, *below = spans
    assert [span["name"] for span in below] == expected
    assert {span["parent"] for span in below} == {root["span"]}
    assert root["status"] == ("error" if JUDGED.exit_code else "unset")
    assert all(span["end_wall_ns"] >= span["start_wall_ns"] for span in spans)


def test_otlp_metrics_hold_every_verdict() -> None:
    """The second line is a MetricsData."""
    from google.protobuf.json_format import Parse
    from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData

    message = Parse(FORMATS["otlp"].render(RUN, JUDGED).splitlines()[1], MetricsData())
    metrics = {metric.name: metric for metric in message.resource_metrics[0].scope_metrics[0].metrics}
    points = metrics["kato.harness.verdict"].gauge.data_points
    laws = {pair.value.string_value for point in points for pair in point.attributes if pair.key == "law"}
    assert laws == {verdict.law for verdict in JUDGED.verdicts}


def test_prometheus_text_is_well_formed_and_has_every_verdict_and_fault() -> None:
    text = FORMATS["prometheus"].render(RUN, JUDGED).decode()
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert [line for line in samples if not SAMPLE.fullmatch(line)] == []
    held = {verdict.law: verdict.status for verdict in JUDGED.verdicts}
    for law, status in held.items():
        assert any(f'law="{law}"' in line and f'status="{status}"' in line and line.endswith(" 1") for line in samples)
    assert all(f'fault="{row["name"]}"' in text for row in RUN.history.faults.rows())
