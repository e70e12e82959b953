"""Running programs: once with their output, or in the background with a log file."""

import ctypes
import os
import shutil
import signal
import subprocess
import time

# Root's shell does not always have them, as after su.
os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class CheckFailed(Exception):
    """What was expected did not happen; the text says what and where."""


def check(condition, text):
    if not condition:
        raise CheckFailed(text)


def wait_until(what, probe, timeout_s=10.0, interval_s=0.05):
    """Calls probe until it returns something true and returns that; CheckFailed after timeout_s."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise CheckFailed(f"not within {timeout_s:g} s: {what}")
        time.sleep(interval_s)


def run(argv, timeout_s=30.0, expect=0, stdin=None, env=None):
    """Runs a command to its end and returns the CompletedProcess; expect=None takes any status."""
    argv = [str(a) for a in argv]
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True,
                              errors="replace", timeout=timeout_s, env=env,
                              stdin=subprocess.DEVNULL if stdin is None else None)
    except subprocess.TimeoutExpired as late:
        raise CheckFailed(f"did not end within {timeout_s:g} s: {' '.join(argv)}") from late
    if expect is not None and done.returncode != expect:
        said = (done.stderr.strip() or done.stdout.strip())[-800:]
        raise CheckFailed(f"status {done.returncode}, not {expect}: {' '.join(argv)}\n{said}")
    return done


def die_with_parent():
    """For preexec_fn: the child is killed when the thread that started it ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A program in the background. Its output goes to log_path, after what is there already."""

    def __init__(self, name, argv, log_path, stdin=False, env=None):
        self.name = name
        self.argv = [str(a) for a in argv]
        self.log_path = log_path
        with open(log_path, "ab") as log:
            log.write(f"$ {' '.join(self.argv)}\n".encode())
            log.flush()
            self.start = log.tell()
            self.popen = subprocess.Popen(
                self.argv, stdout=log, stderr=subprocess.STDOUT, env=env,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                preexec_fn=die_with_parent)

    def log(self):
        """What this run of the program has written so far."""
        with open(self.log_path, "rb") as log:
            log.seek(self.start)
            return log.read().decode(errors="replace")

    def running(self):
        return self.popen.poll() is None

    def wait_log(self, text, timeout_s=10.0):
        def probe():
            running = self.running()  # asked first: what it says last is then in the log
            if text in self.log():
                return True
            check(running, f"{self.name} ended with {self.popen.returncode} before it said "
                  f"'{text}': {self.log().strip()[-800:]}")
            return False
        wait_until(f"{self.name} says '{text}' ({self.log_path})", probe, timeout_s)

    def write(self, line):
        """A line to a program started with stdin=True."""
        self.popen.stdin.write((line + "\n").encode())
        self.popen.stdin.flush()

    def wait(self, timeout_s=10.0):
        """Waits for the end and returns the exit status."""
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired as late:
            raise CheckFailed(f"{self.name} did not end within {timeout_s:g} s") from late

    def kill(self, signum=signal.SIGKILL, timeout_s=10.0):
        """Sends the signal and waits for the end."""
        if self.running():
            self.popen.send_signal(signum)
        return self.wait(timeout_s)

    def terminate(self, timeout_s=10.0):
        return self.kill(signal.SIGTERM, timeout_s)


def tool(*names):
    """The path of a program that lies outside PATH on some systems."""
    for name in names:
        for folder in os.environ["PATH"].split(":"):
            path = os.path.join(folder, name)
            if os.access(path, os.X_OK):
                return path
    raise CheckFailed(f"missing program: {names[0]} (sudo scripts/deps installs it)")


def for_everybody(program):
    """A copy that any user may run: the tree may lie in somebody's home, or be made with umask 077."""
    copy = os.path.join("/run", os.path.basename(program))
    shutil.copyfile(program, copy)
    os.chmod(copy, 0o755)
    return copy
