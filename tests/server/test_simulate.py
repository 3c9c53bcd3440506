"""What a simulation makes of what it sees: percentiles, delays, and the differences that it is there to find."""

from array import array
from time import perf_counter

from server import simulate_views
from server.simulate_proctors import Timeline
from server.simulate_report import Report
from server.simulate_tally import Shares, Tally
from server.simulate_views import Verdict, View

NOTHING = Shares.of(array("d"))


def report(**amiss) -> Report:
    verdict = {"events": 9, "views": 1, "deliveries": 9, "different": 0, "missing": 0, "twice": 0, "reordered": 0}
    found = Verdict(**{name: amiss.pop(name, value) for name, value in verdict.items()})
    told = {"gave_up": [], "amiss": 0, **amiss}
    return Report(
        label="x",
        seconds=1,
        operations={},
        errors={},
        delay=NOTHING,
        late=NOTHING,
        frames=0,
        cuts=0,
        verdict=found,
        timelines=0,
        **told,
    )


def test_percentiles_are_of_the_values_that_were_seen():
    assert Shares.of(array("d", range(200, 0, -1))) == Shares(200, 101, 181, 199, 200)
    assert Shares(0, 0, 0, 0, 0) == NOTHING


def test_an_event_is_late_by_the_time_after_its_acknowledgement_and_never_less_than_nothing():
    tally = Tally()
    early, later = tally.code("s", 1), tally.code("s", 2)
    tally.arrived(early)
    tally.arrived(early)
    tally.acknowledged("s", 1)
    assert list(tally.delays) == [0.0, 0.0]
    began = perf_counter()
    tally.acknowledged("s", 2)
    tally.arrived(later)
    assert 0 <= tally.delays[2] <= perf_counter() - began
    assert tally.code("t", 1) not in (early, later)


def test_what_is_missing_twice_or_out_of_order_is_counted():
    found = array("q", [1, 2, 3, 4])
    assert simulate_views._compared(array("q", [1, 2, 3, 4]), found) == (0, 0, 0)
    assert simulate_views._compared(array("q", [1, 3, 4]), found) == (1, 0, 0)
    assert simulate_views._compared(array("q", [1, 2, 2, 3, 4]), found) == (0, 1, 0)
    assert simulate_views._compared(array("q", [1, 3, 2, 4]), found) == (0, 0, 1)


def test_a_timeline_counts_from_one_without_a_gap():
    timeline = Timeline("s", "session-0")
    timeline.take({"events": [{"seq": 1}, {"seq": 2}], "cursor": "a"})
    assert (timeline.missing, timeline.twice, timeline.following["after"]) == (0, 0, "a")
    timeline.take({"events": [{"seq": 2}, {"seq": 5}], "cursor": "b"})
    assert (timeline.missing, timeline.twice) == (2, 1)


def test_a_view_shows_the_row_of_the_last_event_and_idle_is_live():
    view = View("a", Tally())
    row = {"id": "s", "displayStatus": "LIVE", "answeredCount": 1, "itemCount": 3, "focusLostCount": 0}
    view.take({"events": [{"seq": 1, "session": row}], "cursor": "a"})
    view.take({"events": [{"seq": 2, "session": row | {"displayStatus": "IDLE", "answeredCount": 2}}], "cursor": "b"})
    assert (view.rows, view.cursor, len(view.received)) == ({"s": ("LIVE", 2, 3, 0)}, "b", 2)


def test_a_run_is_whole_when_nothing_at_all_is_amiss():
    assert report().is_whole
    amiss = [{name: 1} for name in ("different", "missing", "twice", "reordered", "amiss")]
    assert not any(report(**one).is_whole for one in [*amiss, {"gave_up": ["AnswerSave: FORBIDDEN"]}])
