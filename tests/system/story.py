"""What every system story begins with: the path to contrib/run, a folder of its own, and one way to end.

    from story import run, step, check
    def story(folder): …
    run(story)

A story that ends normally has passed; Failed (or any exception) fails it, and the end of each console is shown; `skip` ends
it with exit code 77 and the reason on the last line.
"""

import hashlib
import pathlib
import shutil
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "contrib" / "run"))

from process import BUILD, Failed, poll, say, stop_all, tail  # noqa: E402, F401

_start = time.monotonic()


class Skip(Exception):
    pass


def step(text):
    say(f"[{time.monotonic() - _start:6.1f} s] {text}")


def check(condition, text):
    """Says what was found to be so, or fails with it."""
    if not condition:
        raise Failed(f"not so: {text}")
    say(f"           ✓ {text}")


def skip(reason):
    raise Skip(reason)


def need_program(name, package):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not path:
        skip(f"{name} isn't here: install {package}")
    return path


def sha256(path):
    """What a file holds, in short: sparse gigabytes take their time."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            found.update(block)
    return found.hexdigest()


def show_consoles(folder):
    for console in sorted(folder.rglob("console-*.log")):
        say(f"--- the end of {console}\n{tail(console, 25)}")


def run(story):
    name = pathlib.Path(sys.argv[0]).stem
    folder = BUILD / "stories" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    status = 1
    try:
        story(folder)
        status = 0
    except Skip as reason:
        status = 77
        say(str(reason))
    except Failed as error:
        show_consoles(folder)
        say(f"{name}: {error}")
    except Exception:
        show_consoles(folder)
        say(traceback.format_exc())
    finally:
        stop_all()
    sys.exit(status)
