from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from django_q.dashboard.charts.drawing import (
    bars_of,
    chart,
    draw_frame,
    lines_of,
    mark_lines,
    path_of,
)


def test_a_chart_is_an_image_with_a_text_and_without_styles():
    frame = draw_frame(["", "12:00", "", ""], ["", "one <run>", "", ""], [(0.5, "v12")])

    drawn = chart(frame, [(1.0, "10")], bars_of("runs", [0, 0.5, 1, 0]), "Ended: 15")

    assert "style" not in drawn
    scale, image = ET.fromstring(drawn)
    assert image.attrib["aria-label"] == "Ended: 15"
    assert len(image.findall("g[@class='dash-runs']/rect")) == 2
    assert [each.text for each in image.iter("title")] == ["one <run>"]
    assert {each.text for each in image.iter("text")} == {"12:00", "v12"}
    # Beside the plot, so that it covers no step.
    assert [each.text for each in scale.iter("text")] == ["10"]


def test_a_line_is_level_within_a_step_and_has_gaps():
    assert path_of([0.0, 1.0, None, 0.5]) == "M0 1000H250V0H500M750 500H1000"
    assert path_of([None, None]) == "M0 0"


def test_each_line_has_its_class():
    assert re.findall('class="([^"]*)"', lines_of([("p50", [0.1]), ("p99", [0.2])])) == [
        "dash-line dash-p50",
        "dash-line dash-p99",
    ]


def test_marks_that_are_close_to_one_another_have_one_label():
    drawn = mark_lines([(0.10, "v1"), (0.11, "v2"), (0.9, "<v3>")])

    assert drawn.count("<line") == 3
    assert re.findall('text-anchor="([^"]*)">([^<]*)<', drawn) == [
        ("start", "v1"),
        ("end", "&lt;v3&gt;"),
    ]
