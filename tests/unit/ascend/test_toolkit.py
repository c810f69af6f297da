import pytest

from rfcn_lib.ascend import toolkit
from rfcn_lib.ascend.toolkit import (
    Missing,
    ToolkitError,
    checked_soc,
    environment_file,
    npus,
    runner,
    simulated,
    simulated_tools,
)
from rfcn_lib.socs import KNOWN_SOCS
from tests.support.toolkit_host import executable

pytestmark = pytest.mark.usefixtures("host")

# an installed CANN 8.1.RC1, shortened
INSTALL_INFO = """\
package_name=Ascend-cann-toolkit
version=8.1.RC1
innerversion=V100R001C21SPC001B238
arch=aarch64
path=/usr/local/Ascend/ascend-toolkit/8.1.RC1/aarch64-linux
"""


# -- atc ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["bin", "compiler/bin", "aarch64-linux/bin"])
def test_atc_and_the_version_of_the_toolkit_it_lies_in(place, host, monkeypatch):
    home = host / "Ascend" / "8.1.RC1"
    path = executable(home / place / "atc")
    (home / "aarch64-linux").mkdir(exist_ok=True)
    (home / "aarch64-linux" / "ascend_toolkit_install.info").write_text(INSTALL_INFO)
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")

    found = toolkit.atc()
    assert found
    assert (found.path, found.version, found.simulated) == (path, "8.1.RC1 (V100R001C21SPC001B238)", False)


def test_the_version_is_of_the_atc_that_runs_not_of_what_was_sourced(host, monkeypatch):
    for name, version in (("ran", "8.1.RC1"), ("sourced", "6.0.1")):
        executable(host / name / "bin" / "atc")
        (host / name / "x86_64-linux").mkdir()
        (host / name / "x86_64-linux" / "ascend_toolkit_install.info").write_text(f"version={version}\n")
    monkeypatch.setenv("ASCEND_TOOLKIT_HOME", str(host / "sourced"))
    (host / "bin" / "atc").symlink_to(host / "ran" / "bin" / "atc")

    assert toolkit.atc().version == "8.1.RC1"


def test_an_atc_elsewhere_has_the_version_of_what_was_sourced(host, monkeypatch):
    executable(host / "bin" / "atc")
    (host / "home").mkdir()
    (host / "home" / "ascend_toolkit_install.info").write_text("version=6.0.1\n")
    monkeypatch.setenv("ASCEND_HOME_PATH", str(host / "home"))

    assert (toolkit.atc().version, toolkit.atc().home) == ("6.0.1", host / "home")


def test_the_operators_package_is_part_of_the_version(host, monkeypatch):
    executable(host / "bin" / "atc")
    (host / "home").mkdir()
    (host / "home" / "ascend_toolkit_install.info").write_text("version=8.5.0\n")
    (host / "home" / "ascend_ops_install.info").write_text("version=8.5.1\n")
    monkeypatch.setenv("ASCEND_TOOLKIT_HOME", str(host / "home"))

    assert toolkit.atc().version == "8.5.0, operators 8.5.1"


@pytest.mark.parametrize("damage", ["absent", "empty", "binary", "a folder"])
def test_an_atc_of_no_known_version_is_told_apart_by_its_content(damage, host, monkeypatch):
    (host / "home").mkdir()
    info = host / "home" / "ascend_toolkit_install.info"
    if damage == "a folder":
        info.mkdir()
    elif damage != "absent":
        info.write_bytes(b"" if damage == "empty" else bytes(range(256)))
    monkeypatch.setenv("ASCEND_TOOLKIT_HOME", str(host / "home"))
    executable(host / "bin" / "atc")
    one = toolkit.atc()
    executable(host / "bin" / "atc", "#!/bin/sh\n# another build\n")
    other = toolkit.atc()

    assert one.version.startswith("unknown, atc ")
    assert one.version != other.version
    assert one.home is None


def test_without_a_toolkit_it_says_what_to_install(host):
    found = toolkit.atc()

    assert not found
    assert str(found) == (
        f"atc is not on PATH; install the CANN toolkit (hiascend.com; looked in {host}/Ascend), "
        "then source its set_env.sh in this shell"
    )


@pytest.mark.parametrize("place", ["ascend-toolkit", "cann", "cann-8.5.0"])
def test_a_toolkit_that_is_not_sourced_names_the_file_to_source(place, host):
    executable(host / "Ascend" / place / "set_env.sh")

    assert str(toolkit.atc()) == (
        f"atc is not on PATH; this shell has not sourced the environment: source {host}/Ascend/{place}/set_env.sh"
    )


def test_a_runtime_that_is_sourced_has_no_compiler(host, monkeypatch):
    """nnrt runs models; atc comes with the toolkit."""
    executable(host / "Ascend" / "nnrt" / "set_env.sh")
    monkeypatch.setenv("ASCEND_HOME_PATH", str(host / "Ascend" / "nnrt" / "latest"))

    assert "this shell has sourced a set_env.sh, but lacks it: is the CANN toolkit installed there?" in str(
        toolkit.atc()
    )


def test_the_home_of_a_user_is_looked_in(host, monkeypatch):
    monkeypatch.setenv("HOME", str(host))
    monkeypatch.setattr(toolkit, "INSTALL_FOLDERS", ("/no/such/folder", "~/Ascend"))
    executable(host / "Ascend" / "ascend-toolkit" / "set_env.sh")

    assert environment_file() == host / "Ascend" / "ascend-toolkit" / "set_env.sh"


# -- runner ------------------------------------------------------------------------------------------------------------


def test_an_unknown_runner_is_refused_with_the_known_ones():
    with pytest.raises(ToolkitError) as caught:
        runner("msame")

    assert str(caught.value) == "--runner=msame should be benchmark or ais_bench"


# -- devices -----------------------------------------------------------------------------------------------------------


def test_a_host_without_driver_says_so():
    assert str(npus()).startswith("npu-smi is not on PATH, so this host has no Ascend driver; run this on a host with")
    assert not npus()


# -- stand-ins ---------------------------------------------------------------------------------------------------------


def test_what_lies_beside_a_mark_is_simulated(host):
    tool = executable(host / "standin" / "atc")
    link = host / "bin" / "atc"
    link.symlink_to(tool)
    assert not simulated([tool, link])

    (host / "standin" / "SIMULATED").touch()
    assert simulated([tool])
    assert simulated([host / "absent", link])
    assert toolkit.atc().simulated
    assert toolkit.atc().version.startswith("SIMULATED unknown")
    assert simulated_tools() == (link,)


def test_what_says_so_in_its_head_is_simulated(host):
    om = host / "deep" / "folder" / "rfcn.om"
    om.parent.mkdir(parents=True)
    om.write_bytes(b"IMOD" + bytes(5000) + b"SIMULATED")
    assert not simulated([om])

    om.write_bytes(b"SIMULATED om, not for a device\0" + bytes(100))
    assert simulated([om])
    assert not simulated([])


# -- soc ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("soc", KNOWN_SOCS)
def test_a_known_soc_passes(soc):
    assert checked_soc(soc) == soc


@pytest.mark.parametrize("soc", ["", "310", "ascend310", "Ascend310 ", "Ascend910", "Ascend710"])
def test_an_unknown_soc_is_refused_with_the_known_ones(soc):
    with pytest.raises(ToolkitError) as caught:
        checked_soc(soc)

    assert str(caught.value).startswith(f"--soc={soc} should be one of Ascend310, Ascend310B1, ")
    assert ("old name of Ascend310P3" in str(caught.value)) == (soc == "Ascend710")


def test_a_newer_toolkit_brings_its_own_socs(host):
    folder = host / "home" / "aarch64-linux" / "data" / "platform_config"
    folder.mkdir(parents=True)
    (folder / "Ascend950PR.ini").touch()

    assert checked_soc("Ascend950PR", host / "home") == "Ascend950PR"
    with pytest.raises(ToolkitError, match="Ascend950PR"):
        checked_soc("Ascend950PX", host / "home")


def test_missing_is_false_and_speaks():
    assert not Missing("no")
    assert str(Missing("no")) == "no"
