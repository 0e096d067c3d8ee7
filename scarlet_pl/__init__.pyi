# The public names, for type checkers: the module itself imports them when they are used.
from scarlet_pl import availability as availability
from scarlet_pl import cache as cache
from scarlet_pl import callbacks as callbacks
from scarlet_pl import data as data
from scarlet_pl import executors as executors
from scarlet_pl import learning as learning
from scarlet_pl import methods as methods
from scarlet_pl import models as models
from scarlet_pl import wire as wire
from scarlet_pl.api.fit import fit as fit
from scarlet_pl.api.run import Run as Run
from scarlet_pl.api.run import load as load
from scarlet_pl.api.tables import Estimate as Estimate
from scarlet_pl.api.tables import compare as compare
from scarlet_pl.api.tables import estimate as estimate
from scarlet_pl.callbacks import run_callbacks as run_callbacks
from scarlet_pl.client import ClientConfig as ClientConfig
from scarlet_pl.data import FederatedDataModule as FederatedDataModule
from scarlet_pl.errors import ConfigError as ConfigError
from scarlet_pl.federation import Federation as Federation
from scarlet_pl.federation import FederationConfig as FederationConfig
from scarlet_pl.loop import FederatedCallback as FederatedCallback
from scarlet_pl.loop import FederatedTrainer as FederatedTrainer
from scarlet_pl.report.compare import Comparison as Comparison
from scarlet_pl.server import ServerConfig as ServerConfig
from scarlet_pl.server import ServerModule as ServerModule

__version__: str
