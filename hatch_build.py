"""Takes the built browser pages into the wheel, where there are any."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuiltPages(BuildHookInterface):
    """Adds web/dist as server/assets/web; a wheel built without it serves the API, and says so at /graphiql."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Leave an editable installation alone: it finds web/dist in the checkout."""
        dist = Path(self.root, "web", "dist")
        if version == "standard" and (dist / "graphiql.html").is_file():
            build_data["force_include"][str(dist)] = "server/assets/web"
