"""What would end a session at logout, with its service or with its container, on machines of many kinds."""

import pytest

from rpyc_kernel.agent import survival
from rpyc_kernel.agent.survival import cgroup_path, default, setting, warnings

LOGIN = "0::/user.slice/user-1000.slice/session-3.scope\n"
MANAGER = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-terminal.slice/vte-spawn-1.scope\n"
USER_SERVICE = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/rpyc.service\n"
SERVICE = "0::/system.slice/rpyc.service\n"
INSTANCE = "0::/system.slice/system-rpyc.slice/rpyc@pi.service\n"
YES = "[Login]\nKillUserProcesses=yes\n"
PROCESS = "[Service]\nExecStart=/usr/bin/rpyc\nKillMode=process\n"


@pytest.fixture
def machine(tmp_path):
    """Makes a machine of files, and tells what ada is warned of on it."""

    def make(cgroup="", user="ada", files=None):
        for name, text in {"proc/self/cgroup": cgroup, **(files or {})}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return warnings(str(tmp_path), user, "/home/ada")

    return make


def only(found, *words):
    assert len(found) == 1, found
    assert all(word in found[0] for word in words), found


# --- nothing to say


@pytest.mark.parametrize("cgroup", ["", "0::/\n", "0::/init.scope\n", "nonsense", ":::\n\n", "0::/a.slice/b.scope\n"])
def test_a_machine_that_ends_nothing(machine, cgroup):
    assert machine(cgroup) == []


def test_this_machine_is_looked_at_without_an_error():
    assert all(isinstance(sentence, str) and sentence.endswith(".") for sentence in warnings())


def test_where_there_is_no_linux(tmp_path, monkeypatch):
    monkeypatch.setattr(survival, "_user", lambda: "ada")
    assert warnings(str(tmp_path / "nothing")) == []


# --- logout


def test_a_login_that_is_killed(machine):
    found = machine(LOGIN, files={"etc/systemd/logind.conf": YES})
    only(found, "KillUserProcesses", "enable-linger once, and start the server with systemd-run --user --scope")


def test_lingering_alone_does_not_keep_what_a_login_has_started(machine):
    found = machine(LOGIN, files={"etc/systemd/logind.conf": YES, "var/lib/systemd/linger/ada": ""})
    only(found, "systemd-run --user --scope")
    assert "linger" not in found[0]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"etc/systemd/logind.conf": "[Login]\n#KillUserProcesses=no\n"},
        {"etc/systemd/logind.conf": "[Login]\nKillUserProcesses=no\n", "usr/lib/systemd/logind.conf": YES},
        {"etc/systemd/logind.conf": YES + "KillExcludeUsers=root ada\n"},
        {"etc/systemd/logind.conf": YES + "KillOnlyUsers=bob eve\n"},
        {"etc/systemd/logind.conf": YES, "etc/systemd/logind.conf.d/9.conf": "[Login]\nKillUserProcesses=0"},
        {"etc/systemd/logind.conf": "[Other]\nKillUserProcesses=yes\n"},
        {
            "etc/systemd/logind.conf.d/5.conf": "[Login]\nKillUserProcesses=no",
            "usr/lib/systemd/logind.conf.d/5.conf": YES,
            "run/systemd/logind.conf.d/4.conf": YES,
            "run/systemd/logind.conf.d/9.conf.bak": YES,
        },
    ],
)
def test_a_login_that_is_left_alone(machine, files):
    assert machine(LOGIN, files=files) == []


@pytest.mark.parametrize(
    "files",
    [
        {"usr/lib/systemd/logind.conf": "[Login]\n#KillUserProcesses=yes\n"},
        {"etc/systemd/logind.conf": "[Login]\n#KillUserProcesses=no\n", "run/systemd/logind.conf.d/a.conf": YES},
        {"lib/systemd/logind.conf.d/a.conf": "[Login]\n KillUserProcesses = True \nKillOnlyUsers=ada\n"},
    ],
)
def test_where_the_setting_may_stand(machine, files):
    only(machine(LOGIN, files=files), "Logging out")


def test_root_is_spared_unless_it_is_said_otherwise(machine):
    assert machine(LOGIN, user="root", files={"etc/systemd/logind.conf": YES}) == []
    files = {"etc/systemd/logind.conf": YES + "KillExcludeUsers=bob\n"}
    only(machine(LOGIN, user="root", files=files), "Logging out")


def test_what_the_user_s_service_manager_has_started(machine):
    only(machine(MANAGER), "when ada has logged out", "loginctl enable-linger")
    assert machine(MANAGER, files={"var/lib/systemd/linger/ada": ""}) == []


# --- services


def test_a_service_ends_all_of_it(machine):
    found = machine(SERVICE, files={"etc/systemd/system/rpyc.service": "[Service]\nExecStart=/usr/bin/rpyc\n"})
    only(found, "the service rpyc.service", "systemctl edit rpyc.service", "KillMode=process")
    only(machine(SERVICE), "rpyc.service")


@pytest.mark.parametrize(
    ("cgroup", "files"),
    [
        (SERVICE, {"usr/lib/systemd/system/rpyc.service": PROCESS}),
        (SERVICE, {"run/systemd/transient/rpyc.service": "[Service]\nKillMode=none\n"}),
        (
            SERVICE,
            {"lib/systemd/system/rpyc.service": "[Service]\n", "etc/systemd/system/rpyc.service.d/a.conf": PROCESS},
        ),
        (INSTANCE, {"etc/systemd/system/rpyc@.service": PROCESS}),
        (INSTANCE, {"etc/systemd/system/rpyc@pi.service.d/k.conf": PROCESS}),
        ("0::/system.slice/ssh.service\n", {"usr/lib/systemd/system/ssh.service": PROCESS}),
    ],
)
def test_a_service_that_ends_only_the_server(machine, cgroup, files):
    assert machine(cgroup, files=files) == []


def test_a_drop_in_counts_more_than_the_unit(machine):
    drop_in = {"run/systemd/system/rpyc.service.d/z.conf": "[Service]\nKillMode=mixed\n"}
    only(machine(SERVICE, files={"etc/systemd/system/rpyc.service": PROCESS, **drop_in}), "rpyc.service")


def test_a_service_of_the_user_s_own(machine):
    found = machine(USER_SERVICE)
    assert len(found) == 2
    assert "systemctl --user edit rpyc.service" in found[0]
    assert "when ada has logged out" in found[1]
    files = {"home/ada/.config/systemd/user/rpyc.service": PROCESS, "var/lib/systemd/linger/ada": ""}
    assert machine(USER_SERVICE, files=files) == []


# --- containers


@pytest.mark.parametrize(
    ("cgroup", "files"),
    [
        ("0::/\n", {".dockerenv": ""}),
        ("0::/\n", {"run/.containerenv": 'engine="podman"'}),
        ("0::/\n", {"proc/1/environ": "PATH=/bin\0container=podman\0"}),
        ("0::/\n", {"proc/self/environ": "KUBERNETES_SERVICE_HOST=10.0.0.1\0"}),
        ("12:cpu:/docker/abc\n1:name=systemd:/docker/abc\n", {}),
        ("0::/kubepods.slice/kubepods-besteffort.slice/cri-containerd-abc.scope\n", {}),
        ("0::/system.slice/docker-abc.scope\n", {}),
    ],
)
def test_a_container(machine, cgroup, files):
    only(machine(cgroup, files=files), "container")


@pytest.mark.parametrize("kind", ["lxc", "systemd-nspawn", "wsl"])
def test_one_that_is_like_a_machine(machine, kind):
    assert machine("0::/\n", files={"proc/1/environ": f"container={kind}\0"}) == []


# --- texts


def test_the_path_of_either_version_of_control_groups():
    assert cgroup_path("0::/a/b.scope\n") == "/a/b.scope"
    assert cgroup_path("3:cpu,cpuacct:/x\n1:name=systemd:/a/b.service\n0::/a\n") == "/a/b.service"
    assert cgroup_path("0::/a\n1:name=systemd:/a/b.service\n") == "/a/b.service"
    assert cgroup_path("0::/with:colon\n") == "/with:colon"


def test_settings():
    text = "[A]\nKey=1\n# Key=2\n[B]\nKey = 3\n"
    assert (setting([text], "A", "Key"), setting([text], "B", "Key"), setting([text], "C", "Key")) == ("1", "3", "")
    assert setting([text, "[A]\nKey=\n"], "A", "Key") == ""
    assert (default("[A]\n#Key=no\n", "Key"), default("Key=no\n", "Key")) == ("no", "")
