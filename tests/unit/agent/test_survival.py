"""What would end a session at logout, with its service or with its container, on machines of many kinds."""

import pytest

from rpyc_kernel.agent import survival
from rpyc_kernel.agent.survival import cgroup_path, warnings

pytestmark = pytest.mark.needs("posix")

LOGIN = "0::/user.slice/user-1000.slice/session-3.scope\n"
MANAGER = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-terminal.slice/vte-spawn-1.scope\n"
USER_SERVICE = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/rpyc.service\n"
SERVICE = "0::/system.slice/rpyc.service\n"
INSTANCE = "0::/system.slice/system-rpyc.slice/rpyc@pi.service\n"

LOGIND = "loginctl show-session --property=KillUserProcesses --property=KillOnlyUsers --property=KillExcludeUsers"
KILLS = "KillOnlyUsers=\nKillExcludeUsers=\nKillUserProcesses=yes\n"  # as systemd 252 says it
LINGERS = {"var/lib/systemd/linger/ada": ""}
# Programs of systemd's, as far as they are asked: the answers by the whole command.
PROGRAM = """#!/bin/sh
while IFS= read -r line; do
  case "$line" in ">"*) found=; [ "$line" = "> ${0##*/} $*" ] && found=1;; *) [ "$found" ] && echo "$line";; esac
done <"${0%/*}/answers"
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Makes a machine of files and of programs that answer, and tells what ada is warned of on it."""

    def make(cgroup="", user="ada", files=None, answers=None):
        for name, text in {"proc/self/cgroup": cgroup, **(files or {})}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "answers").write_text("".join(f"> {each}\n{text}" for each, text in (answers or {}).items()))
        for name in ("loginctl", "systemctl") if answers is not None else ():
            (folder / name).write_text(PROGRAM)
            (folder / name).chmod(0o700)
        monkeypatch.setenv("PATH", str(folder))
        return warnings(str(tmp_path), user)

    return make


def kill_mode(value, unit="rpyc.service", systemctl="systemctl"):
    return {f"{systemctl} show --property=KillMode -- {unit}": f"KillMode={value}\n"}


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
    found = machine(LOGIN, answers={LOGIND: KILLS})
    only(found, "KillUserProcesses", "enable-linger once, and start the server with systemd-run --user --scope")


def test_lingering_alone_does_not_keep_what_a_login_has_started(machine):
    found = machine(LOGIN, files=LINGERS, answers={LOGIND: KILLS})
    only(found, "systemd-run --user --scope")
    assert "linger" not in found[0]


@pytest.mark.parametrize(
    "answer",
    [
        "KillOnlyUsers=\nKillExcludeUsers=\nKillUserProcesses=no\n",
        "KillUserProcesses=yes\nKillExcludeUsers=root ada\n",
        "KillUserProcesses=yes\nKillOnlyUsers=bob eve\nKillExcludeUsers=root\n",
        "",
        "nonsense\n",
    ],
)
def test_a_login_that_is_left_alone(machine, answer):
    assert machine(LOGIN, answers={LOGIND: answer}) == []


def test_a_login_of_which_nobody_can_be_asked(machine):
    assert machine(LOGIN) == []


@pytest.mark.parametrize("kills", ["yes", "no"])  # the names are more than that setting
def test_a_login_of_those_that_are_meant(machine, kills):
    answer = f"KillUserProcesses={kills}\nKillOnlyUsers=bob ada\n"
    only(machine(LOGIN, answers={LOGIND: answer}), "Logging out")


def test_root_is_spared_unless_it_is_said_otherwise(machine):
    assert machine(LOGIN, user="root", answers={LOGIND: KILLS}) == []
    only(machine(LOGIN, user="root", answers={LOGIND: "KillUserProcesses=yes\nKillExcludeUsers=bob\n"}), "Logging out")


def test_what_the_user_s_service_manager_has_started(machine):
    only(machine(MANAGER), "when ada has logged out", "loginctl enable-linger")
    assert machine(MANAGER, files=LINGERS) == []


def test_a_program_that_does_not_answer_is_not_waited_for(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(survival, "ANSWER_TIMEOUT_S", 0.1)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "loginctl").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (tmp_path / "bin" / "loginctl").chmod(0o700)
    assert machine(LOGIN) == []


# --- services


@pytest.mark.parametrize("answers", [None, {}, kill_mode("control-group"), kill_mode("mixed")])
def test_a_service_ends_all_of_it(machine, answers):
    found = machine(SERVICE, answers=answers)
    only(found, "the service rpyc.service", "systemctl edit rpyc.service", "KillMode=process")


@pytest.mark.parametrize(
    ("cgroup", "answers"),
    [
        (SERVICE, kill_mode("process")),
        (SERVICE, kill_mode("none")),
        (INSTANCE, kill_mode("process", "rpyc@pi.service")),
        ("0::/system.slice/ssh.service\n", kill_mode("process", "ssh.service")),
    ],
)
def test_a_service_that_ends_only_the_server(machine, cgroup, answers):
    assert machine(cgroup, answers=answers) == []


def test_a_service_of_the_user_s_own(machine):
    found = machine(USER_SERVICE, answers=kill_mode("process"))  # of the system's own unit of that name
    assert len(found) == 2
    assert "systemctl --user edit rpyc.service" in found[0]
    assert "when ada has logged out" in found[1]
    assert machine(USER_SERVICE, files=LINGERS, answers=kill_mode("process", systemctl="systemctl --user")) == []


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
