"""`deploy`: Kubernetes manifests that put witness and Toxiproxy before a KATO Service and its stores."""

from __future__ import annotations

import sys

import click


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True))
@click.option("--print", "printing", is_flag=True, required=True, help="Print them; nothing is ever applied from here.")
@click.option("--remove", is_flag=True, help="Print the script that undoes it instead.")
@click.option("--service", default="kato", show_default=True, help="KATO's Service.")
@click.option(
    "--store", "stores", multiple=True, metavar="redis|clickhouse|qdrant[=SERVICE]", help="Default: all three."
)
@click.option("--no-stores", is_flag=True, help="Leave the stores alone.")
@click.option("--namespace", help="Default: that of KATO's Service in PATHS, else default.")
@click.option("--image", default="kato-harness:0.1.0", show_default=True, help="The harness's image.")
def deploy(paths: tuple[str, ...], printing: bool, remove: bool, service: str, stores: tuple[str, ...],
           no_stores: bool, namespace: str | None, image: str) -> int:  # fmt: skip
    """Print what `kubectl apply -f -` takes.

    Selectors and ports of the Services come from PATHS, your manifests; without, they select app=NAME at usual ports.
    """
    from harness.errors import UsageError
    from harness.manifests.front import STORES, Front, behind, dump
    from harness.mesh import documents_of

    given = [document.plain() for document in documents_of(paths)] if paths else []
    plain = [document for document in given if isinstance(document, dict)]
    found = [behind(service, plain, (8000,))]
    for asked in () if no_stores else stores or STORES:
        store, _, name = asked.partition("=")
        if store not in STORES:
            raise UsageError(f"KATO has no store {store!r}", f"name one of {', '.join(STORES)}")
        found.append(behind(name or store, plain, STORES[store]))
    if paths:
        for assumed in (service for service in found if not service.original):
            ports = " and ".join(map(str, assumed.ports))
            click.echo(f"no Service {assumed.name} in PATHS: app={assumed.name} at {ports} is assumed", err=True)
    own = found[0].original.get("metadata", {}).get("namespace")
    front = Front(tuple(found), namespace or own or "default", image)
    sys.stdout.write(front.removal() if remove else dump(front.added()))
    return 0
