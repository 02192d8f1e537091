"""The `autograder` command."""

from __future__ import annotations

import builtins
import contextlib
import gc
import importlib.util
import io
import os
import sys
import tokenize
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from autograder.observe import ModeTrace, TraceFinding

_PICTURES = (".svg", ".png", ".pdf")
#: True of a block of code, but no fault in a script: it may end with its switches as it likes.
_BLOCK_RULES = frozenset({"grad-mode-leaked", "mode-not-restored"})
#: The commands that need more than learners have.
_INSTRUCTORS = frozenset({"collect", "export", "feedback", "grade", "release", "report"})
_INTERRUPTED = 128 + 2  # what a shell reports for Ctrl-C


class _Refusal(click.ClickException):
    """Bad input: one line, exit status 2."""

    exit_code = 2


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        found = super().list_commands(ctx)
        if importlib.util.find_spec("autograder.grading") is None:  # the learners' package
            found = [name for name in found if name not in _INSTRUCTORS]
        return found

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            if ctx.invoked_subcommand in _INSTRUCTORS:
                raise _Refusal(
                    f"`{ctx.invoked_subcommand}` is for instructors and needs {error.name}, which the learners' "
                    "package leaves out. Run it in the course's own environment (make env)."
                ) from error
            raise


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="autograder", prog_name="autograder")
def main() -> None:
    """Watch, check and grade PyTorch code that sets the mode and the gradient switch."""


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--fail-on-findings", is_flag=True, help="End with status 1 if anything looks wrong, for CI.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="PICTURE",
    help="Where to write the timeline (.svg, .png or .pdf). Default: SCRIPT-timeline.svg in the current folder.",
)  # fmt: skip
@click.argument("script", type=click.Path(path_type=Path))
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def trace(script: Path, args: tuple[str, ...], output: Path | None, fail_on_findings: bool) -> None:
    """Run a training SCRIPT, unchanged, and say what looks wrong with its two switches.

    What stands after SCRIPT is handed to it. PyTorch is loaded before the script starts: environment variables that it
    reads while loading (OMP_NUM_THREADS) are to be set outside.

    The exit status is the script's own, or 2 if there was nothing to run. With --fail-on-findings, a script that ends
    with status 0 gives 1 if there are findings.
    """
    code = _compiled(script)
    picture = _picture_path(script, output)

    from autograder.observe import ModeTrace

    started_in = Path.cwd()
    watched = ModeTrace()
    status = _run(code, script, args, watched)
    sys.stdout.flush()
    found = _report(watched, started_in, picture, interrupted=status == _INTERRUPTED)
    sys.exit(status or int(fail_on_findings and bool(found)))


def _compiled(script: Path) -> CodeType:
    name = click.format_filename(script)
    if script.is_dir():
        raise _Refusal(f"{name} is a folder. Name the Python file to run.")
    if not script.exists():
        raise _Refusal(f"{name} does not exist. Name a Python file to run.")
    try:
        source = script.read_bytes()
    except OSError as error:
        raise _Refusal(f"{name} cannot be read: {error.strerror}.") from error
    if script.suffix == ".ipynb":
        raise _Refusal(f"{name} is a notebook. Use ModeTrace in it, or export it: jupyter nbconvert --to script {name}")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        source.decode(encoding)
        return compile(source, str(script.absolute()), "exec", dont_inherit=True)
    except (SyntaxError, ValueError, UnicodeDecodeError) as error:
        line = getattr(error, "lineno", None)
        where = f", line {line}" if line else ""
        reason = getattr(error, "msg", None) or str(error).partition("\n")[0]
        if script.suffix not in (".py", ".pyw"):
            raise _Refusal(f"{name} is not a Python file ({reason}{where}).") from error
        raise _Refusal(f"{name} cannot be run{where}: {reason}.") from error


def _picture_path(script: Path, output: Path | None) -> Path:
    # resolved before the script can change the folder
    path = (output or Path(f"{script.stem}-timeline.svg")).absolute()
    if path.suffix.lower() not in _PICTURES:
        raise _Refusal(f"{click.format_filename(path.name)}: a timeline is written as {', '.join(_PICTURES)}.")
    if not path.parent.is_dir():
        raise _Refusal(f"the folder of {click.format_filename(str(output))} does not exist.")
    return path


def _run(code: CodeType, script: Path, args: tuple[str, ...], watched: ModeTrace) -> int:
    """Run the script as `python SCRIPT ARGS` would; its exit status."""
    sys.argv = [str(script), *args]
    sys.path[0] = str(script.resolve().parent)
    program = ModuleType("__main__")
    program.__dict__.update(__file__=code.co_filename, __builtins__=builtins)
    # not runpy.run_path: it takes the module away again, and a program's exit handlers may still need it
    sys.modules["__main__"] = program
    try:
        with watched:
            exec(code, program.__dict__)
    except SystemExit as stop:
        return _status(stop.code)
    except KeyboardInterrupt as error:
        _show(error, code.co_filename)
        return _INTERRUPTED
    except BaseException as error:
        _show(error, code.co_filename)
        return 1
    return 0


def _status(code: object) -> int:
    if code is None or isinstance(code, int):
        return int(code or 0)
    click.echo(code, err=True)
    return 1


def _show(error: BaseException, script: str) -> None:
    """The traceback as Python shows it: beginning in the script, without the frames of the trace."""
    ours = str(Path(__file__).parent)
    steps = []
    at = error.__traceback__
    while at is not None:
        if not at.tb_frame.f_code.co_filename.startswith(ours):
            steps.append(at)
        at = at.tb_next
    shown: TracebackType | None = None
    for step in reversed(steps):
        shown = TracebackType(shown, step.tb_frame, step.tb_lasti, step.tb_lineno)
        if step.tb_frame.f_code.co_filename == script and step.tb_frame.f_code.co_name == "<module>":
            break
    sys.stdout.flush()
    traceback.print_exception(type(error), error, shown)


# ---------------------------------------------------------------------- what was found


def _report(watched: ModeTrace, folder: Path, picture: Path, *, interrupted: bool) -> list[TraceFinding]:
    seen = any(e.kind in ("forward", "backward", "step") for e in watched.events)
    found = [f for f in watched.findings() if f.rule not in _BLOCK_RULES]
    click.echo()
    click.echo(_headline(watched, found, seen, interrupted))
    for finding in found:
        click.echo()
        click.echo(_told(finding, folder))
    for note in watched.notes:
        click.echo()
        click.echo(f"Note: {note}")
    if seen:
        click.echo()
        try:
            watched.timeline().savefig(picture)
        except OSError as error:
            click.echo(f"The timeline could not be written to {picture}: {error.strerror}.", err=True)
        else:
            click.echo(f"Timeline: {_relative(str(picture), folder)}")
    return found


def _headline(watched: ModeTrace, found: list[TraceFinding], seen: bool, interrupted: bool) -> str:
    start = "Interrupted. " if interrupted else ""
    if not seen:
        return f"{start}The script made no forward pass, no backward and no optimizer step: nothing to say."
    counts = [
        _counted(sum(e.kind == "forward" and e.depth == 0 and "loss" not in e.detail for e in watched.events), "pass"),
        _counted(sum(e.kind == "backward" for e in watched.events), "backward"),
        _counted(sum(e.kind == "step" for e in watched.events), "step"),
    ]
    more = f" in the first {len(watched.events)} of {len(watched.events) + watched.truncated} events"
    more = more if watched.truncated else ""
    verdict = _counted(len(found), "finding").capitalize() + (":" if found else ".")
    return f"{start}Traced {', '.join(counts)}{more}. {verdict}"


def _counted(number: int, word: str) -> str:
    plural = {"pass": "forward passes", "backward": "backwards", "step": "optimizer steps"}.get(word, word + "s")
    single = {"pass": "forward pass", "step": "optimizer step"}.get(word, word)
    return f"{number or 'no'} {single if number == 1 else plural}"


def _told(finding: TraceFinding, folder: Path) -> str:
    where = f"{_relative(finding.file, folder)}:{finding.line}: " if finding.file else ""
    times = f" ({finding.count} times)" if finding.count > 1 else ""
    return f"{where}{finding.rule}{times}\n" + click.wrap_text(finding.message, 100, "    ", "    ")


def _relative(path: str, folder: Path) -> str:
    absolute = Path(os.path.normpath(folder / path))
    return str(absolute.relative_to(folder)) if absolute.is_relative_to(folder) else str(absolute)


# ---------------------------------------------------------------------- grade

_course = click.option(
    "--course", type=click.Path(path_type=Path, file_okay=False), default=Path(), metavar="FOLDER",
    help="The course folder, with nbgrader_config.py. Default: the current one.",
)  # fmt: skip
_db = click.option("--db", metavar="URL", help="The gradebook, as sqlite:///PATH or postgresql+psycopg://HOST/NAME.")


@main.command()
@click.argument("problem_set")
@click.option("--student", "students", multiple=True, metavar="NAME", help="Grade this learner only; may be repeated.")
@click.option(
    "--jobs", type=click.IntRange(1), metavar="N", help="Worker processes. Default: one more than there are processors."
)
@click.option("--scheduler", metavar="ADDRESS", help="Grade on the workers of this Dask scheduler, as tcp://HOST:8786.")
@click.option("--force", is_flag=True, help="Grade again what has been graded.")
@_db
@click.option(
    "--sandbox",
    type=click.Choice(["full", "reduced"]),
    help="How the learners' code is shut in. Default: what nbgrader_config.py says.",
)
@click.option("--unsafe", is_flag=True, help="Let the learners' code run with your own rights.")
@_course
def grade(
    problem_set: str,
    students: tuple[str, ...],
    jobs: int | None,
    scheduler: str | None,
    force: bool,
    db: str | None,
    sandbox: str | None,
    unsafe: bool,
    course: Path,
) -> None:
    """Grade what has been handed in for PROBLEM_SET and write it into the gradebook.

    The result is that of `nbgrader autograde`. What has been graded before is left alone, so a run that was interrupted
    is finished by the same command. The exit status is 0 if everything could be graded, 1 if something could not.
    """
    if unsafe and sandbox:
        raise _Refusal("--unsafe is no sandbox at all: leave out --sandbox, or leave out --unsafe.")
    if scheduler and jobs:
        raise _Refusal("--jobs counts processes here, and --scheduler has workers of its own: leave one of them out.")
    level = "none" if unsafe else sandbox
    if not scheduler:
        _warm_up(level)
    from autograder.grading import console

    gc.enable()
    try:
        status = console.grade(
            course, problem_set, students=students, jobs=jobs, scheduler=scheduler, force=force, database=db,
            sandbox=level,
        )  # fmt: skip
    except console.REFUSALS as error:
        raise _Refusal(str(error)) from error
    gc.freeze()  # nothing is left to find in what has been imported, and at its end Python would look for long
    sys.exit(status)


def _warm_up(level: str | None) -> None:
    """Begin with what takes longest while this process still imports. A wrong guess costs time, and nothing else."""
    from autograder.kernel import SandboxUnavailable, provisioner

    gc.disable()  # it would look through all that is imported again and again
    with contextlib.suppress(SandboxUnavailable, provisioner.NoSuchKernel):  # grading itself says what to do
        provisioner.warm_up(level or "full")
        from autograder.grading import warm

        warm.begin(level or "full")


# ---------------------------------------------------------------------- progress


@main.command()
def progress() -> None:
    """Show which exercises are done and which are left, and where that is kept.

    TWO_SWITCHES_PROGRESS names another file, or is "off": then nothing is kept.
    """
    from autograder import specs

    try:
        click.echo(specs.progress())
    except specs.ProgressError as error:
        raise click.ClickException(str(error)) from error


# ---------------------------------------------------------------------- the instructor's commands


@contextlib.contextmanager
def _instructor() -> Iterator[ModuleType]:
    """The module of the instructor's commands; what it refuses becomes one line."""
    from autograder.grading import commands

    try:
        yield commands
    except commands.REFUSALS as error:
        raise _Refusal(commands.told(error)) from error


@main.command()
@click.argument("problem_sets", nargs=-1)
@_course
@_db
def release(problem_sets: tuple[str, ...], course: Path, db: str | None) -> None:
    """Make the learners' notebooks from the masters, of PROBLEM_SETS or of all, and enter them into the gradebook."""
    with _instructor() as commands:
        commands.release(course, problem_sets, database=db)


@main.command()
@click.argument("download", type=click.Path(path_type=Path))
@click.option(
    "--roster",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="CSV",
    help="The class: columns id, name, email, lms_id; or Canvas's or Moodle's own table of it. It is entered into the "
    "gradebook. Default: the students whom the gradebook knows by name.",
)
@click.option("--set", "problem_set", metavar="PROBLEM_SET", help="Take the notebooks of this problem set only.")
@click.option("--update", is_flag=True, help="Replace what was collected before; it is kept in .replaced/.")
@click.option(
    "--timestamps",
    is_flag=True,
    help="Write the files' times for nbgrader, which counts lateness from them. Moodle's are those of handing in, "
    "Canvas's those of the download.",
)
@_course
@_db
def collect(
    download: Path,
    roster: Path | None,
    problem_set: str | None,
    update: bool,
    timestamps: bool,
    course: Path,
    db: str | None,
) -> None:
    """Put the notebooks of a DOWNLOAD, a zip file or a folder, where nbgrader looks for submissions.

    It may be Moodle's "Download all submissions", Canvas's "Download Submissions", or folders named after students. The
    exit status is 1 if something found no place.
    """
    with _instructor() as commands:
        status = commands.collect(
            course, download, roster=roster, problem_set=problem_set, update=update, timestamps=timestamps, database=db
        )
    sys.exit(status)


@main.command()
@click.argument("problem_sets", nargs=-1)
@click.option(
    "--format", "form", type=click.Choice(["canvas", "moodle", "csv", "json"]), default="csv", show_default=True
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write. Default: scores-FORMAT.csv (or .json) in the current folder.",
)
@click.option(
    "--roster",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="CSV",
    help="Canvas's export of its gradebook, whose ids are taken over; Moodle's grading worksheet, which is filled in.",
)
@click.option(
    "--title",
    "titles",
    multiple=True,
    metavar="PROBLEM_SET=TITLE",
    help='What Canvas calls a problem set: --title "ps3=Problem set 3 (4711)"; may be repeated.',
)
@click.option("--partial", is_flag=True, help="Export scores that are not final, too.")
@click.option("--missing-as-zero", is_flag=True, help="0 points for what was not handed in, instead of nothing.")
@_course
@_db
def export(
    problem_sets: tuple[str, ...],
    form: str,
    output: Path | None,
    roster: Path | None,
    titles: tuple[str, ...],
    partial: bool,
    missing_as_zero: bool,
    course: Path,
    db: str | None,
) -> None:
    """Write the scores of PROBLEM_SETS, or of all, for a learning-management system or a script.

    Manual scores, extra credit and penalties for lateness are counted. A score that still waits for a person, or could
    not be graded, is left empty and told, and the exit status is 1.
    """
    named = dict(title.partition("=")[::2] for title in titles)
    if not all(named.values()):
        raise _Refusal("--title takes PROBLEM_SET=TITLE.")
    with _instructor() as commands:
        status = commands.export(
            course,
            problem_sets,
            form,
            output,
            roster=roster,
            titles=named,
            partial=partial,
            missing_as_zero=missing_as_zero,
            database=db,
        )
    sys.exit(status)


@main.command()
@click.argument("problem_set")
@click.option("--student", "students", multiple=True, metavar="NAME", help="This learner only; may be repeated.")
@_course
@_db
def feedback(problem_set: str, students: tuple[str, ...], course: Path, db: str | None) -> None:
    """Write the feedback pages of PROBLEM_SET: what was graded, messages, comments, points."""
    with _instructor() as commands:
        commands.feedback(course, problem_set, students, database=db)


@main.command()
@click.argument("problem_set")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PAGE",
    help="Where to write the page. Default: PROBLEM_SET-report.html in the current folder.",
)
@click.option("--without-names", is_flag=True, help="Leave out what names a student: a page to show in class.")
@_course
@_db
def report(problem_set: str, output: Path | None, without_names: bool, course: Path, db: str | None) -> None:
    """Write a page about what the class made of PROBLEM_SET: scores, misconceptions, what to discuss next.

    The page stands alone: it needs no network and runs no script.
    """
    with _instructor() as commands:
        commands.report(course, problem_set, output, names=not without_names, database=db)


if __name__ == "__main__":
    main()
