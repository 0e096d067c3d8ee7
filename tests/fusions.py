"""What `test_mixtures` draws of methods that send weights, and of servers."""

from __future__ import annotations

from hypothesis import strategies as st

from scarlet_pl.methods import (
    ActiveDraw,
    Aggregator,
    Confident,
    DirichletModels,
    DrawPolicy,
    EnhancedERA,
    FixedDraw,
    Fusion,
    GaussianModels,
    GeometricMean,
    Mean,
    ModelSampler,
    UniformDraw,
)
from scarlet_pl.server import ServerConfig

FUSIONS = st.builds(
    Fusion,
    aggregator=st.sampled_from(list[Aggregator]([Mean(), GeometricMean(), Confident(EnhancedERA(2.0), 1.32)])),
    draw=st.sampled_from(list[DrawPolicy]([UniformDraw(7), FixedDraw(12), ActiveDraw(2)])),
    start=st.sampled_from(["average", "previous"]),
    models=st.sampled_from(
        list[ModelSampler | None]([None, GaussianModels(2), GaussianModels(2, 1.0, "weights"), DirichletModels(2)])
    ),
    average_teaches=st.booleans(),
)
SERVERS = st.builds(
    ServerConfig,
    model=st.sampled_from(["mlp", "tests.test_client.Normalised"]),
    epochs=st.just(2),
    batch_size=st.just(4),
    keep_optimizer=st.booleans(),
    average_from=st.sampled_from([None, None, 2]),
)
