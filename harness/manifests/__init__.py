"""Static findings in manifests: Kubernetes, Istio, Linkerd, Consul, held against what KATO reads, serves and needs."""

from __future__ import annotations

from harness.manifests.audit import RULES, audit, audit_command
from harness.manifests.formats import FORMATS
from harness.manifests.linkerd import retry_budget
from harness.manifests.rules import Rule

__all__ = ["FORMATS", "RULES", "Rule", "audit", "audit_command", "retry_budget"]
