"""One way to map work, in order, over this process, local processes or a running Dask cluster: the same results.

Dask's local cluster listens on the loopback interface only, with TLS between its processes (a key made for the run),
and without dashboard: Dask always opens its HTTP port, but nothing is served there.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from kuntur.errors import ConfigError, LinkError

if TYPE_CHECKING:
    from distributed import Client

Shared = TypeVar("Shared")
Argument = TypeVar("Argument")
Result = TypeVar("Result")
ANSWER_S = 20
"""How long a scheduler may take to answer, and to have a worker; chosen."""


class Cluster(Struct, frozen=True, kw_only=True):
    """Where work runs: on `threads` of this process; or in `workers` processes beside it; or at a Dask `scheduler`."""

    threads: int = 2
    workers: int = 0
    scheduler: str = ""


HERE = Cluster()


def mapped(
    function: Callable[[Shared, Argument], Result],
    shared: Shared,
    arguments: Iterable[Argument],
    cluster: Cluster = HERE,
) -> Generator[Result, None, None]:
    """`function(shared, argument)` for each argument, in order, a few ahead of the one that is taken.

    Over processes the function is one that can be imported, `shared` travels once, and a task whose worker dies runs
    again elsewhere. Closing the iterator (Ctrl-C too) cancels what has not begun. Raises what `function` raises, and
    LinkError where the cluster does not answer.
    """
    if cluster.workers and cluster.scheduler:
        raise ConfigError(
            "Workers and a scheduler are two places to run.", remedy="Give --workers or --scheduler, not both."
        )
    if cluster.threads < 1 or cluster.workers < 0:
        raise ConfigError("Work needs one thread or more.", remedy="Give a number from 1.")
    if cluster.workers or cluster.scheduler:
        yield from _by_dask(function, shared, arguments, cluster)
    else:
        yield from _by_threads(function, shared, arguments, cluster.threads)


def _by_threads(
    function: Callable[[Shared, Argument], Result], shared: Shared, arguments: Iterable[Argument], threads: int
) -> Iterator[Result]:
    pool = ThreadPoolExecutor(threads)
    try:
        ahead: deque[Any] = deque()
        for argument in arguments:
            ahead.append(pool.submit(function, shared, argument))
            if len(ahead) > threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _by_dask(
    function: Callable[[Shared, Argument], Result], shared: Shared, arguments: Iterable[Argument], cluster: Cluster
) -> Iterator[Result]:
    with _client(cluster) as client, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sending large graph", UserWarning)  # `shared` does, once
        # A task like any other, so that it is there again when the worker that held it dies.
        held = client.submit(_itself, shared, pure=False)
        most_ahead = max(8, 3 * sum(client.nthreads().values()))
        ahead: deque[Any] = deque()
        try:
            for argument in arguments:
                ahead.append(client.submit(function, held, argument, pure=False))
                if len(ahead) > most_ahead:
                    yield _result(ahead.popleft())
            while ahead:
                yield _result(ahead.popleft())
        finally:
            client.cancel([*ahead, held], force=True)


def _itself(value: Shared) -> Shared:
    return value


def _result(future: Any) -> Any:
    from concurrent.futures import CancelledError

    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    try:
        return future.result()
    except KilledWorker as error:
        raise LinkError(
            "A part of the work ended every worker that took it on.",
            remedy="Most often memory: use smaller windows (--block), or give the workers more of it.",
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise LinkError(
            f"The Dask cluster was lost: {error}.", remedy="Start it again and run the same command: it goes on."
        ) from error


@contextmanager
def _client(cluster: Cluster) -> Iterator[Client]:
    if cluster.scheduler:
        with _remote(cluster.scheduler) as client:
            yield client
    else:
        with _local(cluster.workers) as client:
            yield client


@contextmanager
def _local(workers: int) -> Iterator[Client]:
    import dask
    from distributed import Client, LocalCluster

    quiet = {
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        "distributed.worker.profile.enabled": False,
        # Ctrl-C in a terminal reaches the workers too; it is this process that stops them, in order.
        "distributed.worker.preload": ["import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"],
    }
    with (
        dask.config.set(quiet),
        tempfile.TemporaryDirectory(prefix="kuntur-") as scratch,
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            security=True,
            memory_limit=0,
            local_directory=scratch,
            silence_logs=logging.CRITICAL,
        ) as processes,
        Client(processes, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def _remote(address: str) -> Iterator[Client]:
    """A client of a running cluster whose workers have this version of Kuntur."""
    from distributed import Client

    try:
        client = Client(address, timeout=ANSWER_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise LinkError(
            f"No Dask scheduler answers at {address}: {error}.",
            remedy="Start one (dask scheduler) and give its address, like tcp://127.0.0.1:8786.",
        ) from error
    with client:
        _require_workers(client, address)
        yield client


def _require_workers(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=ANSWER_S)
    except TimeoutError as error:
        raise LinkError(
            f"The Dask scheduler at {address} has no workers.", remedy="Start some: dask worker " + address
        ) from error
    ours = version("kuntur")
    for worker, theirs in client.run(version, "kuntur", on_error="return").items():
        if theirs != ours:
            raise LinkError(
                f"The Dask worker {worker} has {f'Kuntur {theirs}' if isinstance(theirs, str) else 'no Kuntur'}, "
                f"here it is {ours}.",
                remedy="Install the same Kuntur on every worker.",
            )
