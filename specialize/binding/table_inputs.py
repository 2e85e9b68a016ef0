"""Tables of a vehicle: the inputs that an engine for many vehicles takes of each.

A build in mode `tables` keeps the part of its model that the tables follow from, in `tables.onnx`: what the
calibration alone determines, and the operators around the places where rows are dropped. Compiling that part for
another calibration takes as long as folding its geometry; no row-wise work is computed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from specialize.artifact import Build
from specialize.binding.capacity_file import Needs, explain
from specialize.binding.query_contents import hide_contents
from specialize.binding.relink import program as portable
from specialize.binding.table_program import (
    BEVPOOL,
    GRAPH,
    PROGRAM,
    RELINK,
    linked,
    read_link,
    require_cameras,
    table_options,
)
from specialize.binding.witnessed.disagreement import disagree
from specialize.binding.witnessed.frustum import Compared, compare_frustums
from specialize.binding.witnessed.geometry import compare_inputs
from specialize.binding.witnessed.pools import learn_pools, require_bevpool, require_pools
from specialize.binding.witnessed.tables import Recipe, TablesWitness, compare_folded
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import StaleError
from specialize.graph.io import read_graph
from specialize.model.spec import ModelSpec, parse_spec
from specialize.passes.bind import feeds_of
from specialize.passes.externalize import Array, read_tables, signature
from specialize.passes.pipeline import Specialized, compact_graph
from specialize.rows.arrange import Packing
from specialize.rows.capacity import NoRoomError, Room
from specialize.rows.table_input import Table
from specialize.text.record import from_json, to_json
from specialize.witness.rig import Rig


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """What makes the tables of any vehicle.

    Attributes:
        path: The part of the model that tables follow from.
        spec: What the model's graph does not say.
        cameras: Names, in order.
        packing: Layout, alignment and rooms.
        tables: The tables and where they are in the compiled part.
        signature: Digest of the compiled part without the tables; empty until it is known.
        recipe: How the witness computes the tables.
        link: The portable program that makes them; None where the part is compiled for each vehicle.
        declined: Why there is none.
        graph: The same as an ONNX file, when it is found; empty where that cannot be.
        no_graph: Why not.
        bevpool: What makes the arrays of `BEVPoolV2`, when it is found; None without one.
        no_bevpool: Why there is none.
    """

    path: Path
    spec: ModelSpec
    cameras: tuple[str, ...]
    packing: Packing
    tables: tuple[Table, ...] = ()
    signature: str = ""
    recipe: Recipe = field(default_factory=Recipe)
    link: portable.Program | None = None
    declined: str = ""
    graph: bytes = b""
    no_graph: str = ""
    bevpool: portable.Program | None = None
    no_bevpool: str = ""

    def with_rooms(self, rooms: Needs) -> Program:
        """Return the same with room kept for any vehicle."""
        return dataclasses.replace(
            self, packing=dataclasses.replace(self.packing, rooms=tuple(rooms.items()))
        )

    def compile(self, profile: CalibrationProfile) -> tuple[Specialized, frozenset[str]]:
        """Return the part compiled for one vehicle, and the names of the constants that all have in common.

        Raises:
            StaleError: The vehicle has other cameras, or does not fit.
        """
        require_cameras(profile, self.cameras)
        model = read_graph(self.path)
        shared = frozenset(model.graph.initializers)
        packing = dataclasses.replace(self.packing, shared=shared if self.packing.rooms else frozenset())
        contents = hide_contents(model, self.spec)
        try:
            compiled = compact_graph(model, feeds_of(model, self.spec, profile), packing)
            contents.restore()
            return compiled, shared
        except NoRoomError as error:
            raise explain(error, profile.vehicle, self.cameras) from error

    def contents(self, profile: CalibrationProfile) -> dict[str, Array]:
        """Return the tables of one vehicle.

        Raises:
            StaleError: The vehicle does not fit what was built.
        """
        if self.link is not None:
            return linked(self.link, profile, self.cameras)
        compiled, shared = self.compile(profile)
        names = compiled.model.graph.initializers
        missing = [table for table in self.tables if not any(name in names for name in table.members)]
        if missing or signature(compiled.model, self.tables, shared) != self.signature:
            hint = "build this vehicle on its own; if specialize itself is newer than the build, build that again"
            raise StaleError(profile.vehicle, "a graph that looks like the build's", "another one", hint)
        return read_tables(compiled.model, self.tables)

    def witness(self, rig: Rig, contents: Mapping[str, Array]) -> TablesWitness:
        """Return what compares the tables of a vehicle with the witness.

        Raises:
            VerificationError: They are of other pairs than the vehicle's cameras see.
        """
        return TablesWitness(self.tables, dict(self.packing.rooms), self.spec, rig, contents)

    def learned(
        self, vehicles: Sequence[tuple[CalibrationProfile, Mapping[str, Array]]], rigs: Sequence[Rig]
    ) -> Program:
        """Return the same with what the tables of the vehicles that the engine is built over are.

        Raises:
            VerificationError: A sum, a gather or a pooling is not of the visible sets.
        """
        (profile, contents), *others = vehicles
        recipe = self.witness(rigs[0], contents).learn()
        for (_, table), rig in zip(others, rigs[1:], strict=True):
            recipe = self.witness(rig, table).narrow(recipe)
        orders = self.orders(self.pooled(profile, rigs[0], contents))
        if any(orders):
            pools = learn_pools(self.tables, dict(self.packing.rooms), self.spec, rigs[0], contents, orders)
            recipe = dataclasses.replace(recipe, order="; ".join(orders), pools=pools)
        if self.bevpool is not None:
            require_bevpool(linked(self.bevpool, profile, self.cameras), self.spec, rigs[0])
        return dataclasses.replace(self, recipe=recipe)

    def compare(self, profile: CalibrationProfile, rig: Rig, contents: Mapping[str, Array]) -> dict[str, str]:
        """Compare the tables of a vehicle with the witness; return what each was compared with, by name.

        The graph is run where the tables do not show which points they pool.

        Raises:
            VerificationError: They differ by more than rounding.
        """
        fed = feeds_of(read_graph(self.path), self.spec, profile)
        compare_inputs(self.spec, [fed], [rig])
        witness = self.witness(rig, contents)
        witness.require(self.recipe)
        pooled = () if self.recipe.pools else self.pooled(profile, rig, contents)
        how = {**witness.how, **compare_folded(self.path, self.tables, contents, fed)}
        how |= require_pools(self.recipe.pools, self.spec, rig, contents)
        order = "; ".join(self.orders(pooled))
        if pooled and order != self.recipe.order:
            disagree("tables of the pooling", f"cells in the order {self.recipe.order}", order)
        for each in pooled:
            if isinstance(each, Compared):
                read = f"sums of {each.record.cells:,} cells: {each.record.kept:,} points"
                how |= {table.name: read for table in self.tables if each.reads & set(table.members)}
        return how

    def orders(self, pooled: Sequence[Compared | str]) -> list[str]:
        """Return per grid of cells the order of its axes; empty where no pooling into it was compared."""
        count = 0 if self.spec.frustum is None else 1 + len(self.spec.frustum.other_cells)
        known = {each.grid: each.record.order for each in pooled if isinstance(each, Compared)}
        return [known.get(grid, "") for grid in range(count)]

    def pooled(
        self, profile: CalibrationProfile, rig: Rig, contents: Mapping[str, Array]
    ) -> tuple[Compared | str, ...]:
        """Compare what the tables of a vehicle pool with the witness, per grid of cells; say why where that cannot be.

        Raises:
            VerificationError: A cell is the sum of other points than land in it.
        """
        if self.spec.frustum is None:
            return ()
        given = {name: contents[table.name] for table in self.tables for name in table.members}
        compiled, _ = self.compile(profile)
        return compare_frustums(compiled.model, self.spec, rig, given, "tables of the pooling")

    def to_json(self) -> dict[str, object]:
        """Return what the manifest keeps of it."""
        return {
            "rooms": to_json(dict(self.packing.rooms)),
            "tables": [{"name": table.name, "members": list(table.members)} for table in self.tables],
            "signature": self.signature,
            "witness": to_json(self.recipe),
            "relink": {"declined": self.declined}
            if self.link is None
            else {"file": RELINK} | self._others_json(),
        }

    def _others_json(self) -> dict[str, str]:
        graph = {"graph": GRAPH} if self.graph else {"no_graph": self.no_graph}
        return graph | ({"bevpool": BEVPOOL} if self.bevpool else {"no_bevpool": self.no_bevpool})


def program_of(build: Build) -> Program:
    """Return what a build makes tables with.

    Raises:
        UsageError: The build has no tables.
    """
    manifest, options = build.manifest, table_options(build)
    rooms: Needs = from_json(options["rooms"], dict[str, Room])
    return Program(
        path=build.file(PROGRAM),
        spec=parse_spec(manifest.spec, f"{build.folder}: spec of the manifest"),
        cameras=manifest.cameras,
        packing=Packing(manifest.layout, manifest.align, rooms=tuple(rooms.items()), many=True),  # type: ignore[arg-type]
        tables=tuple(Table(entry["name"], tuple(entry["members"])) for entry in options["tables"]),
        signature=options["signature"],
        recipe=from_json(options["witness"], Recipe),
        link=read_link(build.file(RELINK)) if "file" in options["relink"] else None,
        declined=options["relink"].get("declined", ""),
    )
