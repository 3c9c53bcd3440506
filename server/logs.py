"""Structured logs on standard error: one JSON object a line, or coloured text on a terminal."""

import logging
import os
import sys
import warnings

import structlog
from structlog.typing import EventDict, WrappedLogger


def configure(level: str) -> None:
    """Send our logs, and what libraries warn of, to standard error from `level` on."""
    severity = logging.getLevelNamesMapping()[level.upper()]
    human = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if human else [_name_process, structlog.processors.format_exc_info]),
            structlog.dev.ConsoleRenderer() if human else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(severity),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    for name in ("GraphQLCoreConverter", "Executor"):  # what graphql-core had not begun when an operation was cut
        warnings.filterwarnings("ignore", f"coroutine '{name}", RuntimeWarning)
    logging.basicConfig(level=max(severity, logging.WARNING), stream=sys.stderr)


def _name_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Tell the lines of several workers apart; a line about another process names that one."""
    event.setdefault("pid", os.getpid())
    return event
