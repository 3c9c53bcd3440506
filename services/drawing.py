"""Draw a candidate's paper from an evaluation's sections and the seed kept on the session (domain.md sections 4, 8).

The same sections and seed give the same paper for ever, in any process, release or language, so nothing of Python's
own random module is used. The generator, form 1: block i (0, 1, 2 ...) of a purpose is the SHA-256 of the UTF-8 bytes
of the compact JSON array `["evalium-draw-1", seed, purpose..., i]`; each block is four unsigned 64-bit numbers, big
endian. A number below n is the next one below the largest multiple of n that fits, modulo n (others are thrown away,
so that no remainder is favoured). A shuffle is Fisher-Yates from the end. Each section, group and option list is a
purpose of its own: adding a section leaves the others as they were.
"""

import hashlib
import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from services.refusals import InvalidInput

T = TypeVar("T")

_ALL = 2**64


@dataclass(frozen=True, slots=True)
class PoolItem:
    """An item that may be drawn. `option_ids` are those whose order may change (`content.options_to_shuffle`)."""

    id: UUID
    group: str = ""
    option_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of an evaluation, its items in the author's order.

    `draw` takes so many of the items, `draw_per_group` one of each group, neither of them all.
    """

    id: UUID
    title: str
    items: tuple[PoolItem, ...]
    draw: int | None = None
    draw_per_group: bool = False
    shuffle_items: bool = False
    shuffle_options: bool = False


@dataclass(frozen=True, slots=True)
class DrawnItem:
    """An item on the paper; `position` counts from 1 over all sections. No `option_order` keeps the author's."""

    position: int
    section_id: UUID
    item_id: UUID
    option_order: tuple[str, ...] | None


def check(sections: Sequence[Section]) -> None:
    """Refuse sections from which no paper can be drawn, naming section and number."""
    if not sections:
        raise InvalidInput("An evaluation needs at least one section with items.", path=("sections",))
    seen: set[UUID] = set()
    for index, section in enumerate(sections):
        _check_section(section, ("sections", index))
        for item in section.items:
            if item.id in seen:
                raise InvalidInput(f"The item '{item.id}' stands twice.", path=("sections", index, "items"))
            seen.add(item.id)


def _check_section(section: Section, path: tuple[str | int, ...]) -> None:
    name, size = f"Section '{section.title}'", len(section.items)
    if not size:
        raise InvalidInput(f"{name} has no items.", path=(*path, "items"))
    if section.draw is not None:
        if section.draw_per_group:
            raise InvalidInput(f"{name} cannot draw both a number and one per group.", path=(*path, "draw"))
        if not 1 <= section.draw <= size:
            raise InvalidInput(f"{name} cannot draw {section.draw} of {size} items.", path=(*path, "draw"))
    if section.draw_per_group:
        for index, item in enumerate(section.items):
            if not item.group:
                said = f"{name} draws one item per group, but its item {index + 1} has no group."
                raise InvalidInput(said, path=(*path, "items", index))


def size(sections: Sequence[Section]) -> int:
    """Return how many items every paper has."""
    return sum(_section_size(section) for section in sections)


def _section_size(section: Section) -> int:
    if section.draw_per_group:
        return len({item.group for item in section.items})
    return len(section.items) if section.draw is None else section.draw


def draw(sections: Sequence[Section], seed: int) -> list[DrawnItem]:
    """Return the paper that this seed draws; refuse sections that `check` refuses."""
    check(sections)
    paper: list[DrawnItem] = []
    for section in sections:
        for item in _chosen(section, seed):
            order: tuple[str, ...] | None = None
            if section.shuffle_options and item.option_ids:
                order = tuple(shuffled(item.option_ids, seed, "options", str(section.id), str(item.id)))
            paper.append(DrawnItem(len(paper) + 1, section.id, item.id, order))
    return paper


def _chosen(section: Section, seed: int) -> list[PoolItem]:
    name = str(section.id)
    taken = list(section.items)
    if section.draw_per_group:
        groups: dict[str, list[PoolItem]] = {}
        for item in section.items:
            groups.setdefault(item.group, []).append(item)
        taken = [members[below(len(members), numbers(seed, "group", name, group))] for group, members in groups.items()]
    elif section.draw is not None:
        lots = shuffled(range(len(taken)), seed, "draw", name)[: section.draw]
        taken = [taken[lot] for lot in sorted(lots)]
    return shuffled(taken, seed, "items", name) if section.shuffle_items else taken


def numbers(seed: int, *purpose: str) -> Iterator[int]:
    """Yield the unsigned 64-bit numbers that belong to a seed and a purpose, without end."""
    block = 0
    while True:
        named = json.dumps(["evalium-draw-1", seed, *purpose, block], ensure_ascii=False, separators=(",", ":"))
        yield from struct.unpack(">4Q", hashlib.sha256(named.encode()).digest())
        block += 1


def below(bound: int, stream: Iterator[int]) -> int:
    """Return the next number from 0 to bound - 1, each equally likely."""
    limit = _ALL - _ALL % bound
    return next(number for number in stream if number < limit) % bound


def shuffled(values: Sequence[T], seed: int, *purpose: str) -> list[T]:
    """Return the values in the order that seed and purpose give, each order equally likely."""
    stream, result = numbers(seed, *purpose), list(values)
    for last in range(len(result) - 1, 0, -1):
        other = below(last + 1, stream)
        result[last], result[other] = result[other], result[last]
    return result
