import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import run_label
from services.refusals import InvalidInput


@pytest.mark.parametrize(
    ("name", "on", "label"),
    [
        ("Compliance", date(2026, 1, 1), "Compliance_Q1_2026"),
        ("Compliance", date(2026, 3, 31), "Compliance_Q1_2026"),
        ("Compliance", date(2026, 4, 1), "Compliance_Q2_2026"),
        ("Compliance", date(2026, 12, 31), "Compliance_Q4_2026"),
        ("Fire safety: part 2 (new)", date(2026, 7, 1), "Fire_safety_part_2_new_Q3_2026"),
        ("Élève d'été", date(2026, 7, 1), "Eleve_dete_Q3_2026"),
        ("ISO-27001 v2.1", date(2026, 7, 1), "ISO-27001_v2.1_Q3_2026"),
        ("安全", date(2026, 7, 1), "Assessment_Q3_2026"),
        ("", date(2026, 7, 1), "Assessment_Q3_2026"),
    ],
)
def test_a_label_names_evaluation_and_quarter(name: str, on: date, label: str) -> None:
    assert run_label.generated(name, on) == label


@given(st.text(max_size=200), st.dates())
def test_every_generated_label_is_a_good_one(name: str, on: date) -> None:
    label = run_label.generated(name, on)
    assert run_label.checked(label) == label
    assert re.search(r"[A-Za-z0-9]_Q[1-4]_\d{4}$", label)


@pytest.mark.parametrize("label", ["a", "Compliance_Q1_2026", "x" * 80, "a.b-c_d"])
def test_good_labels_are_kept(label: str) -> None:
    assert run_label.checked(label) == label


@pytest.mark.parametrize("label", ["", "a b", "x" * 81, "é", "a/b", "a\n", "<b>"])
def test_other_labels_are_refused(label: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        run_label.checked(label)
    assert refused.value.path == ("runLabel",)
