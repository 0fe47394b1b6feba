"""The command group: commands loaded lazily, `profile` for any other first word, errors in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from calprof import __version__
from calprof.models.blueprint import is_ours

COMMANDS = {
    "profile": "calprof.cli.profile",
    "ops": "calprof.cli.ops",
    "train-time": "calprof.cli.train_time",
    "formula": "calprof.cli.formula",
}
"""Name of each command to the module whose `command` it is. To add one, write the file and a line here."""

DEFAULT = "profile"


class Commands(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports a command's module and returns its command."""
        home = COMMANDS.get(cmd_name)
        if home is None:
            return None
        command: click.Command = import_module(home).command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Takes whatever is no command and no option of the group for a model to profile."""
        own = {option for param in self.get_params(ctx) for option in param.opts}
        if not args:
            args = ["--help"]
        elif args[0] not in COMMANDS and args[0] not in own:
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the group's options and commands, then the options of the default command."""
        super().format_options(ctx, formatter)
        command = self.get_command(ctx, DEFAULT)
        assert command is not None
        records = [record for param in command.get_params(ctx) if (record := param.get_help_record(ctx))]
        with formatter.section("Options of a profile"):
            formatter.write_dl([record for record in records if not record[0].startswith("--help")])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs the command line; an error becomes one sentence and exit status 2."""
        given = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in given
        given = [word for word in given if word != "--debug"]
        try:
            status = super().main(given, prog_name, complete_var, standalone_mode=False, **extra)
        except (click.Abort, KeyboardInterrupt):
            click.echo("calprof: interrupted", err=True)
            sys.exit(130)
        except Exception as error:
            if debug or not standalone_mode:
                raise
            fail(sentence(error))
        if not standalone_mode:
            return status
        sys.exit(status if isinstance(status, int) else 0)


def fail(message: str) -> NoReturn:
    """Writes one sentence to standard error and exits with status 2."""
    click.echo(f"calprof: {message}", err=True)
    sys.exit(2)


def sentence(error: Exception) -> str:
    """Returns an error in one line: its own message, and its type where calprof did not raise it.

    Example:
        >>> sentence(ValueError("unknown sort 'size'"))
        "unknown sort 'size'"
    """
    if isinstance(error, click.UsageError):
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        return " ".join(error.format_message().split()).rstrip(".") + hint
    if isinstance(error, click.ClickException):
        return " ".join(error.format_message().split())
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    text = " ".join(str(error).split()) or "no message"
    if isinstance(error, (ValueError, TypeError)) and is_ours(error):
        return text
    return f"{type(error).__name__}: {text} (--debug shows where)"


@click.group(
    cls=Commands,
    subcommand_metavar="MODEL|COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__)
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
def cli() -> None:
    """FLOPs, MACs and parameters of a PyTorch model, from one forward.

    \b
    calprof resnet50                         profile a torchvision model
    calprof resnet50 --depth 2 --train       two levels of modules, with the backward pass
    calprof resnet50 --json - --convention matmul
    """  # noqa: D301


def main() -> None:
    """Runs the command line; the entry point of `calprof`."""
    # Names of modules may hold what the terminal's encoding cannot show.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    cli.main(prog_name="calprof")
