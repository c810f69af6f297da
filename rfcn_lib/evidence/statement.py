"""The verdict as an in-toto Statement with the test-result predicate, so that existing tools can sign and check it.

Specification: https://github.com/in-toto/attestation, spec/v1 and spec/predicates/test-result.md. PASSED and WARNED are said only
where the run ends with exit status 0; whatever accepts nothing is WARNED.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from google.protobuf.json_format import MessageToDict, MessageToJson, Parse, ParseError  # type: ignore[import-untyped]
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

from rfcn_lib.evidence.layout import EvidenceError
from rfcn_lib.evidence.records import Verdict
from rfcn_lib.verdict.status import Status

PREDICATE_TYPE: Final = "https://in-toto.io/attestation/test-result/v0.1"
Result = Literal["PASSED", "WARNED", "FAILED"]
RESULT: Final[Mapping[Status, Result]] = {
    "ACCEPTED": "PASSED",
    "PASSED": "PASSED",
    "PARTIAL": "WARNED",
    "REHEARSED": "WARNED",
    "SIMULATED": "WARNED",
    "LOOSENED": "FAILED",
    "INCONCLUSIVE": "FAILED",
    "NOT JUDGED": "FAILED",
    "FAILED": "FAILED",
}
LISTS: Final[Mapping[str, tuple[str, ...]]] = {  # list of the predicate -> outcomes of criteria
    "passed_tests": ("passed",),
    "warned_tests": ("undecided", "skipped"),
    "failed_tests": ("failed", "error"),
}
GRAPHS: Final = ("om", "adapted")  # the compiled model, or the graph that the compiler gets


def statement_of(said: Verdict, digests: Mapping[str, str], exhibits: Mapping[str, str]) -> bytes:
    """The Statement as JSON.

    Args:
        said: the verdict.
        digests: name -> sha256 of every member of the file of evidence but the statement and the manifest.
        exhibits: name -> sha256 of every file that took part.
    """
    lists = {
        name: list(dict.fromkeys(row["name"] for row in said.criteria if row["outcome"] in outcomes))
        for name, outcomes in LISTS.items()
    }
    configuration = [ResourceDescriptor(name=name, digest={"sha256": digests[name]}).pb for name in sorted(digests)]
    result = RESULT[said.status]  # type: ignore[index]
    predicate = test_result_pb2.TestResult(result=result, configuration=configuration, **lists)
    subjects = [
        ResourceDescriptor(name=name, digest={"sha256": sha256}).pb for name, sha256 in _subjects(digests, exhibits)
    ]
    found = Statement(subjects=subjects, predicate_type=PREDICATE_TYPE, predicate=MessageToDict(predicate))
    found.validate()
    text: str = MessageToJson(found.pb, indent=1, sort_keys=True)
    return f"{text}\n".encode()


def expect_statement(data: bytes, want: bytes) -> None:
    """Raise EvidenceError unless the bytes are a valid Statement, and the one that follows from the other members."""
    from in_toto_attestation.v1 import statement_pb2

    try:
        found = Statement.copy_from_pb(Parse(data, statement_pb2.Statement()))
        found.validate()
    except (ParseError, ValueError) as error:
        raise EvidenceError(f"member statement.json is no in-toto Statement: {error}") from error
    if data != want:
        raise EvidenceError("member statement.json says another thing than verdict.json and the digests of the members")


def _subjects(digests: Mapping[str, str], exhibits: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What was tested: the compiled model, or else the graph; and the list of the candidate's dumps."""
    kind = next((kind for kind in GRAPHS if any(name.split()[0] == kind for name in exhibits)), None)
    yield from ((name, sha256) for name, sha256 in exhibits.items() if name.split()[0] == kind)
    if "candidate/dumps.txt" in digests:
        yield "candidate/dumps.txt", digests["candidate/dumps.txt"]
