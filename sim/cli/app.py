"""The commands and the entry point; a command's real work is imported when it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from inspect import cleandoc
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from sim.cli.attribute import attribute
from sim.cli.compare import compare
from sim.cli.describe import describe
from sim.cli.errors import emit, note, report, silence, told_warnings, tolerant_streams
from sim.cli.export import export
from sim.cli.frontier import frontier
from sim.cli.list import list_
from sim.cli.new import new
from sim.cli.plan import plan
from sim.cli.plot import plot
from sim.cli.ramp import ramp
from sim.cli.report import report as report_
from sim.cli.resume import resume
from sim.cli.run import run
from sim.cli.schema import schema
from sim.cli.show import show
from sim.cli.sweep import sweep
from sim.cli.validate import validate
from sim.cli.verify import repro, verify
from sim.errors import UsageError, nearest, shown

HELP = "Simulate how shocks spread through networks of banks, platforms and technology firms."
EPILOG = (
    "Exit codes: 0 done, 2 usage, 3 bad input, 4 not certified, 5 resources or failed draws, 6 result folder, "
    "7 plug-in, 130 interrupted."
)
PIPE_CLOSED = 141


class Commands(TyperGroup):
    """The group of commands; an unknown one is answered with the nearest."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that `args` name.

        Parameters
        ----------
        ctx : typer context
            Where the parser stands.
        args : list of str
            Command and its arguments.

        Returns
        -------
        tuple
            Name, command and remaining arguments.

        Raises
        ------
        UsageError
            If there is no such command.
        """
        name = args[0]
        known = self.list_commands(ctx)
        if name not in known:
            raise UsageError(f"unknown command {shown(name)}{nearest(name, known)} (known: {', '.join(known)})")
        return super().resolve_command(ctx, args)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            emit(f"sim {version('contagion-sim')}")
        except PackageNotFoundError:
            emit("sim (not installed as a package)")
        raise typer.Exit


app = typer.Typer(
    name="sim", cls=Commands, help=HELP, epilog=EPILOG, rich_markup_mode=None, pretty_exceptions_enable=False
)
COMMANDS: dict[str, Callable[..., int]] = {
    "run": run,
    "resume": resume,
    "sweep": sweep,
    "compare": compare,
    "attribute": attribute,
    "frontier": frontier,
    "ramp": ramp,
    "validate": validate,
    "list": list_,
    "describe": describe,
    "new": new,
    "schema": schema,
    "show": show,
    "verify": verify,
    "repro": repro,
    "plot": plot,
    "report": report_,
    "export": export,
    "plan": plan,
}
for name, command in COMMANDS.items():
    # the help is the docstring's prose; what follows it is for readers of the code
    app.command(name, help=cleandoc(command.__doc__ or "").partition("\n\nParameters")[0])(command)


@app.callback(invoke_without_command=True)
def start(
    ctx: typer.Context,
    _asked: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Refuse a call that names no command.

    Parameters
    ----------
    ctx : typer.Context
        Where the parser stands.
    _asked : bool
        Handled before this is called.

    Raises
    ------
    UsageError
        If no command is named.
    """
    if ctx.invoked_subcommand is None:
        for line in ctx.get_help().splitlines():
            note(line)
        raise UsageError("a command is needed, such as: sim run")


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    args : sequence of str, optional
        Arguments without the program's name; by default those of the process.

    Returns
    -------
    int
        Exit code.
    """
    given = list(sys.argv[1:] if args is None else args)
    tolerant_streams()
    out = sys.stdout
    try:
        with told_warnings():
            code = get_command(app).main(args=given, prog_name="sim", standalone_mode=False)
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):  # the reader of a help text has gone away
            sys.stdout = out
            silence(out)
            return PIPE_CLOSED
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 the one place where every error becomes a line
        return report(error, debug="--debug" in given)
    return code if isinstance(code, int) else 0
