"""The same command in odd surroundings writes the same bytes."""

import os
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)
"""Many processes each, one after the other, on a machine that may be busy."""

CLOCK = textwrap.dedent(
    """
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <stdlib.h>
    #include <sys/time.h>
    #include <time.h>

    /* A clock on the wall that begins somewhere else and jumps by a day every few looks. */
    static long wrong(void) {
        static long looks = 0;
        return atol(getenv("CLOCK_OFF")) + (looks++ / 7 % 3 - 1) * 86400;
    }

    int clock_gettime(clockid_t clock, struct timespec *now) {
        int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
        int done = real(clock, now);
        if (clock == CLOCK_REALTIME) now->tv_sec += wrong();
        return done;
    }

    time_t time(time_t *now) {
        struct timespec found;
        clock_gettime(CLOCK_REALTIME, &found);
        if (now) *now = found.tv_sec;
        return found.tv_sec;
    }
    """
)


@pytest.fixture(scope="session")
def wrong_clock(tmp_path_factory) -> Path:
    """A library that has a program read a wrong clock."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("a clock that jumps needs a C compiler")
    folder = tmp_path_factory.mktemp("clock")
    (folder / "clock.c").write_text(CLOCK)
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", "clock.so", "clock.c", "-ldl"], cwd=folder, check=True
    )
    return folder / "clock.so"


@pytest.fixture
def same(make_work, undisturbed, bytes_of, rows_of):
    """Run the commands in a folder, and hold what they write to what they wrote undisturbed."""

    def look(folder: str, *commands: str, unset: tuple[str, ...] = (), **settings) -> Path:
        environment = settings.pop("environment", {})
        for command in commands or ("label",):
            work = make_work(f"{folder}/{command}", **environment)
            if unset:
                left = {name: value for name, value in os.environ.items() if name not in unset}
                left["PYTHONPATH"] = os.pathsep.join(path for path in os.sys.path if path)
                settings["env"] = left
            done = work.ended(*work.arguments(command), **settings)
            assert done.returncode == 0, done.stderr
            whole = undisturbed(command)
            assert bytes_of(work.run) == bytes_of(whole)
            assert rows_of(work.run) == rows_of(whole)
        return work.run

    return look


@pytest.mark.slow
@pytest.mark.fault(21, "time zone")
def test_in_any_time_zone(same, size):
    zones = ("Pacific/Apia", "<-1159>11:59", "nowhere", "")
    for number, zone in enumerate(zones[: size(1, 4)]):
        commands = ("label", "evaluate") if number == 0 else ("label",)
        same(f"zone {number}", *commands, environment={"TZ": zone})
    same("no zone", unset=("TZ",))


@pytest.mark.fault(21, "clock jump")
def test_with_a_clock_that_jumps(same, wrong_clock, size):
    # Years ahead and years back; before 1970 there are none.
    for off in (10**9, -(10**9))[: size(1, 2)]:
        environment = {"LD_PRELOAD": str(wrong_clock), "CLOCK_OFF": str(off)}
        said = subprocess.run(
            ["python3", "-c", "import time; print(time.time())"],
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
        )
        found = subprocess.run(["date", "+%s"], capture_output=True, text=True)
        assert abs(float(said.stdout) - float(found.stdout) - off) < 10**6
        same(f"clock {off}", "judge", "evaluate", environment=environment)


@pytest.mark.fault(21, "locale")
def test_in_any_locale(same, size):
    """Also where text that is no ASCII cannot be shown."""
    settings = (
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "POSIX"},
        {"LC_ALL": "de_DE.ISO-8859-1", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"},
    )
    for number, environment in enumerate(settings[: size(1, 4)]):
        commands = ("label", "evaluate") if number in (0, 2) else ("label",)
        same(f"locale {number}", *commands, environment=environment)


@pytest.mark.fault(21, "umask")
@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_with_any_umask(same, umask):
    run = same(f"umask {umask}", preexec_fn=lambda: os.umask(umask))
    modes = {path.stat().st_mode & 0o777 for path in run.rglob("*") if path.is_file()}
    # What others may read and write is what the umask lets them.
    assert modes <= {0o666 & ~umask, 0o644 & ~umask}


@pytest.mark.fault(21, "odd path")
@pytest.mark.parametrize(
    "name",
    [
        "with a space",
        "Übung 数学 😀 'quoted' \"twice\" [markup] %41 ?x=1#y",
        "-n",
        "\n",
        "long" * 55,
    ],
    ids=["space", "unicode", "dash", "newline", "long"],
)
def test_under_any_path(same, name):
    same(name)


@pytest.mark.fault(21, "odd path")
def test_a_path_that_is_too_long_is_told(make_work, assert_told):
    work = make_work("/".join(["long" * 55] * 3))
    assert_told(work.ended(*work.arguments("judge")), 5, "longer than SQLite takes")


@pytest.mark.fault(21, "odd path")
def test_in_a_run_directory_of_an_odd_name(make_work, undisturbed, bytes_of, rows_of):
    name = "läuft 😀 'a' [b] %41?x=1#y"
    work = make_work("plain")
    done = work.ended(*work.arguments("judge", name))
    assert done.returncode == 0, done.stderr
    whole, found = bytes_of(undisturbed("judge")), bytes_of(work.folder / name)
    assert found.keys() == whole.keys()
    assert [file for file in found if found[file] != whole[file]] == ["config.json"]
    assert rows_of(work.folder / name) == rows_of(undisturbed("judge"))
    looked = work.ended("doctor", name)
    assert "each as it was kept" in looked.stdout, looked.stdout + looked.stderr
    assert looked.returncode in (0, 1)


@pytest.mark.fault(21, "linked directory")
def test_in_a_directory_that_is_a_link(make_work, undisturbed, bytes_of, rows_of, tmp_path):
    work = make_work("linked")
    (tmp_path / "elsewhere").mkdir()
    work.run.symlink_to(tmp_path / "elsewhere")
    done = work.ended(*work.arguments("judge"))
    assert done.returncode == 0, done.stderr
    assert work.run.is_symlink()
    assert bytes_of(tmp_path / "elsewhere") == bytes_of(undisturbed("judge"))
    assert rows_of(work.run) == rows_of(undisturbed("judge"))


@pytest.mark.slow
@pytest.mark.fault(21, "no home")
def test_without_a_home(same, make_disk, size):
    home = make_disk("read-only", size="1m", mode="555")
    subprocess.run(["mount", "-o", "remount,ro", str(home.folder)], check=True)
    caches = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "HF_HOME", "HOME")
    commands = ("label", "evaluate")[: size(1, 2)]
    same("home", *commands, environment={"HOME": str(home.folder)})
    same("nowhere", *commands, environment={"HOME": "/nowhere/at/all"})
    same("none", unset=caches)
