"""Run a restored notebook's cells in a kernel that is trusted with nothing, under the eyes of a referee."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import logging
import signal
import tempfile
import time
from collections.abc import Collection, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output

from ..kernel import Limits as KernelLimits
from ..kernel import SandboxUnavailable
from ..kernel.line import LineKernel
from ..kernel.provisioner import have_imported
from ..specs import MIME, wire
from .judge import judge_of
from .referee import Referee
from .restore import RECORD, digest_of
from .seed import case_seed
from .verdict import TIMEOUT, Verdict, exercise_of, is_check, read_error, solution_cell_of


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    A cell may run for `cell_seconds`, a graded cell for `check_seconds` (the check itself stops a learner's function
    after ten seconds of computing), the whole notebook for `notebook_seconds`. A kernel that cannot be interrupted is
    ended after `grace_seconds`: many, because on a busy machine an honest one takes some. Of what a cell shows,
    `output_bytes` are kept.
    """

    cell_seconds: int = 30
    check_seconds: int = 120
    notebook_seconds: int = 600
    grace_seconds: int = 30
    start_seconds: int = 120
    output_bytes: int = 1 << 20


def run_to_end(work: Coroutine[Any, Any, Run]) -> Run:
    """Run it on an event loop of its own, also where one runs already, as in JupyterLab's server."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


class KernelDidNotStart(RuntimeError):
    """The machine's fault, or ours: no cell has been run."""


@dataclass(frozen=True)
class Run:
    """An executed notebook, and the verdicts on its graded cells by grade id."""

    notebook: NotebookNode
    verdicts: Mapping[str, Verdict]
    sandbox: str
    refused: tuple[str, ...] = field(default=())


async def run(
    notebook: NotebookNode,
    seed: int,
    *,
    sandbox: str,
    limits: Limits,
    files: Mapping[str, bytes] | None = None,
    name: str = "",
    without: Collection[str] = (),
    modules: Collection[str] = (),
) -> Run:
    """Run a restored notebook and judge its graded cells. Its outputs are written in place.

    `modules` are what kernel and judge are to find imported, besides what all find.

    Raises:
        KernelDidNotStart: if there is no kernel to run it in.
        SandboxUnavailable: if this machine does not have the level of isolation.
    """
    work = digest_of(notebook)
    try:
        have_imported(sandbox, modules)
        judge = judge_of(sandbox)
    except SandboxUnavailable:
        raise
    except (OSError, RuntimeError) as error:
        raise KernelDidNotStart(str(error)) from error
    referee = Referee(lambda exercise: case_seed(seed, work, exercise), judge, name)
    graded = [cell for cell in notebook.cells if is_check(cell)]
    verdicts: dict[str, Verdict | None] = {}
    stop = _Stop()
    serving = asyncio.ensure_future(referee.serve())
    with _folder(files or {}) as folder:
        client = _Client(notebook, limits)
        try:
            try:
                await client.start(referee, folder, sandbox, without)
            except SandboxUnavailable:
                raise
            except Exception as error:
                raise KernelDidNotStart(client.why_ended or f"{type(error).__name__}: {error}") from error
            sandbox = client.kernel.sandbox_level
            stop = await _run_cells(client, referee, limits, verdicts)
        finally:
            await client.stop()
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving
            referee.close()
    ran = [cell for cell in notebook.cells if cell.cell_type == "code" and "nbgrader" in cell.metadata]
    errors = {cell.metadata.nbgrader["grade_id"]: read_error(cell.outputs) for cell in ran}
    judged = {}
    for cell in graded:
        grade_id, points = cell.metadata.nbgrader["grade_id"], float(cell.metadata.nbgrader["points"])
        verdict = verdicts.get(grade_id)
        if verdict is None:
            why = _why_none(grade_id, errors, stop)
            verdict = Verdict(0.0, points, refusal=why, our_fault=stop.our_fault and why == stop.reason)
        judged[grade_id] = verdict
        cell.outputs = _outputs(cell, verdict, exercise_of(grade_id), sandbox)
    outcomes = {verdict.outcome for verdict in judged.values()}
    record = {"sandbox": sandbox, "complete": "could not be graded" not in outcomes}
    notebook.metadata[RECORD] = {**notebook.metadata.get(RECORD, {}), **record}
    return Run(_valid(notebook), judged, sandbox, tuple(referee.refused))


@dataclass(frozen=True)
class _Stop:
    """Why the cells after some cell were not run; no reason if all were."""

    reason: str = ""
    our_fault: bool = False


async def _run_cells(client: _Client, referee: Referee, limits: Limits, verdicts: dict[str, Verdict | None]) -> _Stop:
    until = time.monotonic() + limits.notebook_seconds
    for index, cell in enumerate(client.nb.cells):
        counts = is_check(cell)
        if counts:
            grade_id = cell.metadata.nbgrader["grade_id"]
            referee.expect(exercise_of(grade_id), float(cell.metadata.nbgrader["points"]))
        try:
            if client.kernel.poll() is not None:
                raise DeadKernelError("between two cells")
            await asyncio.wait_for(client.async_execute_cell(cell, index), max(until - time.monotonic(), 0.001))
        except Exception as error:
            late = time.monotonic() >= until  # nbclient tells a cancelled cell as a dead kernel
            return await _why_stopped(client, TimeoutError() if late else error, index, limits)
        finally:
            if counts:
                verdicts[grade_id] = referee.settle()
    return _Stop()


async def _why_stopped(client: _Client, error: Exception, index: int, limits: Limits) -> _Stop:
    where = f"in cell {index + 1}"
    if isinstance(error, TimeoutError) and not isinstance(error, CellTimeoutError):
        return _Stop(f"The notebook was stopped {where}: it ran for more than {limits.notebook_seconds} seconds.")
    status = await client.kernel.ended(0.2)  # the one who watches it needs a moment
    if client.why_ended:
        what, _, why = client.why_ended.partition(": ")
        return _Stop(f"{what.capitalize()} {where}: {why}.", our_fault="failed" in what)
    if status == -signal.SIGKILL:  # not by us: the machine was out of memory, or somebody ended it
        return _Stop(f"The kernel was killed {where}, by nobody of ours. Grade again.", our_fault=True)
    if isinstance(error, DeadKernelError) or status is not None:
        return _Stop(f"The kernel ended {where}: the code ended its process, or crashed it (status {status}).")
    if isinstance(error, CellTimeoutError):
        return _Stop(f"The kernel was stopped {where}: it did not react to being interrupted.")
    # a learner's code can send whatever it likes in the kernel's name
    return _Stop(f"The kernel was stopped {where}: it sent what no kernel sends ({type(error).__name__}).")


def _why_none(grade_id: str, errors: Mapping[str, str | None], stop: _Stop) -> str:
    if error := errors.get(solution_cell_of(grade_id)):
        return f"The cell with the solution did not run: {error}."
    if error := errors.get(grade_id):
        return f"The check did not finish: {error}."
    return stop.reason or "The check cell brought no evidence, so it is worth no points. Did something replace `check`?"


# ---------------------------------------------------------------------- the kernel


class _Client(NotebookClient):
    """nbclient's, for kernels that may be hostile: bounded output, no widgets, no waiting for the stubborn."""

    def __init__(self, notebook: NotebookNode, limits: Limits) -> None:
        super().__init__(
            notebook,
            allow_errors=True,
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,
            skip_cells_with_tag="",
            timeout_func=lambda cell: limits.check_seconds if is_check(cell) else limits.cell_seconds,
            interrupt_on_timeout=True,
            error_on_timeout={"ename": TIMEOUT, "evalue": "", "traceback": ["The cell was stopped: it ran too long."]},
            iopub_timeout=limits.grace_seconds,
            raise_on_iopub_timeout=True,
            on_cell_executed=_record_error,
            shutdown_kernel="immediate",
        )
        # nbclient tells of every timeout and every kernel that ends; what counts of that is in the verdicts
        self.log = logging.getLogger(f"{__name__}.client")
        self.log.setLevel(logging.CRITICAL)
        self._most = limits.output_bytes
        self._seconds = float(limits.notebook_seconds + limits.start_seconds)
        self._shown: dict[int, int] = {}
        self.km = LineKernel()
        self.kernel = self.km.process

    async def start(self, referee: Referee, folder: str, sandbox: str, without: Collection[str]) -> None:
        descriptor = referee.kernel_end
        try:
            await self.km.start(
                cwd=folder,
                env={"NBGRADER_EXECUTION": "autograde", wire.VARIABLE: str(descriptor)},
                pass_fds=(descriptor,),
                sandbox=sandbox,
                without=without,
                limits=KernelLimits(wall_seconds=self._seconds, cell_output_bytes=self._most),
            )
        finally:
            referee.handed_over()
        self.kc = self.km

    @property
    def why_ended(self) -> str:
        """What is known about the kernel's end."""
        return self.kernel.stopped or ""

    async def stop(self) -> None:
        with contextlib.suppress(Exception):
            await self._async_cleanup_kernel()

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        if msg["msg_type"].startswith("comm"):
            return None
        if msg["msg_type"] in ("stream", "display_data", "execute_result", "error", "update_display_data"):
            before = self._shown.get(cell_index, 0)
            self._shown[cell_index] = before + _size(msg["content"])
            if self._shown[cell_index] > self._most:
                if before <= self._most:
                    note = f"\n(the cell showed more than {self._most:,} bytes: the rest was left out)\n"
                    cell.outputs.append(new_output("stream", name="stdout", text=note))
                return None
        return super().process_message(msg, cell, cell_index)

    def output(self, outs: list[NotebookNode], msg: dict[str, Any], display_id: str, cell_index: int) -> Any:
        """As nbclient; but printed text joins that before it at once, instead of being checked line by line."""
        content, last = msg["content"], outs[-1] if outs else None
        joins = (
            msg["msg_type"] == "stream" and not self.clear_before_next_output and isinstance(content.get("text"), str)
        )
        if joins and last is not None and last.output_type == "stream" and last.name == content.get("name"):
            last.text += content["text"]
            return last
        return super().output(outs, msg, display_id, cell_index)


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(_size(part) for pair in value.items() for part in pair)
    return sum(map(_size, value)) if isinstance(value, list) else 8


def _record_error(cell: NotebookNode, execute_reply: Mapping[str, Any], **_more: Any) -> None:
    """An error counts although the learner's code may have switched off showing it, and so does a timeout."""
    reply = execute_reply["content"]
    told = [output.ename for output in cell.outputs if output.output_type == "error"]
    if reply["status"] == "error" and reply["ename"] not in told:
        traceback = [str(line) for line in reply.get("traceback", [])] or [f"{reply['ename']}: {reply['evalue']}"]
        cell.outputs.append(
            new_output("error", ename=str(reply["ename"]), evalue=str(reply["evalue"]), traceback=traceback)
        )


@contextlib.contextmanager
def _folder(files: Mapping[str, bytes]) -> Iterator[str]:
    """A private working folder that holds the submission's files and nothing else."""
    with tempfile.TemporaryDirectory(prefix="two-switches-", ignore_cleanup_errors=True) as folder:
        for name, data in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        yield folder


# ---------------------------------------------------------------------- what the notebook shows


def _outputs(cell: NotebookNode, verdict: Verdict, exercise: str, sandbox: str) -> list[NotebookNode]:
    """What a graded cell shows: what was printed, the verdict, the errors. What else it displayed decides nothing."""
    if verdict.shown:
        shown = dict(verdict.shown)
    else:
        text = f"<p><strong>0 of {verdict.max_points:g} points.</strong> {html.escape(verdict.refusal)}</p>"
        shown = {"text/plain": "0.0", "text/html": text, MIME: _refusal(verdict, exercise)}
    level = (
        "" if sandbox == "full" else f'<p style="font-size:0.9em">Graded at sandbox level {html.escape(sandbox)}.</p>'
    )
    shown["text/html"] += level
    result = new_output("execute_result", data=shown, execution_count=cell.execution_count)
    streams = [_on_stdout(output) for output in cell.outputs if output.output_type == "stream"]
    # nbgrader takes the points from the first result it meets and stops there; tracebacks follow it
    return [*streams, result, *(output for output in cell.outputs if output.output_type == "error")]


def _refusal(verdict: Verdict, exercise: str) -> dict[str, Any]:
    finding = {"check": "verdict", "passed": False, "points": 0.0, "max_points": verdict.max_points}
    finding |= {"misconception": None, "message": verdict.refusal, "read": None}
    return {"exercise": exercise, "points": 0.0, "max_points": verdict.max_points, "findings": [finding]}


def _on_stdout(output: NotebookNode) -> NotebookNode:
    """nbgrader gives 0 points for a single warning on stderr."""
    if output.name != "stderr":
        return output
    return new_output("stream", name="stdout", text=f"(stderr, costs no points)\n{output.text}")


def _valid(notebook: NotebookNode) -> NotebookNode:
    """Without the outputs that no notebook may hold; a kernel can send anything."""
    if _may_be_written(notebook):
        return notebook
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _may_be_kept(output)]
            if not isinstance(cell.execution_count, int):
                cell.execution_count = None
    return notebook


def _may_be_written(notebook: NotebookNode) -> bool:
    try:
        nbformat.validate(notebook)
        json.dumps(notebook, ensure_ascii=False).encode()
    except Exception:
        return False
    return True


def _may_be_kept(output: NotebookNode) -> bool:
    try:
        nbformat.validate(output, ref="output", version=4, version_minor=5)
        json.dumps(output, ensure_ascii=False).encode()
    except Exception:
        return False
    return True
