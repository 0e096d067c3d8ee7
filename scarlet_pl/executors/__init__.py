"""Executors: how a cohort's tasks are run. Each gives the same bits."""

from scarlet_pl.executors.auto import Auto
from scarlet_pl.executors.base import Answer, Executor, Job, RunnerSpec
from scarlet_pl.executors.cores import cores, use_at_most
from scarlet_pl.executors.fork_server import begin_in, fork_server
from scarlet_pl.executors.parent import end_with_parent
from scarlet_pl.executors.pools import Processes, Threads
from scarlet_pl.executors.ranks import over_ranks
from scarlet_pl.executors.serial import Serial
from scarlet_pl.executors.workers import Workers

__all__ = [
    "Answer",
    "Auto",
    "Executor",
    "Job",
    "Processes",
    "RunnerSpec",
    "Serial",
    "Threads",
    "Workers",
    "begin_in",
    "cores",
    "end_with_parent",
    "fork_server",
    "over_ranks",
    "use_at_most",
]
