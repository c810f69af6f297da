"""README and docs/: every link leads somewhere, the README is short, and the CI files are valid and gate on the verdict."""

import re
import subprocess
import sys

import pytest
import yaml

from tests.support.documents import CHANGELOG, CI_FILES, PAGES, README, commands
from tests.support.places import ROOT

LINK = re.compile(r"\[[^]]+\]\(([^)#]+)(?:#[^)]*)?\)")
SCHEMAS = {"github-actions.yml": "vendor.github-workflows", "gitlab-ci.yml": "vendor.gitlab-ci"}
CI = ROOT / "docs" / "ci"
HOST = "make signoff ARGS=--store={} --junitxml=junit.xml --verdict=verdict.json --summary={}"
NPU = "pytest -m npu --weights={} --devkit={} --store={} --accept --junitxml=junit.xml --verdict=verdict.json --summary={}"


def check(schema, path):
    """Validate a file with the schema that check-jsonschema brings along; nothing is fetched."""
    words = [sys.executable, "-m", "check_jsonschema", "--no-cache", "--builtin-schema", schema, str(path)]
    return subprocess.run(words, capture_output=True, text=True)


@pytest.mark.parametrize("page", [*PAGES, CHANGELOG], ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page):
    targets = [target for target in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target]

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_readme_leads_to_every_page():
    linked = {(ROOT / target).resolve() for target in LINK.findall(README.read_text(encoding="utf-8"))}

    assert {*PAGES} - {README} <= linked


def test_the_readme_has_at_most_200_lines():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 200


def test_the_first_run_on_an_npu_is_one_page():
    assert len((ROOT / "docs" / "first-run-on-an-npu.md").read_text(encoding="utf-8").splitlines()) <= 80


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_ci_file_is_valid(name):
    done = check(SCHEMAS[name], CI / name)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("name", "good", "wrong"), [
    ("github-actions.yml", "runs-on: ubuntu-latest", "runs_on: ubuntu-latest"),
    ("gitlab-ci.yml", "when: always", "when: sometimes"),
])  # fmt: skip
def test_a_misspelt_word_in_a_ci_file_is_found(name, good, wrong, tmp_path):
    text = (CI / name).read_text(encoding="utf-8")
    (tmp_path / name).write_text(text.replace(good, wrong, 1), encoding="utf-8")

    assert good in text
    assert check(SCHEMAS[name], tmp_path / name).returncode == 1


@pytest.mark.parametrize("path", [*CI_FILES, ROOT / "docs" / "ci.md"], ids=lambda path: path.name)
def test_every_ci_file_runs_the_same_commands(path):
    """As words, with the paths that differ from server to server left out."""
    found = {
        re.sub(r"--(weights|devkit|store|summary)=[^ ]+", r"--\1={}", " ".join(command)) for command in commands(path)
    }

    assert {HOST, NPU} <= found


@pytest.mark.parametrize("path", CI_FILES, ids=lambda path: path.name)
def test_every_ci_file_gates_on_the_verdict_and_keeps_its_files(path):
    text = path.read_text(encoding="utf-8")
    gates = re.findall(r"json\.load\(open\('verdict\.json'\)\)\['status'\]; print\(s\); exit\(s != '(\w+)'\)", text)

    assert gates == ["PASSED", "ACCEPTED"]
    assert "always" in text  # a failed run's files too
    assert text.count("junit.xml") >= 4 and text.count("verdict.json") >= 6
    assert text.count("$GITHUB_STEP_SUMMARY") == 2 or text.count("summary.md") >= 4


def test_the_gate_of_the_ci_files_tells_the_verdicts_apart(tmp_path):
    """The very command of the GitHub workflow, on a verdict of either kind."""
    jobs = yaml.safe_load((CI / "github-actions.yml").read_text(encoding="utf-8"))["jobs"]
    line = next(step["run"] for step in jobs["npu"]["steps"] if step.get("name") == "The verdict is ACCEPTED")
    program = re.fullmatch(r'\.venv/bin/python -c "(.+)"', line)[1]

    def status_of(verdict):
        (tmp_path / "verdict.json").write_text(f'{{"status": "{verdict}", "also judged": []}}')
        return subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True).returncode

    assert [status_of(word) for word in ("ACCEPTED", "PARTIAL", "SIMULATED", "NOT JUDGED")] == [0, 1, 1, 1]


def test_the_page_on_evidence_installs_everything_but_torch():
    page = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if "pip install --constraint constraints.txt" in line)
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    needed = re.findall(r'"([a-z0-9-]+)', re.search(r"^dependencies = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)[1])

    assert set(line.split("constraints.txt ")[1].split()) == set(needed) - {"torch", "tomli"}
