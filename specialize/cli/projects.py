"""Options that `specialize.toml` sets where the command line does not."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import click
from click.core import ParameterSource

from specialize.files.project import BELONGS, Project, read_project

_KEPT = "specialize.project"
STORE = "SPECIALIZE_STORE"


class FromProject(click.Option):
    """An option whose value the project file may hold; the command line and the environment win."""

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, ParameterSource]:
        """Return the value and where it is from, and say once which file was read.

        Raises:
            InputError: The project file is wrong.
        """
        value, source = super().consume_value(ctx, opts)
        if source in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT):
            return value, source
        project = _project(ctx)
        used = [option.name for option in ctx.command.params if _is_set(option, project, opts)]
        if self.name not in used:
            return value, source
        _say_once(ctx, project, used)
        return project.settings[str(self.name)], ParameterSource.DEFAULT_MAP


def use_store() -> None:
    """Use the store that the project file names, unless the environment names one.

    Raises:
        InputError: The project file is wrong.
    """
    store = read_project().settings.get("store")
    if store is not None and not os.environ.get(STORE):
        os.environ[STORE] = str(store)


def _is_set(option: click.Parameter, project: Project, opts: Mapping[str, Any]) -> bool:
    name = str(option.name)
    there = isinstance(option, FromProject) and name in project.settings and name not in opts
    return there and BELONGS.get(name) not in opts


def _project(ctx: click.Context) -> Project:
    if _KEPT not in ctx.meta:
        ctx.meta[_KEPT] = read_project()
    project = ctx.meta[_KEPT]
    assert isinstance(project, Project)
    return project


def _say_once(ctx: click.Context, project: Project, used: Sequence[str | None]) -> None:
    from specialize.cli.output import say

    if not ctx.meta.get(f"{_KEPT}.said"):
        ctx.meta[f"{_KEPT}.said"] = True
        say(f"{project.path}: {', '.join(f'{name} = {project.settings[str(name)]}' for name in used)}")
