from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest

import calprof
from calprof.cost.training import Passes, training_by_factor
from calprof.profiles import Profile
from calprof.report import report_html, report_text, save, to_csv, to_dict, to_json, to_markdown

VOID = {"meta", "link", "br"}


def test_the_dictionary_has_the_promised_keys(decoder: Profile) -> None:
    data = to_dict(decoder)
    assert {
        "flops",
        "macs",
        "params",
        "trainable_params",
        "convention",
        "input",
        "uncounted",
        "modules",
        "ops",
    } <= set(data)
    assert (data["version"], data["schema"]) == (calprof.__version__, 1)
    assert data["units"] == {"flops": "FLOPs", "macs": "MACs", "params": "parameters", "seconds": "s"}
    assert data["flops"] == decoder.flops
    assert data["macs"] == 5 * (7 * 13 * 13 + 911 + 757 + 7 * 13 * 31) + 7 * 101 * 13
    assert data["uncounted"][0] == {
        "module": "layers.0.attention",
        "op": "unique",
        "calls": 2,
        "reason": "its cost depends on the values",
    }
    assert data["uncalled"] == [{"path": "spare", "class": "Linear", "params": 17}]
    (query,) = [entry for entry in data["modules"] if entry["path"] == "layers.3.attention.query"]
    assert query == {
        "path": "layers.3.attention.query",
        "class": "Linear",
        "calls": 1,
        "macs": 7 * 13 * 13,
        "flops": 2 * 7 * 13 * 13,
        "params": 13 * 13,
        "trainable_params": 13 * 13,
        "own_macs": 7 * 13 * 13,
        "own_flops": 2 * 7 * 13 * 13,
        "ignored": False,
    }
    assert sum(entry["own_flops"] for entry in data["modules"]) == data["flops"]
    assert sum(entry["flops"] for entry in data["ops"]) == data["flops"]


def test_json_round_trips(decoder: Profile, strange: Profile) -> None:
    for profile in (decoder, strange):
        step = training_by_factor(profile, Passes(recompute=1))
        assert json.loads(to_json(profile, step)) == to_dict(profile, step)


def test_training_is_exported_per_phase_and_module(decoder: Profile) -> None:
    data = to_dict(decoder, training_by_factor(decoder, Passes(recompute=1)))
    assert data["training"]["total"] == {"flops": 4 * decoder.flops, "macs": 4 * decoder.macs}
    assert data["training"]["backward"]["macs"] == 2 * decoder.macs
    for entry in data["modules"]:
        assert entry["training"]["recompute"]["flops"] == entry["flops"]


def test_csv_is_one_line_per_module_or_op(decoder: Profile) -> None:
    modules = list(csv.DictReader(StringIO(to_csv(decoder))))
    assert sum(int(row["own_macs"]) for row in modules) == decoder.macs
    assert [row["path"] for row in modules[:3]] == ["", "embed", "layers"]
    ops = list(csv.DictReader(StringIO(to_csv(decoder, table="ops"))))
    assert sum(int(row["flops"]) for row in ops) == decoder.flops
    trained = list(csv.DictReader(StringIO(to_csv(decoder, training_by_factor(decoder)))))
    assert int(trained[0]["total_macs"]) == 3 * decoder.macs
    with pytest.raises(ValueError, match="modules, ops, uncounted"):
        to_csv(decoder, table="layers")  # type: ignore[arg-type]


def test_markdown_tables_are_rectangular(
    decoder: Profile, strange: Profile, golden: Callable[[str, str], None]
) -> None:
    for profile in (decoder, strange):
        for training in (None, training_by_factor(profile)):
            for block in to_markdown(profile, training).split("\n\n"):
                rows = [line for line in block.splitlines() if line.startswith("|")]
                widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
                assert len(widths) <= 1
    golden("decoder.md", to_markdown(decoder).rstrip("\n"))


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def parse(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    assert not page.open
    return page


@pytest.mark.parametrize("train", [False, True])
def test_the_page_is_well_formed_and_asks_nobody_for_anything(decoder: Profile, train: bool) -> None:
    text = report_html(decoder, training_by_factor(decoder) if train else None)
    page = parse(text)
    assert not re.search(r"https?:|//\w|url\(|@import", text)
    assert all(not {"src", "srcset", "data-src"} & set(attributes) for _, attributes in page.tags)
    assert [attributes["href"] for _, attributes in page.tags if "href" in attributes] == ["data:,"]
    assert "0-4" in " ".join(page.words)
    assert "unique" in " ".join(page.words)
    assert "prefers-color-scheme: dark" in text


def test_names_are_escaped_in_the_page(strange: Profile) -> None:
    page = parse(report_html(strange))
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not {"blink", "red", "x"} & {tag for tag, _ in page.tags}
    assert any("<script>alert(1)</script>" in words for words in page.words)
    assert any("[red]bold[/red]" in words for words in page.words)


def test_a_fragment_for_notebooks_keeps_its_style_to_itself(decoder: Profile) -> None:
    text = report_html(decoder, page=False)
    page = parse(text)
    assert page.tags[0][0] == "div"
    assert "html" not in [tag for tag, _ in page.tags]
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    selectors = re.findall(r"([^{}]+)\{[^{}]*\}", re.sub(r"@media[^{]*\{", "", style[1]))
    assert len(selectors) > 20
    assert all(".calprof" in part for selector in selectors for part in selector.split(","))


@pytest.mark.parametrize("suffix", [".json", ".csv", ".md", ".html", ".txt"])
def test_the_suffix_names_the_format(decoder: Profile, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"report{suffix}"
    save(decoder, path)
    written = path.read_text(encoding="utf-8")
    expected = {
        ".json": to_json(decoder),
        ".csv": to_csv(decoder),
        ".md": to_markdown(decoder),
        ".html": report_html(decoder),
        ".txt": report_text(decoder) + "\n",
    }
    assert written == expected[suffix]


def test_another_suffix_is_refused(decoder: Profile, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.json, \.csv, \.md, \.html, \.txt"):
        save(decoder, tmp_path / "report.pdf")
