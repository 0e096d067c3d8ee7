"""A method of your own: clients send a soft label for each class, and no public sample is used.

It is `Distillation` in which the classes stand for the public samples; `scarlet_pl.methods.ClassDistillation` is the
same in the package. The server's half is the method; `clients()` makes the clients' half, which is given what came over
the wire and says what a client has to do.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from torch import Tensor

from scarlet_pl.client import ClientTask
from scarlet_pl.methods import Aggregator, Distillation, FixedDraw, LeaveOneOut, Outcome, Population, RoundPlan, Upload
from scarlet_pl.methods.distillation.client import DistillationClients
from scarlet_pl.server import ServerWork


class ClassLabels(Distillation):
    """The server's half: asks for all classes, and learns nothing itself.

    Args:
        aggregator: from the clients' labels to those that are sent.
    """

    has_server = False
    partial_uploads = True  # of classes that a client has not

    def __init__(self, aggregator: Aggregator = LeaveOneOut()) -> None:  # noqa: B008 (frozen)
        super().__init__(aggregator, cache=None, draw=FixedDraw(1))

    @property
    def server_work(self) -> ServerWork:
        return ServerWork("nothing")

    def setup(self, population: Population) -> None:
        self.settings = replace(self.settings, draw=FixedDraw(population.classes))
        super().setup(replace(population, public_size=population.classes))

    def clients(self) -> DistillationClients:
        return ClassClients(self.name, self.population, self.settings)

    def aggregate(self, plan: RoundPlan, uploads: Iterable[Upload], lessons: Sequence[Tensor] = ()) -> Outcome:
        return replace(super().aggregate(plan, uploads, lessons), targets=None)


class ClassClients(DistillationClients):
    """The clients' half: labels are of classes, each of which stands for a client's own samples of it."""

    def receive(self, round: int, client: int, payload: bytes) -> ClientTask:
        return replace(super().receive(round, client, payload), labels_of="classes")
