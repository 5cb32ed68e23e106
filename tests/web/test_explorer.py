"""The explorer page in a browser: finding objects and calling them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from support.browsing import call, card, expect
from support.showroom import MARKUP, Thermostat, png

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from support.browsing import Visitor
    from support.showroom import Showroom

THERMOSTAT = "http.house.thermostat"
CAMERA = "http.house.camera"


def test_the_list_shows_exposed_objects_and_is_searched(
    visitor: Visitor, keep_picture: Callable[[Page, str], None]
) -> None:
    page = visitor.open()
    expect(page.locator("#standing")).to_have_text("live")
    links = page.locator("#objects a")
    expect(links.filter(has_text="house.thermostat")).to_be_visible()
    expect(page.locator("#objects")).not_to_contain_text("hidden.object")
    keep_picture(page, "list")
    page.get_by_role("searchbox").fill("HOUSE heat")
    expect(links).to_have_count(1)
    expect(page.locator("#count")).to_contain_text("1 of")
    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="class:camera").click()
    expect(links).to_have_count(1)
    expect(links).to_contain_text("http.house.camera")


def test_objects_come_and_go_while_the_page_is_open(
    visitor: Visitor, showroom: Showroom
) -> None:
    page = visitor.open()
    new = page.locator("#objects a", has_text="http.live.new")
    expect(page.locator("#standing")).to_have_text("live")
    expect(new).to_have_count(0)
    showroom.register("http.live.new", Thermostat(), "fresh")
    expect(new).to_be_visible()
    expect(new).to_contain_text("fresh")
    new.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("http.live.new")
    expect(card(page, "heat")).to_be_visible()
    showroom.remove("http.live.new")
    expect(new).to_have_count(0)
    expect(page.get_by_text("not registered any more")).to_be_visible()


def test_a_form_has_inputs_for_the_types_and_the_call_gets_its_arguments(
    visitor: Visitor, keep_picture: Callable[[Page, str], None]
) -> None:
    page = visitor.open(f"#/{THERMOSTAT}/heat")
    form = card(page, "heat")
    expect(form).to_contain_text("The room is left alone if it is warmer already.")
    expect(form.locator("select").first.locator("option")).to_have_text(
        ["hall", "kitchen", "study"]
    )
    kinds = form.locator("input").evaluate_all("all => all.map(one => one.type)")
    assert kinds == ["number", "number", "checkbox", "datetime-local"]
    form.get_by_label("room", exact=True).select_option("kitchen")
    form.get_by_label("degrees", exact=True).fill("21.5")
    form.get_by_label("mode", exact=True).select_option("BOOST")
    form.get_by_label("quietly", exact=True).check()
    form.get_by_label("until", exact=True).fill("2026-05-01T12:30")
    result = call(page, "heat")
    for text in ("kitchen", "21.5", "BOOST", "True", "2026-05-01T12:30:00"):
        expect(result).to_contain_text(text)
    expect(result).to_contain_text("hours: 1")
    keep_picture(page, "call")


def test_what_does_not_fit_is_said_at_the_field(visitor: Visitor) -> None:
    visitor.statuses.add(422)
    page = visitor.open(f"#/{THERMOSTAT}/average")
    form = card(page, "average")
    field = form.get_by_label("temperatures", exact=True)
    field.fill("[1, 2")
    form.get_by_role("button", name="Call", exact=True).click()
    expect(form.locator(".field-problem")).to_contain_text("This is not JSON")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill('["warm"]')
    form.get_by_role("button", name="Call", exact=True).click()
    expect(form.locator(".problem")).to_contain_text("HTTP 422")
    expect(form.locator(".field-problem")).not_to_be_empty()
    field.fill("[1, 2.5]")
    expect(call(page, "average")).to_contain_text("1.75")


def test_integers_of_any_size_come_through(visitor: Visitor) -> None:
    page = visitor.open(f"#/{THERMOSTAT}/huge")
    card(page, "huge").get_by_label("number", exact=True).fill(
        "12345678901234567890123"
    )
    expect(call(page, "huge")).to_contain_text("12345678901234567890124")


def test_records_are_written_as_json_and_arrive_as_objects(visitor: Visitor) -> None:
    page = visitor.open(f"#/{THERMOSTAT}/place")
    field = card(page, "place").get_by_label("sensor", exact=True)
    expect(field).to_have_value(re.compile(r'"x": 0\.5'))
    field.fill('{"x": 41, "y": 2}')
    expect(call(page, "place")).to_contain_text("x: 42")


def test_positional_and_other_arguments_are_json(visitor: Visitor) -> None:
    page = visitor.open(f"#/{THERMOSTAT}/anything")
    form = card(page, "anything")
    form.get_by_label("*values", exact=True).fill('[1, "two"]')
    form.get_by_label("**options", exact=True).fill('{"three": null}')
    result = call(page, "anything")
    result.get_by_role("button", name="JSON").click()
    expect(result.locator("pre")).to_have_text(
        re.compile(r'\[\s*\[\s*1,\s*"two"\s*\],\s*\{\s*"three": null\s*\}\s*\]')
    )


def test_a_list_of_records_is_a_table_that_can_be_sorted(
    visitor: Visitor, keep_picture: Callable[[Page, str], None]
) -> None:
    page = visitor.open(f"#/{THERMOSTAT}/history")
    result = call(page, "history")
    table = result.get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_count(6)
    expect(table.locator("tbody tr")).to_have_count(7)
    keep_picture(page, "table")
    table.get_by_role("button", name="lowest").click()
    expect(table.locator("tbody tr").first).to_contain_text("16.04")
    table.get_by_role("button", name="lowest").click()
    expect(table.locator("tbody tr").first).to_contain_text("17.91")
    expect(table.locator('[aria-sort="descending"]')).to_have_text("lowest")
    result.get_by_role("button", name="Plot").click()
    expect(result.locator("svg .plot-line")).to_have_count(2)
    result.get_by_role("button", name="Tree").click()
    expect(result).to_contain_text("7 items")


def test_bytes_of_a_picture_are_shown_as_one(
    visitor: Visitor, keep_picture: Callable[[Page, str], None]
) -> None:
    page = visitor.open(f"#/{CAMERA}/picture")
    card(page, "picture").get_by_label("width", exact=True).fill("60")
    result = call(page, "picture")
    expect(result).to_contain_text(re.compile("60 . 120, PNG"))
    picture = result.get_by_role("img")
    assert picture.evaluate("image => image.naturalWidth") == 60
    keep_picture(page, "picture")
    with page.expect_download() as download:
        result.get_by_role("button", name="Save").click()
    assert download.value.suggested_filename == "result.png"


def test_other_bytes_are_told_and_files_are_sent(
    visitor: Visitor, tmp_path: Path
) -> None:
    page = visitor.open(f"#/{CAMERA}/raw")
    expect(call(page, "raw")).to_contain_text("Bytes, 400 bytes")
    card(page, "size_of").locator("summary").first.click()
    path = tmp_path / "picture.png"
    path.write_bytes(png(10, 10))
    card(page, "size_of").get_by_label("data", exact=True).set_input_files(path)
    expect(call(page, "size_of")).to_contain_text(str(path.stat().st_size))


def test_an_exception_is_shown_with_its_traceback_folded(
    visitor: Visitor, keep_picture: Callable[[Page, str], None]
) -> None:
    visitor.statuses.add(500)
    page = visitor.open(f"#/{THERMOSTAT}/fail")
    card(page, "fail").get_by_label("text", exact=True).fill("no water")
    result = call(page, "fail")
    expect(result.locator(".problem-title")).to_contain_text("RuntimeError")
    expect(result).to_contain_text("no water")
    expect(result).to_contain_text("ask the plumber")
    traceback = result.locator(".traceback pre")
    expect(traceback).to_be_hidden()
    keep_picture(page, "exception")
    result.get_by_text("Remote traceback").click()
    expect(traceback).to_be_visible()
    expect(traceback).to_contain_text("raise error")


def test_attributes_are_read_and_set(
    visitor: Visitor, thermostat: tuple[str, Thermostat]
) -> None:
    name, own = thermostat
    page = visitor.open(f"#/{name}")
    target = page.locator('.attribute[data-name="target"]')
    target.get_by_role("button", name="Read target").click()
    expect(target.locator(".result")).to_contain_text("20.5")
    target.get_by_role("button", name="Set target").click()
    target.get_by_label("New target", exact=True).fill("18.25")
    target.get_by_role("button", name="Set", exact=True).click()
    expect(target.locator(".result")).to_contain_text("18.25")
    assert own.target == 18.25
    expect(page.get_by_role("button", name="Set rooms")).to_have_count(0)


def test_a_oneway_call_says_that_it_has_no_answer(visitor: Visitor) -> None:
    page = visitor.open(f"#/{THERMOSTAT}/knock")
    expect(call(page, "knock")).to_contain_text("no answer")


def test_markup_is_text_wherever_it_comes_from(
    visitor: Visitor, showroom: Showroom
) -> None:
    visitor.statuses.add(500)
    showroom.register(f"http.{MARKUP}", Thermostat())
    page = visitor.open("#/http.lab.trap/markup")
    expect(page.locator("#objects")).to_contain_text(f"http.{MARKUP}")
    expect(page.locator("#objects")).to_contain_text(MARKUP)
    expect(page.locator("main > .doc")).to_contain_text("<script>alert(1)</script>")
    result = call(page, "markup")
    expect(result).to_contain_text(MARKUP)
    card(page, "markup").locator(".snippets summary").click()
    card(page, "fail").locator("summary").first.click()
    expect(call(page, "fail")).to_contain_text(MARKUP)
    page.locator("#objects a", has_text=f"http.{MARKUP}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"http.{MARKUP}")
    card(page, "heat").locator("summary").first.click()
    expect(call(page, "heat")).to_contain_text("room: hall")
    assert page.locator("script").count() == 2
    assert page.locator("img[src=x]").count() == 0
    assert page.title() != "1"
    showroom.remove(f"http.{MARKUP}")


def test_an_object_that_is_not_there_is_a_problem_with_a_hint(
    visitor: Visitor,
) -> None:
    visitor.statuses.add(404)
    page = visitor.open("#/http.nobody")
    expect(page.locator(".problem")).to_contain_text("http.nobody")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
