"""`usher eject`: what it prints, run line by line by the AWS CLI through a shell against the simulated
AWS after the service has ended, removes every timed access and nothing else.

Run through tests/clients/setup.sh's environment:
    .tools/venv/bin/python -m pytest tests/clients/test_usher_eject.py
"""

import hashlib
import os
import pathlib
import shlex
import subprocess
import sys

from test_usher_clients import Reflected
from test_usher_commands import fails, wait_for

USER = {"user": "bilal.khan"}
REDSHIFT = {"application": "Amazon Redshift"}
ACCOUNT = {"account_access": {"account": "production", "permission_set": "DeveloperAccess"}}


def assign(client, principal, target, **more):
    message = {"principal": principal, "target": target, "justification": "a test"} | more
    grant = client.call("AccessService/Assign", message)["grant"]
    assert grant["state"] == "GRANT_STATE_ACTIVE", grant
    return grant


def hashes(directory):
    files = (path for path in pathlib.Path(directory).rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def assignments(stack):
    """Everything that stands in the simulated AWS, each as one tuple."""
    world = stack.control("GET", "world")
    rows = world["assignments"] + world["account_assignments"]
    return {tuple(sorted(row.items())) for row in rows}


def commands(text):
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def run_by_a_shell(stack, line):
    """The AWS CLI of the environment that runs this test, found by its name."""
    path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", line], env=stack.environment | {"PATH": path}, capture_output=True, timeout=60,
    )
    assert done.returncode == 0, (line, done.stderr)


def test_eject_prints_what_ends_all_timed_access_and_nothing_else(stack):
    before = assignments(stack)
    client = Reflected(stack.address, stack.token())
    timed = assign(client, USER, REDSHIFT, duration="3600s")
    later = assign(client, USER, REDSHIFT, duration="7200s")
    in_account = assign(client, USER, ACCOUNT, duration="1800s")
    endless = assign(client, {"user": "carla.mendes"}, REDSHIFT)
    also_timed = assign(client, {"user": "carla.mendes"}, REDSHIFT, duration="60s")
    standing = assign(client, {"user": "anna.berg"}, {"application": "Amazon QuickSight"},
                      duration="60s")
    client.channel.close()
    data = ("--data-dir", stack.data)
    beside = stack.run("eject", *data)
    assert beside.returncode == 0, beside.stderr
    assert "A service still has this data directory" in beside.stdout.decode()
    assert stack.server.end() == 0
    stack.server = None
    kept = hashes(stack.data)
    done = stack.run("eject", *data)
    assert done.returncode == 0, done.stderr
    assert hashes(stack.data) == kept, "it only reads"
    text = done.stdout.decode()
    lines = commands(text)
    # The one that is due first comes first.
    assert [shlex.split(line)[2] for line in lines] == [
        "delete-account-assignment", "delete-application-assignment",
    ], text
    for grant in (timed, later, in_account, endless, also_timed, standing):
        assert f"# {grant['id']} " in text, text
    assert f"stays, because {endless['id']} holds it without end" in text
    assert "stays, because Usher did not make it" in text
    assert f"due {later['end_time'].rstrip('Z').rstrip('0')}" in text, "the last grant's end counts"
    for line in lines:
        assert f"--region {stack.environment['AWS_REGION']}" in line
        run_by_a_shell(stack, line)

    def is_done():
        left = assignments(stack) - before
        return len(left) == 1 and next(iter(left))
    left = dict(wait_for(is_done))
    assert left["application_arn"] == endless["target"]["application_arn"]
    assert left["principal_id"] == endless["principal"]["id"]
    assert before <= assignments(stack), "what was there before stays"


def test_eject_without_what_it_needs_is_a_sentence(simulated):
    fails(simulated.run("eject", "--data-dir", "nowhere"), "there is no database")
    assert not (simulated.directory / "nowhere").exists()
    simulated.serve()
    client = Reflected(simulated.address, simulated.token())
    assign(client, USER, REDSHIFT, duration="3600s")
    client.channel.close()
    environment = dict(simulated.environment)
    simulated.environment.pop("AWS_REGION")
    try:
        fails(simulated.run("eject", "--data-dir", simulated.data), "--region")
        named = simulated.run("eject", "--data-dir", simulated.data, "--region", "eu-west-1")
        assert b"--region eu-west-1" in named.stdout
    finally:
        simulated.environment = environment
