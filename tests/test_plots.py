"""The pictures of `compare`: what is drawn, and that it can be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scarlet_pl.report.compare import table
from scarlet_pl.report.curves import MOST_SHOWN, parts_of
from scarlet_pl.report.groups import Group, by_seed
from scarlet_pl.report.plots import accuracy_figure, draw_all, parts_figure
from scarlet_pl.report.runs import read_run

from .run_folders import config, run_folder


def groups(*runs: Path) -> list[Group]:
    return by_seed([read_run(run) for run in runs])[0]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for each in figure.legends for text in each.get_texts()]


def test_a_line_is_the_mean_over_seeds_and_a_band_its_deviation(tmp_path: Path) -> None:
    seeds = [run_folder(tmp_path / f"{i}", config(i), (0.1, last)) for i, last in enumerate((0.4, 0.6))]
    alone = run_folder(tmp_path / "alone", config(name="dsfl", method__cache=None), (0.2, 0.3))
    for who in ("server", "client"):
        axes = accuracy_figure(groups(*seeds, alone), who).axes[0]  # type: ignore[arg-type]
        assert [line.get_xydata().tolist() for line in axes.lines] == [[[1, 0.1], [2, 0.5]], [[1, 0.2], [2, 0.3]]]  # type: ignore[union-attr]
        assert len(axes.collections) == 1  # a single seed has no band
        heights = axes.collections[0].get_paths()[0].vertices[:, 1]
        assert (heights.min(), heights.max()) == pytest.approx((0.1, 0.5 + 0.02**0.5))
        assert axes.get_title("left") == "mean ± standard deviation over seeds"


def test_a_single_measurement_has_a_bar_for_a_band(tmp_path: Path) -> None:
    seeds = [run_folder(tmp_path / f"{i}", config(i), (None, last)) for i, last in enumerate((0.4, 0.6))]
    assert len(accuracy_figure(groups(*seeds), "client").axes[0].containers) == 1


def test_lines_end_where_the_first_seed_does(tmp_path: Path) -> None:
    long = run_folder(tmp_path / "long", config(0), (0.1, 0.4, 0.8))
    short = run_folder(tmp_path / "short", config(1), (0.3, 0.6), digest=None)
    unmeasured = run_folder(tmp_path / "unmeasured", config(2), (None,), digest=None)
    line = accuracy_figure(groups(long, short, unmeasured), "server").axes[0].lines[0]
    assert np.allclose(line.get_ydata(), [0.2, 0.5])


def test_a_run_without_accuracy_does_not_end_the_line_over_bytes(tmp_path: Path) -> None:
    long = run_folder(tmp_path / "long", config(0), (None, 0.4, 0.8))
    unmeasured = run_folder(tmp_path / "unmeasured", config(1), (None,), digest=None)
    line = accuracy_figure(groups(long, unmeasured), "server", "bytes").axes[0].lines[0]
    assert np.allclose(line.get_xydata(), [[0.004, 0.4], [0.006, 0.8]])


def test_accuracy_over_bytes_is_mean_over_mean(tmp_path: Path) -> None:
    cheap = run_folder(tmp_path / "0", config(0), (0.1, 0.4), labels=900)
    dear = run_folder(tmp_path / "1", config(1), (0.3, 0.6), labels=2900)
    axes = accuracy_figure(groups(cheap, dear), "server", "bytes").axes[0]
    assert np.allclose(axes.lines[0].get_xydata(), [[0.004, 0.2], [0.008, 0.5]])
    assert axes.get_xscale() == "linear"
    heavy = run_folder(tmp_path / "2", config(name="fedavg", method__cache=None), labels=900_000)
    assert accuracy_figure(groups(cheap, heavy), "server", "bytes").axes[0].get_xscale() == "log"


def test_who_has_no_accuracy_is_named(tmp_path: Path) -> None:
    nobody = run_folder(tmp_path / "0", config(name="individual", method__cache=None), (None, None))
    figure = accuracy_figure(groups(nobody, run_folder(tmp_path / "1", config())), "server")
    assert figure.axes[0].get_title("left") == "not shown: individual (no server accuracy)"
    assert legend(figure) == ["scarlet"]
    assert legend(accuracy_figure(groups(nobody), "server", "bytes")) == []


def test_of_25_groups_the_best_ten_are_shown(tmp_path: Path) -> None:
    runs = [
        run_folder(
            tmp_path / f"{duration}_{alpha}",
            config(method__cache__duration=duration, data__partition__alpha=alpha),
            (0.1, 0.5 + alpha / 10 - duration / 1000),
        )
        for duration in (1, 5, 10, 25, 50)
        for alpha in (0.05, 0.1, 0.3, 0.5, 1.0)
    ]
    found = groups(*runs)
    assert [each.label for each in found[:2]] == ["scarlet D=1 α=0.05", "scarlet D=1 α=0.1"]
    assert len({each.label for each in found}) == 25
    best = [f"scarlet D={d} α={a}" for d, a in ((1, 0.3), (1, 0.5), (1, 1), (5, 0.3), (5, 0.5), (5, 1))]
    best += [f"scarlet D={d} α={a}" for d, a in ((10, 0.5), (10, 1), (25, 1), (50, 1))]
    for figure in (accuracy_figure(found, "server"), accuracy_figure(found, "client")):
        assert len(figure.axes[0].lines) == MOST_SHOWN
        assert legend(figure) == best
        assert "10 of 25 shown, those with the highest server accuracy" in figure.axes[0].get_title("left")
        assert len({(line.get_color(), line.get_marker()) for line in figure.axes[0].lines}) == MOST_SHOWN
        assert len({line.get_marker() for line in figure.axes[0].lines}) == MOST_SHOWN  # without colour
    assert [text.get_text() for text in parts_figure(found).axes[0].get_yticklabels()] == legend(figure)
    assert not any("/" in each.label for each in found)


def test_25_times_more_is_25_times_longer(tmp_path: Path) -> None:
    small = run_folder(tmp_path / "0", config(), labels=900)
    large = run_folder(tmp_path / "1", config(name="dsfl", method__cache=None), labels=24_900)
    figure = parts_figure(groups(small, large))
    axes = figure.axes[0]
    ends = [patch.get_x() + patch.get_width() for patch in axes.patches]  # type: ignore[attr-defined]
    assert np.allclose(ends, [0.9, 0.9, 24.9, 24.9, 1, 1, 25, 25])  # labels, then frames behind them
    assert axes.get_xscale() == "linear"
    assert axes.get_xlim()[0] == 0
    assert legend(figure) == ["labels", "frame"]
    said = [text.get_text() for text in axes.texts]
    assert said[0] == "up: 1.00 kB, 90% labels"
    assert said[-1] == "down: 25.0 kB, 100% labels"


def test_every_part_of_a_message_is_drawn(tmp_path: Path) -> None:
    """A method's own parts after the usual ones."""
    found = groups(run_folder(tmp_path / "0", config()))
    found[0].runs[0].rows[0].update({"bytes/up/masks": 5e5, "bytes/down/weights": 1.0})
    assert parts_of(found) == ["labels", "weights", "masks", "frame"]
    assert "masks" in legend(parts_figure(found))


def test_accuracy_over_simulated_time(tmp_path: Path) -> None:
    """Two seconds a round; and the table says when a target was reached."""
    found = groups(run_folder(tmp_path / "0", config(), (0.1, 0.3, 0.5, 0.6)))
    assert "s to 0.5" not in table(found, [0.5])
    for number, row in enumerate(found[0].runs[0].rows):
        row["time/total"] = 2.0 * (number + 1)
    (line,) = accuracy_figure(found, "server", "time").axes[0].lines
    assert np.array_equal(line.get_xdata(), [2, 4, 6, 8])  # type: ignore[arg-type]
    said = table(found, [0.5, 0.9]).splitlines()
    assert said[0].endswith("s to 0.5 | s to 0.9 |")
    assert said[2].endswith("6.000 | n.a. |")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["_hidden", "a$b$_{x", "long " * 20, "x" * 90, "D|β\n2"])
def test_any_name_can_be_drawn_beside_the_data(name: str, tmp_path: Path) -> None:
    found = groups(
        run_folder(tmp_path / "0", config(name=name, method__cache=None)), run_folder(tmp_path / "1", config())
    )
    draw_all(found, tmp_path)
    figure = accuracy_figure(found, "server")
    FigureCanvasAgg(figure).draw()
    assert len(legend(figure)) == 2
    assert figure.legends[0].get_window_extent().x0 >= figure.axes[0].get_window_extent().x1
    assert figure.axes[0].get_window_extent().width > figure.bbox.width / 2
