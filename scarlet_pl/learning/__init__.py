"""How networks learn and are tested: the learner, optimizers, learning rates over rounds."""

from scarlet_pl.learning.learner import Learner, LearnerCallable, make_learner
from scarlet_pl.learning.metrics import Accuracy, of_one_process
from scarlet_pl.learning.optim import OptimizerCallable, make_optimizer, sgd
from scarlet_pl.learning.proximal import FedProx
from scarlet_pl.learning.schedule import RoundSchedule, SchedulerCallable, make_scheduler
from scarlet_pl.learning.trial import draws_globally, try_metrics

__all__ = [
    "Accuracy",
    "FedProx",
    "Learner",
    "LearnerCallable",
    "OptimizerCallable",
    "RoundSchedule",
    "SchedulerCallable",
    "draws_globally",
    "make_learner",
    "make_optimizer",
    "make_scheduler",
    "of_one_process",
    "sgd",
    "try_metrics",
]
