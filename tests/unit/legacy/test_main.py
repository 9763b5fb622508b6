"""``python -m django_q.legacy``."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from django_q.legacy.__main__ import main

OLD = b"from django_q import async\r\n\r\nasync('f')"
NEW = b"from django_q import async_task\r\n\r\nasync_task('f')"
FOREIGN = b"from django_q import async\nget(async=1)\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with a file to rewrite in each place that is searched or not."""
    for name in ("old.py", "shop/old.pyw", "shop/old.txt", ".tox/old.py", "env/old.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(OLD)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "new.py").write_bytes(b"async def f(): pass\n")
    return tmp_path


def changed(project: Path) -> list[str]:
    files = sorted(path for path in project.rglob("*") if path.is_file())
    return [str(path.relative_to(project)) for path in files if path.read_bytes() == NEW]


@pytest.mark.parametrize("options", [["--check"], []])
def test_check_names_what_would_change(
    project: Path, options: list[str], capsys: pytest.CaptureFixture
) -> None:
    assert main([*options, str(project)]) == 1

    assert capsys.readouterr().out.splitlines() == [
        f"would rewrite {project / 'old.py'} (2 names)",
        f"would rewrite {project / 'shop' / 'old.pyw'} (2 names)",
    ]
    assert changed(project) == []


def test_check_is_content_with_what_is_done(project: Path) -> None:
    main(["--write", str(project)])

    assert main(["--check", str(project)]) == 0


def test_diff_prints_a_patch(project: Path, capfdbinary: pytest.CaptureFixture) -> None:
    path = os.fsencode(project / "old.py")

    assert main(["--diff", str(project / "old.py")]) == 0

    assert capfdbinary.readouterr().out == (
        b"--- %b\n+++ %b\n@@ -1,3 +1,3 @@\n" % (path, path)
        + b"-from django_q import async\r\n+from django_q import async_task\r\n \r\n"
        + b"-async('f')\n\\ No newline at end of file\n"
        + b"+async_task('f')\n\\ No newline at end of file\n"
    )
    assert changed(project) == []


def test_write_rewrites(project: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["--write", str(project)]) == 0

    assert changed(project) == ["old.py", os.path.join("shop", "old.pyw")]
    assert capsys.readouterr().out.splitlines()[0] == f"rewrote {project / 'old.py'} (2 names)"


def test_a_file_is_rewritten_whatever_it_is_called_and_once(
    project: Path, capsys: pytest.CaptureFixture
) -> None:
    path = str(project / "shop" / "old.txt")

    assert main(["--write", path, path]) == 0

    assert len(capsys.readouterr().out.splitlines()) == 1
    assert changed(project) == [os.path.join("shop", "old.txt")]


def test_what_can_not_be_rewritten_is_reported_and_the_rest_done(
    project: Path, capsys: pytest.CaptureFixture
) -> None:
    (project / "foreign.py").write_bytes(FOREIGN)

    assert main(["--write", str(project)]) == 2

    assert capsys.readouterr().err.startswith(f"{project / 'foreign.py'}:2: 'async' is an arg")
    assert (project / "foreign.py").read_bytes() == FOREIGN
    assert len(changed(project)) == 2


def test_a_path_that_is_not_there_is_reported(project: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["--check", str(project / "missing.py"), str(project)]) == 2

    assert capsys.readouterr().err == f"{project / 'missing.py'}: No such file or directory\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_writing_keeps_mode_and_links_and_leaves_nothing_behind(project: Path) -> None:
    script, link = project / "old.py", project / "shop" / "link.py"
    script.chmod(0o754)
    link.symlink_to(script)

    main(["--write", str(link)])

    assert link.is_symlink()
    assert script.read_bytes() == NEW
    assert script.stat().st_mode & 0o777 == 0o754
    assert sorted(path.name for path in project.iterdir() if path.is_file()) == ["new.py", "old.py"]


def test_a_link_out_of_the_tree_is_left_as_it_is(
    project: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "old.py"
    outside.write_bytes(OLD)
    beside = project.parent / f"{project.name}-beside.py"
    beside.write_bytes(OLD)
    (project / "out.py").symlink_to(outside)
    (project / "shop" / "beside.py").symlink_to(beside)
    (project / "folder").symlink_to(outside.parent)

    assert main(["--write", str(project)]) == 0

    assert outside.read_bytes() == beside.read_bytes() == OLD
    assert f"{project / 'out.py'}: it is a link out of the tree" in capsys.readouterr().err
    assert (project / "out.py").is_symlink()


def test_a_link_within_the_tree_is_followed(project: Path) -> None:
    (project / "shop" / "link.py").symlink_to("../old.py")

    main(["--write", str(project)])

    assert (project / "shop" / "link.py").is_symlink()
    assert (project / "old.py").read_bytes() == NEW


@pytest.mark.parametrize("action", ["--write", "--check", "--diff"])
def test_what_is_no_regular_file_is_not_opened(
    project: Path, action: str, capfd: pytest.CaptureFixture
) -> None:
    os.mkfifo(project / "pipe.py")
    (project / "device.py").symlink_to("/dev/zero")
    (project / "folder.py").mkdir()

    assert main([action, str(project)]) in (0, 1)
    assert main([action, str(project / "pipe.py"), str(project / "device.py")]) == 2

    errors = capfd.readouterr().err
    assert f"{project / 'pipe.py'}: it is no regular file" in errors
    assert f"{project / 'device.py'}: it is a link out of the tree" in errors
    assert f"{project / 'pipe.py'}: It is no regular file" in errors


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6711, 0o1640, 0o400])
def test_writing_keeps_all_of_the_mode(project: Path, mode: int) -> None:
    script = project / "old.py"
    script.chmod(mode)

    main(["--write", str(script)])

    assert script.read_bytes() == NEW
    assert script.stat().st_mode & 0o7777 == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_writing_keeps_the_owner_and_then_the_set_uid_bit(project: Path) -> None:
    script = project / "old.py"
    os.chown(script, 12345, 54321)
    script.chmod(0o4755)

    main(["--write", str(script)])

    stats = script.stat()
    assert (stats.st_uid, stats.st_gid, stats.st_mode & 0o7777) == (12345, 54321, 0o4755)


def test_the_set_uid_bit_goes_with_the_owner_where_that_can_not_be_kept(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(target: str, user: int, group: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    script = project / "old.py"
    os.chown(script, 12345, 54321) if os.geteuid() == 0 else None
    script.chmod(0o4755)
    monkeypatch.setattr(os, "chown", refuse)

    main(["--write", str(script)])

    kept = script.stat().st_uid == 12345 or os.geteuid() != 0
    assert script.stat().st_mode & 0o7777 == (0o4755 if kept else 0o755)


def test_the_longest_name_is_rewritten(project: Path) -> None:
    path = project / ("n" * 252 + ".py")
    path.write_bytes(OLD)

    assert main(["--write", str(path)]) == 0

    assert path.read_bytes() == NEW


DEEP = {
    "a sum": "x = async" + "+1" * 100_000,
    "attributes": "x = async" + ".a" * 100_000,
    "calls": "x = async" + "()" * 100_000,
    "brackets": "x = " + "(" * 100_000 + "async",
    "signs": "x = " + "-" * 100_000 + "async",
    "branches": "if async: pass\n" + "elif x: pass\n" * 10_000,
}


@pytest.mark.parametrize("kind", DEEP)
def test_source_of_any_depth_is_reported_and_the_rest_done(
    project: Path, kind: str, capsys: pytest.CaptureFixture
) -> None:
    deep = project / "deep.py"
    deep.write_text(f"from django_q import async\n{DEEP[kind]}")

    assert main(["--write", str(project)]) == 2

    assert f"{deep}:" in capsys.readouterr().err
    assert changed(project) == ["old.py", os.path.join("shop", "old.pyw")]


def test_a_parser_that_ends_its_process_is_reported(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(
        "django_q.legacy.child_process.translate", lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    )

    assert main(["--write", str(project / "old.py")]) == 2

    assert "nested too deeply" in capsys.readouterr().err
    assert changed(project) == []


def test_a_failed_write_keeps_the_file(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)

    assert main(["--write", str(project / "old.py")]) == 2

    assert capsys.readouterr().err == f"{project / 'old.py'}: No space left on device\n"
    assert (project / "old.py").read_bytes() == OLD
    assert not list(project.glob(".old*"))


def test_a_file_name_in_any_bytes_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.py"))
    try:
        path.write_bytes(OLD)
    except OSError:
        pytest.skip("the file system takes no such name")

    assert main(["--write", str(tmp_path)]) == 0
    assert "caf\\udce9.py" in capsys.readouterr().out


@pytest.mark.parametrize("options", [[], ["--check", "--write", "."], ["--fast", "."]])
def test_wrong_usage_is_told(options: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(options)

    assert caught.value.code == 2
    assert "usage: python -m django_q.legacy" in capsys.readouterr().err


def test_it_needs_no_django(project: Path) -> None:
    hide = "import sys; sys.modules['django'] = None; sys.argv[0] = 'legacy'; import runpy;"
    run = "runpy.run_module('django_q.legacy', run_name='__main__')"

    done = subprocess.run(
        [sys.executable, "-c", hide + run, "--write", str(project)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout.count("rewrote") == 2
    assert done.stderr == ""
