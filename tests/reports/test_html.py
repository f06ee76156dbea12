import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from scotoma.errors import InputError
from scotoma.reports.html import render, write_report
from scotoma.reports.verdict import OTHER_IMAGES
from scotoma.runs.results import Counts, Results
from tests.reports.examples import cell, changed, lacking, results, without, write_run

NONE = Path("no-gallery.npz")


class Reader(HTMLParser):
    """The texts of a page, and its tags, which must be balanced."""

    VOID = ("meta", "img", "path", "use", "rect", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style" and data.strip():
            self.texts.append(" ".join(data.split()))


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def words(made: Results) -> str:
    return " ".join(read(render(made, NONE)).texts)


def test_the_report_is_one_file_without_script_link_or_foreign_part(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "report.html"
    assert write_report(run_folder, out) == out
    page = out.read_text(encoding="utf-8")
    reader = read(page)
    assert not re.search(r"https?:|<script|<link|@import|javascript:|url\((?!#)|<iframe|<object", page)
    sources = [value or "" for _, name, value in reader.attributes if name in ("src", "href", "xlink:href")]
    assert sources and all(each.startswith(("data:image/png;base64,", "#")) for each in sources)
    assert not [name for _, name, _ in reader.attributes if name.startswith("on")]
    assert [each.name for each in out.parent.iterdir()] == ["report.html"]


def test_the_parts_stand_in_the_order_in_which_they_are_read(run_folder: Path) -> None:
    page = render(results(), run_folder / "gallery.npz")
    assert re.findall(r"<h2>([^<]*)</h2>", page) == [
        "What fresh attackers find out",
        "Every attack in figures",
        "The training's adversary against a fresh attacker",
        "How fast the attackers learn",
        "What the encodings look like",
        "What was done",
        "Limits",
    ]
    assert page.index("<h1>") < page.index('class="verdict leaks"') < page.index("<h2>")


def test_title_and_verdict() -> None:
    text = words(results())
    assert "Hidden: \N{MINUS SIGN}shirt . Kept: +bag ." in text
    assert (
        "Still leaks shirt still leaks: a fresh attacker rightly tells whether an encoded image shows it "
        "in 66.0 % "
        "of cases (95 % interval 63.6 to 68.3; 50 % is guessing, 55.6 % is what knowing only the kept label "
        "gives), against 86.9 % on the original images. bag can still be recognised in 98.1 % of "
        "cases, against "
        "98.9 % on originals."
    ) in text


def test_every_cell_has_interval_and_floor_and_hidden_ones_an_outcome() -> None:
    text = words(results())
    assert "encoder trained 66.0 [63.6, 68.3] floor 55.6 still leaks 98.1 [97.5, 98.6] floor 50.0" in text
    assert "identity the original images 86.9 [85.5, 88.2] floor 55.6 98.9" in text
    page = render(results(), NONE)
    assert len(re.findall(r'<td class="hide">', page)) == 1
    assert len(re.findall(r'<td class="keep">', page)) == 1


def test_missing_failed_and_inconclusive_cells_are_marked() -> None:
    made = lacking(
        changed(results(), "blur", "bag", state="failed", note="The loss is not finite."), "blur", "coat"
    )
    made = changed(made, "encoder", "bag", state="inconclusive")
    text = words(made)
    assert "blur blurred images 81.2 [79.6, 82.7] floor 55.6 failed missing encoder trained" in text
    assert "98.1 [97.5, 98.6] floor 50.0 inconclusive" in text
    assert "blur +bag paper failed \N{EN DASH} \N{EN DASH} \N{EN DASH} 3,000 33 s 11" in text
    assert "The loss is not finite." in text


def test_a_task_of_four_classes_is_measured_from_its_own_guessing() -> None:
    made = results()
    counts = Counts((1001, 2002, 3003, 4004), (11, 22, 33, 44), (101, 202, 303, 404))
    for encoder in made.encoders:
        four = {"classes": ("black", "blond", "brown", "red"), "counts": counts}
        made = changed(made, encoder.name, "shirt", **four)
    made = changed(made, "encoder", "shirt", test_low=0.2, test_accuracy=0.28, test_high=0.36, floor=0.25)
    page = render(made, Path("none"))
    said = "Every class counts alike, so guessing reaches 25 on shirt, 50 on bag, 50 on coat."
    assert said in page
    # The scale begins at 20 %, five points below guessing: .16 / .8 and .05 / .8 of it.
    assert 'style="left:0.0%;width:20.0%"></i><s style="left:6.25%"></s>' in page
    assert "1,001 / 2,002 / 3,003 / 4,004" in page
    assert "which of 4 classes an encoded image shows in 28.0" in page


def test_the_second_table_has_counts_iterations_state_and_seed() -> None:
    assert (
        "encoder \N{MINUS SIGN}shirt paper done 66.8 0.702 0.07 9,400 1 min 44 s 11 "
        "7,994 / 71,946 1,188 / 10,812 2,003 / 17,985"
    ) in words(results())


def test_negative_bits_are_shown_as_none_with_a_note() -> None:
    text = words(changed(results(), "encoder", "shirt", bits=-0.0312))
    assert "66.8 0.702 0.00*" in text
    assert "(encoder / shirt: \N{MINUS SIGN}0.031 bits); 0 is shown" in text
    assert "0 is shown" not in words(results())


@pytest.mark.parametrize(
    ("before", "said"), [(0.672, "0.4 points less"), (0.5, "16.8 points more"), (0.668, "no difference")]
)
def test_the_gap_between_the_trainings_adversary_and_a_fresh_attacker(before: float, said: str) -> None:
    made = results()
    trained = replace(made.encoders[2], training={"hidden": {"shirt": before}})
    text = words(replace(made, encoders=(*made.encoders[:2], trained)))
    assert (
        "On validation images the adversary that encoder was trained against told shirt apart with a "
        f"balanced accuracy of {100 * before:.1f} %, a fresh attacker on the finished encoder with 66.8 %: "
        f"{said}."
    ) in text


def test_a_gap_that_is_not_known_is_said_to_be() -> None:
    made = results()
    unknown = replace(made, encoders=tuple(replace(each, training={}) for each in made.encoders))
    assert (
        "The accuracy of the adversary within training is not recorded for any encoder of this run"
        in words(unknown)
    )


def test_the_gallery_has_alternative_texts_figures_and_sharp_pixels(run_folder: Path) -> None:
    page = render(results(), run_folder / "gallery.npz")
    reader = read(page)
    described = [value for tag, name, value in reader.attributes if (tag, name) == ("img", "alt")]
    assert len(described) == 3 * 8
    assert described[:2] == ["original of an image of shirt", "original of an image of bag"]
    assert described[-1] == "encoder's encoding of an image of ankle-boot"
    assert page.count('<img class="tiny"') == 24
    text = " ".join(reader.texts)
    assert "originals 86.9 98.9 blur blurred images 81.2 95.7 encoder trained 66.0 98.1" in text


def test_large_originals_are_smooth_and_codes_of_many_channels_are_said(tmp_path: Path) -> None:
    path = tmp_path / "gallery.npz"
    codes = np.zeros((1, 8, 8, 5), np.uint8)
    np.savez(path, original=np.zeros((1, 224, 224, 3), np.uint8), encoder=codes, category=np.array(["bag"]))
    page = render(results(), path)
    assert page.count('<img class="tiny"') == 1
    assert "first 3 of 5 channels" in page
    sizes = [base64.b64decode(each)[16:24] for each in re.findall(r"data:image/png;base64,([^\"]*)", page)]
    assert [int.from_bytes(each[:4], "big") for each in sizes] == [192, 8]


def test_without_gallery_curves_or_identity_the_report_says_so() -> None:
    made = without(results(), "identity")
    made = replace(made, cells=tuple(replace(each, curve=()) for each in made.cells))
    text = words(made)
    assert "The run folder holds no gallery.npz: the pictures are missing." in text
    assert "No attacker's curve is recorded." in text
    assert "The original images were not attacked, so the reference is missing" in text


def test_limits_are_stated() -> None:
    text = words(results())
    assert "The figures are an empirical lower bound on leakage, no guarantee" in text
    assert "One family of attackers ( paper ) was trained on one set of training images." in text
    assert (
        "The figures hold for images like the 19,988 test images, which no attacker was trained on." in text
    )
    second = replace(results(), cells=(*results().cells, cell("encoder", "shirt", attacker="forest")))
    assert "2 families of attackers ( forest , paper ) were trained" in words(second)


@pytest.mark.parametrize("same", [True, False])
def test_images_of_another_data_set_than_the_trainings_are_said_to_be(same: bool) -> None:
    text = words(replace(results(), run={"data": {"same_as_training": same}}))
    assert (OTHER_IMAGES in text) is not same


def test_names_are_escaped_everywhere(tmp_path: Path) -> None:
    evil = '<b>"shirt"</b>'
    made = changed(replace(results(), hide=(evil,)), "encoder", "shirt", task=evil, note="<i>note</i>")
    made = replace(
        made,
        run={"command": "<script>alert(1)</script>", "data": {"<u>": "</style>"}},
        encoders=(
            *made.encoders[:2],
            replace(made.encoders[2], name="<em>", training={"hide": [evil], "keep": ["bag"]}),
        ),
        cells=tuple(
            replace(each, encoder="<em>") if each.encoder == "encoder" else each for each in made.cells
        ),
    )
    run = write_run(tmp_path / "run", made)
    page = write_report(run, tmp_path / "report.html").read_text(encoding="utf-8")
    for tag in ("<b>&", '<b>"', "<i>note", "<script", "<u>", "<em>&", "</style></"):
        assert tag not in page
    assert page.count("</style>") == page.count("<style")
    assert "&lt;b&gt;" in page and "&lt;script&gt;alert(1)" in page
    read(page)


def test_several_encoders_with_different_tasks_are_signed_in_their_cells() -> None:
    made = results()
    second = replace(made.encoders[2], name="second", training={"hide": ["bag"], "keep": ["shirt"]})
    cells = [
        replace(cell("encoder", "bag"), encoder="second", role="hide"),
        replace(cell("encoder", "shirt"), encoder="second", role="keep"),
    ]
    text = words(replace(made, encoders=(*made.encoders, second), cells=(*made.cells, *cells)))
    assert "Hidden: \N{MINUS SIGN}shirt , \N{MINUS SIGN}bag . Kept: +shirt , +bag ." in text
    assert "shirt differs by encoder bag differs by encoder coat neither" in text
    assert "second trained + kept 66.0" in text
    assert "Still leaks \N{MIDDLE DOT} encoder shirt still leaks" in text
    assert "Still leaks \N{MIDDLE DOT} second bag still leaks" in text


def test_nothing_hidden_nothing_kept_and_references_only() -> None:
    alone = without(replace(results(), hide=(), keep=()), "encoder")
    text = words(alone)
    assert "Nothing hidden. Nothing kept." in text
    assert "No verdict Only references were attacked, there is no encoder to judge." in text


def test_a_report_is_not_overwritten_unless_told(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("mine")
    with pytest.raises(InputError) as caught:
        write_report(run_folder, out)
    assert (
        str(caught.value) == f"{out} exists already: choose another --out, or give --overwrite to replace it."
    )
    assert out.read_text() == "mine"
    write_report(run_folder, out, overwrite=True)
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_folder_is_no_file_to_write_to(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        write_report(run_folder, tmp_path, overwrite=True)
    assert str(caught.value) == (
        f"{tmp_path} is a folder: name a file for the report, such as {tmp_path / 'report.html'}."
    )


def test_a_parent_that_is_a_file_is_said(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as caught:
        write_report(run_folder, tmp_path / "file" / "report.html")
    assert str(caught.value) == f"The folder {tmp_path / 'file'} cannot be made: File exists."


@pytest.mark.parametrize("make", [True, False])
def test_a_folder_without_results_is_no_run(tmp_path: Path, make: bool) -> None:
    run = tmp_path / "run"
    if make:
        run.mkdir()
    with pytest.raises(InputError) as caught:
        write_report(run, tmp_path / "report.html")
    assert str(caught.value) == (
        f"{run} holds neither results.json nor verdict.json, so there is nothing to report on. "
        "Give the folder that `scotoma verify` wrote (its --out)."
        if make
        else f"There is no folder {run}."
    )


def test_a_broken_gallery_writes_nothing(run_folder: Path, tmp_path: Path) -> None:
    (run_folder / "gallery.npz").write_bytes(b"broken")
    with pytest.raises(InputError, match="is broken or no NumPy archive of pictures"):
        write_report(run_folder, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_report_takes_the_place_of_no_other_file(run_folder: Path) -> None:
    for name in ("encoder.safetensors", "results.json", "settings.toml"):
        (run_folder / name).touch()
        before = (run_folder / name).read_bytes()
        with pytest.raises(InputError) as error:
            write_report(run_folder, run_folder / name, overwrite=True)
        assert str(error.value) == f"--out {run_folder / name} must end in .html."
        assert (run_folder / name).read_bytes() == before
