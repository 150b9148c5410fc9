from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from dymu.errors import ReportError
from dymu.reports.collect import results_of
from dymu.reports.figures import check_name, draw, figures_of, for_run, numbers
from dymu.reports.style import save
from dymu.tracking.spool import Spool


def test_the_papers_numbers_are_names(study: Any, tmp_path: Path) -> None:
    study.arms = {"baseline": study.arms["baseline"]}
    study.publish()
    results = results_of(study.store, study.manifest)
    assert [path.name for path in draw(5, results, study.store, tmp_path)] == [
        "resource_map.svg",
        "resource_map.pdf",
        "resource_map.png",
    ]
    assert draw("7", results, study.store, tmp_path / "new" / "folder")[0].name == "preference_loss.svg"


def test_a_figure_fits_a_column_of_a_paper_and_is_not_blank(study: Any, tmp_path: Path) -> None:
    study.publish()
    results = results_of(study.store, study.manifest)
    picture = imread(draw("cost_distribution", results, study.store, tmp_path)[-1])
    assert picture.shape[1] == pytest.approx(3.25 * 300, abs=2)
    assert picture[..., :3].std() > 0.05


def test_curves_are_one_file_set_per_stage(study: Any, tmp_path: Path) -> None:
    study.publish()
    study.publish_curves(steps=4)
    results = results_of(study.store, study.manifest)
    names = [path.name for path in draw("training", results, study.store, tmp_path)]
    assert names[::3] == ["curves-anchor.svg", "curves-edge.svg"]


def test_a_figure_is_drawn_again_when_what_it_shows_changes_and_not_before(
    study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.arms, study.without = {"baseline": study.arms["baseline"]}, (("baseline", 2),)
    study.publish()
    drawn: list[str] = []

    def count(figure: Figure, folder: Path, name: str, formats: Sequence[str]) -> list[Path]:
        drawn.append(name)
        return save(figure, folder, name, formats)

    monkeypatch.setattr("dymu.reports.figures.save", count)
    first = results_of(study.store, study.manifest)
    files = draw("cost_distribution", first, study.store, tmp_path)
    assert draw("cost_distribution", first, study.store, tmp_path) == files
    assert len(drawn) == 1
    files[0].unlink()
    draw("cost_distribution", first, study.store, tmp_path)
    assert len(drawn) == 2
    study.without = ()
    study.publish()
    draw("cost_distribution", results_of(study.store, study.manifest), study.store, tmp_path)
    assert len(drawn) == 3


def test_curves_are_drawn_again_when_more_was_logged(study: Any, tmp_path: Path) -> None:
    study.arms = {"baseline": study.arms["baseline"]}
    study.publish()
    address = study.steps("baseline", 0)["edge"]
    spool = Spool(study.store.work_dir(address), address=address)
    pictures = set()
    for step in range(4):
        spool.log(step, {"objective": float(step**2)})
        if step:
            results = results_of(study.store, study.manifest)
            pictures.add(draw("curves", results, study.store, tmp_path)[-1].read_bytes())
    assert len(pictures) == 3


def test_an_unknown_figure_lists_those_that_exist(study: Any, tmp_path: Path) -> None:
    study.publish()
    with pytest.raises(
        ReportError, match=r"no figure '20'; there are the paper's Figures 5 to 19 .*resource_map, "
    ):
        draw(20, results_of(study.store, study.manifest), study.store, tmp_path)


def test_a_run_gets_the_figures_that_its_tasks_and_records_allow(study: Any) -> None:
    study.publish()
    three = results_of(study.store, study.manifest)
    shown = (
        "preference_loss",
        "trade_off",
        "hypervolume",
        "seeds",
        "trees_uniform",
        "trees_corners",
        "curves",
    )
    assert for_run(three) == ("resource_map", "cost_distribution", *shown)
    study.name, study.tasks = "pairs", ("left", "right")
    study.publish()
    assert for_run(results_of(study.store, study.manifest)) == (
        "resource_entropy",
        "cost_distribution",
        *shown,
    )


def test_a_run_with_a_static_grid_gets_figure_6(grid_study: Any, tmp_path: Path) -> None:
    grid_study.arms["static-grid"].nets = 4
    grid_study.publish()
    results = results_of(grid_study.store, grid_study.manifest)
    assert for_run(results)[-1] == "static_grid"
    before = draw(6, results, grid_study.store, tmp_path)[-1].read_bytes()
    grid_study.publish_training()
    files = draw("static_grid", results, grid_study.store, tmp_path)
    assert [path.name for path in files] == ["static_grid.svg", "static_grid.pdf", "static_grid.png"]
    assert files[-1].read_bytes() != before, "training times are part of what it shows"


def test_figure_6_has_a_table_of_its_own(grid_study: Any) -> None:
    grid_study.arms["static-grid"].nets = 4
    grid_study.publish()
    results = results_of(grid_study.store, grid_study.manifest)
    assert numbers(6, results, grid_study.store) == numbers("static_grid", results, grid_study.store)
    assert len(numbers(6, results, grid_study.store).rows) == 6


def test_a_run_without_results_gets_none(study: Any) -> None:
    study.without = tuple((arm, seed) for arm in study.arms for seed in study.seeds)
    study.publish()
    assert for_run(results_of(study.store, study.manifest)) == ()


def test_a_page_gets_all_figures_that_can_be_drawn(study: Any) -> None:
    study.arms = {"baseline": study.arms["baseline"]}
    study.publish()
    study.publish_curves(steps=4)
    results = results_of(study.store, study.manifest)
    found = figures_of(results, study.store)
    assert set(found) == {*for_run(results), "curves-anchor", "curves-edge"} - {"curves"}
    assert all(text.startswith("<svg") for text in found.values())


def test_without_a_store_a_page_gets_what_records_hold(study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    study.affinity = True
    study.publish()
    monkeypatch.setattr("dymu.reports.figures.svg_text", lambda _, name: name)
    results = results_of(study.store, study.manifest)
    assert set(figures_of(results)) == set(for_run(results)) - {"affinity", "curves"}


def test_figures_9_to_12_show_one_row_of_table_6_beside_the_baseline(study: Any, tmp_path: Path) -> None:
    study.arms["no-inactive-loss"].source = "Table 6, row 2"
    study.publish()
    results = results_of(study.store, study.manifest)
    (file,) = draw(9, results, study.store, tmp_path, formats=("svg",))
    assert file.name == "resource_map-no-inactive-loss.svg"
    with pytest.raises(
        ReportError, match=r"arm of Table 6, row 3, .*`dymu run ablations.branching_regularizer`"
    ):
        draw(10, results, study.store, tmp_path)


def test_the_command_of_a_missing_row_keeps_the_study(study: Any, tmp_path: Path) -> None:
    study.question = ""
    study.publish()
    with pytest.raises(ReportError, match=r"regularizer --study studies.digits:ours`"):
        draw(12, results_of(study.store, study.manifest), study.store, tmp_path)


def test_other_than_three_tasks_get_a_map_over_evenness(study: Any, tmp_path: Path) -> None:
    study.tasks = ("left", "right")
    study.publish()
    (file,) = draw(5, results_of(study.store, study.manifest), study.store, tmp_path, formats=("png",))
    assert file.name == "resource_entropy.png"


def test_only_the_wanted_formats_are_written_and_others_are_kept(study: Any, tmp_path: Path) -> None:
    study.publish()
    results = results_of(study.store, study.manifest)
    folder = tmp_path / "figures"
    (png,) = draw("seeds", results, study.store, folder, formats=("png",))
    assert {path.suffix for path in folder.iterdir()} == {".png", ".json"}
    before = png.stat().st_mtime_ns
    draw("seeds", results, study.store, folder, formats=("pdf",))
    assert png.stat().st_mtime_ns == before
    assert draw("seeds", results, study.store, folder, formats=("png",)) == [png]
    assert png.stat().st_mtime_ns == before


def test_a_study_with_affinities_gets_figure_18(study: Any, tmp_path: Path) -> None:
    study.affinity = True
    study.publish()
    study.publish_affinity()
    results = results_of(study.store, study.manifest)
    assert "affinity" in for_run(results)
    (file,) = draw(18, results, study.store, tmp_path, formats=("svg",))
    assert file.name == "affinity.svg"


def test_every_number_of_the_paper_is_a_figure() -> None:
    assert all(check_name(str(number)) for number in range(5, 20))
