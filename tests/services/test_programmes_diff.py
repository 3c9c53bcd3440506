"""What differs between versions of a programme: a pure rule."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.programmes_diff import NOTHING, Change, ChangeKind, Said, between

KEYS = [UUID(int=n) for n in range(1, 7)]
FIELDS = st.fixed_dictionaries({"name": st.sampled_from(["A", "B"]), "min_percent": st.sampled_from([None, "70.00"])})
REQUIREMENTS = st.permutations(KEYS).flatmap(
    lambda keys: st.lists(FIELDS, max_size=6).map(lambda fields: dict(zip(keys, fields, strict=False)))
)
SAID = st.builds(Said, st.fixed_dictionaries({"name": st.sampled_from(["P", "Q"])}), REQUIREMENTS)


def applied(before: Said, changes: list[Change], after: Said) -> Said:
    """What becomes of a version when the changes are made to it; only what is added is looked up."""
    whole, below = dict(before.whole), {key: dict(fields) for key, fields in before.requirements.items()}
    names = {"name": "name", "minPercent": "min_percent"}
    places: dict[UUID, int] = {}
    for one in changes:
        if one.key is None:
            assert one.field is not None
            whole[names[one.field]] = one.after
        elif one.kind is ChangeKind.ADDED:
            below[one.key] = dict(after.requirements[one.key])
        elif one.kind is ChangeKind.REMOVED:
            del below[one.key]
        elif one.kind is ChangeKind.MOVED:
            assert one.after is not None
            places[one.key] = int(one.after)
        else:
            assert one.field is not None
            below[one.key][names[one.field]] = one.after
    kept = [key for key in below if key in before.requirements]
    placed = {places.get(key, at): key for at, key in enumerate(kept, 1)}
    order = [placed[at] for at in sorted(placed)]
    return Said(whole, {key: below[key] for key in [*order, *(key for key in below if key not in order)]})


@given(SAID, SAID)
def test_the_changes_make_one_of_the_other(before: Said, after: Said):
    found = applied(before, between(before, after), after)
    assert (found.whole, found.requirements) == (after.whole, after.requirements)
    order = [key for key in after.requirements if key in before.requirements]
    assert [key for key in found.requirements if key in before.requirements] == order


@given(SAID)
def test_nothing_differs_from_itself_and_everything_from_nothing(one: Said):
    assert between(one, one) == []
    kinds = [change.kind for change in between(NOTHING, one) if change.key is not None]
    assert kinds == [ChangeKind.ADDED] * len(one.requirements)
