"""The tables of a judge under attack, cell by cell."""

from dataclasses import replace
from pathlib import Path

from jurist.attacks import Kind
from jurist.evaluation import AttackResult, Estimate, Robustness, Tournaments
from jurist.reports import Results, RobustnessRow, load_results, markdown, save_results
from jurist.reports.figures import pictures
from jurist.reports.sections import sections


def share(value: float) -> Estimate:
    return Estimate(value=value, low=value / 2, high=min(1.0, 2 * value))


KEY = AttackResult(
    kind=Kind.KEY,
    name=" ",
    taught=False,
    num_pairs=200,
    preferred=share(0.04),
    single=share(0.1),
    gated=share(0.0),
    num_ties=3,
    num_failures=1,
    num_right=150,
    resistance=share(0.96),
    flips=None,
)
PLEA = replace(KEY, kind=Kind.INJECTION, name="plea", taught=True, flips=share(0.2))
COPY = replace(KEY, kind=Kind.COPY, name="filler", resistance=None)
ROW = RobustnessRow(
    method="STaR-DPO",
    split="shifted",
    robustness=Robustness(
        num_pairs=200,
        num_groups=180,
        accuracy=share(0.75),
        gated_accuracy=share(0.7),
        consistency=None,
        attacks=(KEY, PLEA, COPY),
        mean_key=share(0.02),
        mean_key_single=share(0.05),
        mean_key_gated=share(0.0),
        worst_key=" ",
        resistance=share(0.9),
        unseen_resistance=None,
        tournaments=Tournaments(num=90, num_same_prompt=4, cycles=share(0.01)),
    ),
)


def test_a_judge_under_attack_is_one_line_and_every_attack_another(demo: Results):
    results = replace(demo, robustness=(ROW,))
    found = {section.title: section for section in sections(results)}
    cells = {title: section.cells for title, section in found.items()}
    assert "of 90 tournaments of three responses; in 4 the third" in found["Attacks: shifted"].text
    assert cells["Robustness"] == (
        (
            *("STaR-DPO", "shifted", "200"),
            *("75.0 [37.5, 100.0]", "70.0 [35.0, 100.0]", "-"),
            *("2.0 [1.0, 4.0]", "5.0 [2.5, 10.0]", "0.0 [0.0, 0.0]"),
            '" ": 4.0 [2.0, 8.0]',
            *("90.0 [45.0, 100.0]", "-"),
            "1.0 [0.5, 2.0]",
        ),
    )
    wins = ("4.0 [2.0, 8.0]", "10.0 [5.0, 20.0]", "0.0 [0.0, 0.0]", "3", "1")
    assert cells["Attacks: shifted"] == (
        ("master key", '" "', "no", "200", *wins, "150", "96.0 [48.0, 100.0]", "-"),
        *(
            (
                *("injection", "plea", "family", "200", *wins),
                *("150", "96.0 [48.0, 100.0]", "20.0 [10.0, 40.0]"),
            ),
            ("padded copy", "filler", "no", "200", *wins, "-", "-", "-"),
        ),
    )


def test_without_attacks_there_are_no_such_tables(demo: Results):
    titles = {section.title for section in sections(demo)}
    assert not [title for title in titles if title.startswith(("Robustness", "Attacks"))]


def test_of_several_judges_each_table_says_whose_it_is(demo: Results):
    other = replace(ROW, method="GenRM")
    titles = [section.title for section in sections(replace(demo, robustness=(ROW, other)))]
    assert {"Attacks: shifted, STaR-DPO", "Attacks: shifted, GenRM"} <= set(titles)


def test_attacks_are_in_the_file_and_on_the_page_and_read_back(tmp_path: Path, demo: Results):
    results = replace(demo, robustness=(ROW,))
    save_results(tmp_path / "results.json", results)
    assert load_results(tmp_path / "results.json") == results
    assert "## Robustness" in markdown(results)


def test_resistance_is_drawn_family_by_family(demo: Results):
    names = [picture.name for picture in pictures(demo)]
    drawn = pictures(replace(demo, robustness=(ROW, replace(ROW, method="GenRM"))))
    assert [picture.name for picture in drawn] == [*names, "resistance"]
    assert "STaR-DPO, shifted, plea: 96.0; GenRM, shifted, plea: 96.0" in drawn[-1].alt
    # A judge that was right on no pair has nothing to draw.
    nothing = replace(ROW.robustness, attacks=(replace(PLEA, resistance=None),))
    unknown = replace(demo, robustness=(replace(ROW, robustness=nothing),))
    assert [picture.name for picture in pictures(unknown)] == names
