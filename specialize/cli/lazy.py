"""Command groups that import a command on first use, so that help and completion stay fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

from specialize.errors import closest


@dataclass(frozen=True, slots=True)
class Lazy:
    """Module that defines a command as `command`, and its line in the list of commands."""

    module: str
    help: str


class LazyGroup(click.Group):
    """Command group that holds the names and modules of its commands.

    Args:
        commands_at: Name of a command -> its module and help.
        kwargs: As for `click.Group`.
    """

    def __init__(self, *args: Any, commands_at: Mapping[str, Lazy] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands_at = dict(commands_at or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table, which is the order of use, not alphabetical."""
        return list(self.commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command. An unknown name is a usage error that suggests the closest one."""
        if cmd_name not in self.commands_at:
            ctx.fail(f"no such command {cmd_name!r}; {closest(cmd_name, self.commands_at)}")
        command = import_module(self.commands_at[cmd_name].module).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in self.commands_at.items()])
