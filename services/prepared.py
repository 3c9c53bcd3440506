"""Statements that are built once for each form of a question, and then run by the driver alone.

To build and compile a statement costs the ORM more than the database needs to answer it. A form is everything that
decides the text: which filters, which order, forwards or backwards. What changes from call to call is a bound value.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import BindParameter, Executable, bindparam
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.types import TypeEngine

from services.work import Work

KEPT: Final = 1000
"""How many statements are kept; past it all are forgotten, since no more than a few forms are ever in use."""

_DIALECT: Final = cast("Callable[[], Any]", PGDialect_asyncpg)()


def given(name: str, kind: TypeEngine[Any] | None = None) -> BindParameter[Any]:
    """Return the place of a value that each call gives; its kind where nothing that it is compared with tells it."""
    return bindparam(name, None, type_=kind, required=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement as text, the names of its values in order, and those values that stand in the statement itself."""

    text: str
    names: Sequence[str]
    fixed: Mapping[str, Any]

    @classmethod
    def of(cls, statement: Executable) -> "Prepared":
        """Compile a statement; what stands in it as `given(name)` is given at each call."""
        compiled: Any = cast("Any", statement).compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        return cls(str(compiled), tuple(compiled.positiontup or ()), fixed)

    async def fetch(self, work: Work, values: Mapping[str, Any]) -> Sequence[Any]:
        """Run it in a work's transaction and return its records."""
        fixed = self.fixed
        return await work.fetch(self.text, *[values[name] if name in values else fixed[name] for name in self.names])


class Forms:
    """The prepared forms of one question, or of several, by what decides their text."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Prepared] = {}

    def of(self, form: Hashable, build: Callable[[], Executable]) -> Prepared:
        """Return the statement of a form; `build` is asked when it is needed for the first time."""
        found = self._kept.get(form)
        if found is None:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            found = self._kept[form] = Prepared.of(build())
        return found
