"""Addresses, threads, and what must be alike on every machine of a cluster; no cluster is started."""

import pytest

from rfcn_lib.devices.threads import torch_threads
from rfcn_lib.runs.dask import members as cluster_members
from rfcn_lib.runs.dask import worker as cluster_worker
from rfcn_lib.runs.dask.members import ClusterError, checked


@pytest.mark.parametrize(
    "address", ["tcp://10.0.0.2:8786", "tls://head.example.org:1", "tcp://[::1]:8786", "local:1", "local:256"]
)
def test_an_address_is_taken(address):
    assert checked(address) == address


@pytest.mark.parametrize(
    "address",
    ["", "head:8786", "tcp://head", "http://head:8786", "tcp://head:0", "tcp://head:65536", "local:0", "local:257", "local:",
     "local:-1", "tcp://a b:1", "tcp://head:8786/", "local:two", " local:2", "local:2\n"],
)  # fmt: skip
def test_another_address_is_refused(address):
    with pytest.raises(
        ClusterError, match=r"should be a scheduler's address, --dask=tcp://HOST:8786, or --dask=local:N"
    ):
        checked(address)


def test_tls_without_certificates_is_said_with_the_names_of_dask_s_own_settings(monkeypatch):
    for name in ("CA_FILE", "CLIENT__CERT", "CLIENT__KEY"):
        monkeypatch.delenv(f"DASK_DISTRIBUTED__COMM__TLS__{name}", raising=False)
    with (
        pytest.raises(ClusterError, match=r"tls://127\.0\.0\.1:1 .* DASK_DISTRIBUTED__COMM__TLS__CA_FILE,"),
        cluster_members.connected("tls://127.0.0.1:1"),
    ):
        pass


def test_without_dask_the_way_to_get_it_is_said(monkeypatch):
    monkeypatch.setattr(cluster_members.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ClusterError, match=r"pip install .*\.\[cluster\]"):
        checked("local:2")


def test_pytorch_has_one_thread_if_and_only_if_the_client_has():
    assert [torch_threads(1, share) for share in (1, 2, 8)] == [1, 1, 1]
    assert [torch_threads(8, share) for share in (1, 2, 8)] == [2, 2, 8]


def test_each_difference_is_a_sentence():
    like = cluster_worker.described()
    assert cluster_worker.differences(like) == ()
    other = {**like, "torch": "torch 1.4.0", "rfcn_lib/source/anchors.py": "0" * 64, "rfcn_lib/spec.py": "0" * 64}
    libraries, code = cluster_worker.differences(other)
    assert libraries == f"has {like['torch']}, but should have torch 1.4.0"
    assert code == "has another text of rfcn_lib/source/anchors.py and 1 more, but should run the same commit"


def test_what_must_be_alike_is_all_that_shapes_a_dump():
    like = cluster_worker.described()
    assert {"python", "distributed", "torch", "onnxruntime", "numpy", "cv2", "PIL"} <= like.keys()
    for name in ("pictures/preprocess", "devices/pytorch", "devices/onnx_runtime", "source/network", "records"):
        assert f"rfcn_lib/{name}.py" in like
