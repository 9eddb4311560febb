"""What an accuracy says of itself."""

from __future__ import annotations

from loadfleet.workloads import Accuracy


def test_text_is_the_line_alone_or_below_a_table() -> None:
    assert Accuracy("acc", 50.0, line="accuracy=50.000%").text == "accuracy=50.000%\n"
    both = Accuracy("mAP", 50.0, line="mAP=50.000%", table=" AP = 0.500\n AR = 0.600")
    assert both.text == " AP = 0.500\n AR = 0.600\nmAP=50.000%\n"
