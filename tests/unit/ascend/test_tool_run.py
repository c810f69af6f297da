"""Why an inference tool did not run a batch to the end, whichever of the two it is; what it finished is kept."""

from dataclasses import replace

import pytest

from rfcn_lib.ascend import ais_bench, benchmark, tool_run
from rfcn_lib.ascend.tool_run import OmRunError, RefusedError, Task
from rfcn_lib.command import CommandTimeoutError
from tests.support.standin_here import IDS, run_here
from tests.support.tiny import CANVAS_WH


@pytest.fixture(
    params=[(benchmark, "/vendor/benchmark.x86_64"), (ais_bench, "python3")], ids=["benchmark", "ais_bench"]
)
def run(request, laid_out):
    """run(): a batch of seven pictures through this tool."""
    tool, program = request.param
    return lambda: tool.run_batch(program, Task(laid_out / "rfcn.om", IDS, CANVAS_WH, laid_out / "work", 0, 20.0))


def finished(outputs):
    return {id for id, files in outputs.items() if len(files) == 3}


def test_what_a_tool_finished_before_its_time_was_up_is_kept(run, monkeypatch):
    def run_out_of_time(words, **more):
        raise CommandTimeoutError("it did not end within 20 s", run_here(words, **more))

    monkeypatch.setattr(tool_run, "run", run_out_of_time)
    monkeypatch.setenv("STANDIN_FAULT", "half_way")
    with pytest.raises(OmRunError, match="did not end within 20 s") as error:
        run()
    assert finished(error.value.outputs) == set(IDS[:3])


def test_a_full_disk_is_told_by_the_words_of_either_tool(run, monkeypatch):
    monkeypatch.setenv("STANDIN_FAULT", "disk_full")
    with pytest.raises(OmRunError, match=r"try: .*free some space on this disk") as error:
        run()
    assert finished(error.value.outputs) == set(IDS[:3])


def test_a_refused_command_line_is_told_with_its_cause_and_is_no_failure_of_the_device(laid_out):
    """argparse ends with 2 before it looks at a device: all devices would refuse alike."""
    task = Task(laid_out / "rfcn.om", IDS, CANVAS_WH, laid_out / "work", 0, 20.0)
    (laid_out / "rfcn.om").rename(laid_out / "r+fcn.om")
    with pytest.raises(RefusedError, match=r"illegal char[\s\S]*by hand: [\s\S]*try: .*--store=DIR"):
        ais_bench.run_batch("python3", replace(task, om=laid_out / "r+fcn.om"))
