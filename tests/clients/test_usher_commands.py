"""The commands of Usher as a person uses them: the report without a server, the check, tokens, the
demonstration; with right arguments and with wrong ones.

Run through tests/clients/setup.sh's environment:
    .tools/venv/bin/python -m pytest tests/clients/test_usher_commands.py
"""

import csv
import hashlib
import io
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

from test_usher_clients import GOOD, Reflected, csv_report, grpcurl
from usher_processes import USHER, Process, clean_environment


def wait_for(state, seconds=20):
    """Waits until a question answers something."""
    end = time.monotonic() + seconds
    while not (found := state()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
    return found


def fails(done, *texts, code=1):
    """A command failed with a sentence, not with a panic."""
    told = done.stderr.decode()
    assert done.returncode == code, (done.returncode, told)
    assert "panicked" not in told and "RUST_BACKTRACE" not in told, told
    for text in texts:
        assert text in told, told


def test_audit_writes_the_report_of_the_server(stack):
    client = Reflected(stack.address, stack.token())
    rows, _ = csv_report(client)
    place = stack.directory / "access.csv"
    done = stack.run("audit", "--out", place, "--per-second", "1000")
    assert done.returncode == 0 and done.stdout == b"", done.stderr
    text = place.read_bytes()
    # Since when it stands only a server keeps account of, from its first report on.
    assert "STANDING" in {row["provenance"] for row in rows}
    known = {"STANDING": "UNRECORDED"}
    expected = [row | {"provenance": known.get(row["provenance"], row["provenance"])} for row in rows]
    assert list(csv.DictReader(io.StringIO(text.decode(), newline=""))) == expected
    told = done.stderr.decode()
    assert hashlib.sha256(text).hexdigest() in told and "the report is complete" in told
    done = stack.run("audit", "--per-second", "1000")
    assert done.stdout == text
    assert sorted(path.name for path in stack.directory.glob("access*")) == ["access.csv"]
    assert stack.writes() == []
    client.channel.close()


@pytest.mark.parametrize("view", ["access", "assignments"])
def test_audit_as_json_lines_has_the_rows_of_the_csv(simulated, view):
    shared = ("audit", "--view", view, "--per-second", "1000")
    as_csv = simulated.run(*shared, "--format", "csv")
    as_json = simulated.run(*shared, "--format", "json-lines")
    assert (as_csv.returncode, as_json.returncode) == (0, 0), as_json.stderr
    rows = list(csv.DictReader(io.StringIO(as_csv.stdout.decode(), newline="")))
    lines = [json.loads(line) for line in as_json.stdout.decode().splitlines()]
    assert rows and len(lines) == len(rows)
    for row, line in zip(rows, lines, strict=True):
        assert list(row) == list(line)
        for name, cell in row.items():
            value = line[name]
            shown = ";".join(value) if isinstance(value, list) else value or ""
            assert cell == shown, name


def test_audit_that_lacks_something_says_so_and_fails(simulated):
    simulated.fault("ListGroupMemberships", "access_denied")
    place = simulated.directory / "access.csv"
    place.write_text("the complete report of yesterday")
    done = simulated.run("audit", "--out", place, "--per-second", "1000")
    beside = simulated.directory / "access.csv.incomplete"
    fails(done, "missing ", "incomplete", str(beside))
    assert beside.read_text().startswith("instance_arn,")
    assert beside.stat().st_mode & 0o777 == 0o600
    assert place.read_text() == "the complete report of yesterday"
    simulated.fault("ListInstances", "access_denied")
    fails(simulated.run("audit"), "sso:ListInstances", "deploy/iam")


def test_audit_interrupted_leaves_nothing_behind(simulated):
    place = simulated.directory / "access.csv"
    simulated.fault("ListUsers", "delay_before_effect", milliseconds=20_000)
    audit = Process(simulated.environment, "audit", "--out", place, "--per-second", "1000")
    calls = lambda: simulated.control("GET", "log")["calls"]
    wait_for(lambda: [each for each in calls() if each["operation"] == "ListUsers"])
    started = time.monotonic()
    assert audit.end(by=signal.SIGINT) == 1
    assert time.monotonic() - started < 5
    assert list(simulated.directory.glob("access*")) == []


def test_audit_into_a_pipe_that_ends_is_a_sentence(simulated):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [USHER, "audit", "--per-second", "1000"],
        env=simulated.environment, stdout=write, stderr=subprocess.PIPE, timeout=60,
    )
    os.close(write)
    fails(done, "cannot be written")


def test_audit_writes_into_what_is_there_and_never_replaces_it(simulated):
    pipe, link, behind = (simulated.directory / name for name in ("pipe", "link", "behind.csv"))
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    done = simulated.run("audit", "--out", pipe, "--per-second", "1000")
    assert done.returncode == 0, done.stderr
    text = reader.communicate(timeout=20)[0]
    assert pipe.is_fifo() and text.startswith(b"instance_arn,")
    behind.write_text("the report of yesterday")
    link.symlink_to(behind)
    done = simulated.run("audit", "--out", link, "--per-second", "1000")
    assert done.returncode == 0, done.stderr
    assert link.is_symlink() and behind.read_bytes() == text
    assert len(list(simulated.directory.glob("*.part"))) == 0


def test_audit_with_wrong_arguments(simulated):
    fails(simulated.run("audit", "--view", "everything"), "possible values", code=2)
    fails(simulated.run("audit", "--per-second", "0"), "1..=1000", code=2)
    fails(simulated.run("audit", "--out", simulated.directory), "directory")
    fails(simulated.run("audit", "--out", "nowhere/access.csv"), "cannot write nowhere/access.csv")
    fails(simulated.run("audit", "--config", "nothing.toml"), "nothing.toml")
    calls = simulated.control("GET", "log")["calls"]
    assert calls == [], "a wrong argument costs no operation"
    nonsense = simulated.run("audit", AWS_ENDPOINT_URL="nonsense")
    fails(nonsense, "AWS_ENDPOINT_URL is `nonsense`")
    unreachable = simulated.run("audit", AWS_ENDPOINT_URL="http://127.0.0.1:1")
    fails(unreachable, "GetCallerIdentity failed", "AWS_ENDPOINT_URL")


def test_check_tells_what_works_and_what_is_missing(simulated):
    done = simulated.run("check", "--data-dir", simulated.data)
    told = done.stdout.decode()
    assert done.returncode == 0, told
    assert "missing" not in told and "ok       identitystore:ListUsers" in told
    assert "Usher can read what it needs" in told
    simulated.fault("ListUsers", "access_denied")
    simulated.fault("DescribeGroup", "access_denied")
    done = simulated.run("check")
    fails(done, "2 missing")
    told = done.stdout.decode()
    assert "missing  identitystore:ListUsers: " in told
    assert "missing  identitystore:DescribeGroup: " in told
    assert simulated.writes() == []
    simulated.fault("*", "expired_credentials")
    done = simulated.run("check")
    fails(done, "1 missing")
    assert "missing  credentials: " in done.stdout.decode()


def test_check_without_anything_of_aws_is_a_sentence(simulated):
    environment = clean_environment(simulated.directory)
    done = subprocess.run([USHER, "check"], env=environment, capture_output=True, timeout=60)
    fails(done, "missing")
    assert "AWS_" in done.stdout.decode() or "region" in done.stdout.decode()


def test_token_with_wrong_arguments(stack):
    data = ("--data-dir", stack.data)
    fails(stack.run("token", *data), "--subject", code=2)
    fails(stack.run("token", *data, "--subject", "a", "--ttl", "8w"), "such as 8h", code=2)
    fails(stack.run("token", *data, "--subject", "a", "--ttl", "0s"), "1 second to 31 days")
    fails(stack.run("token", *data, "--subject", "a", "--ttl", "32d"), "1 second to 31 days")
    fails(stack.run("token", *data, "--subject", "  "), "--subject is empty or blank")
    fails(stack.run("token", *data, "--subject", "a\nb"), "control characters")
    nowhere = stack.run("token", "--data-dir", "nowhere", "--subject", "a")
    fails(nowhere, "nowhere", "usher serve --dev")
    foreign = stack.directory / "foreign"
    foreign.mkdir()
    fails(stack.run("token", "--data-dir", foreign, "--subject", "a"), "usher serve --dev")
    assert list(foreign.iterdir()) == [], "no key is made in a directory that is no server's"


def test_serve_with_wrong_arguments(stack):
    fails(stack.run("serve"), "[[authentication.issuers]]")
    fails(stack.run("serve", "--dev", "--listen", "0.0.0.0:0"), "loopback")
    fails(stack.run("serve", "--dev", "--listen", "nonsense"), "--listen", code=2)
    taken = ("serve", "--dev", "--data-dir", "other", "--listen", stack.address)
    fails(stack.run(*taken), "cannot listen on", stack.address)
    same = ("serve", "--dev", "--data-dir", stack.data, "--listen", "127.0.0.1:0")
    fails(stack.run(*same), str(stack.data))
    for text, expected in [
        (b"[limits]\ncalls_per_caller = 3\n", "calls_per_caller"),
        (b"[budget]\nburst = 0\n", "burst"),
        (b"[budget\n", "line 1"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"#" * (1 << 21), "1 MiB"),
        (b'[[instances]]\narn = "arn:aws:sso:::instance/ssoins-0000000000000000"\n', "does not list"),
        (b'[instance]\narn = "arn:aws:sso:::instance/ssoins-0000000000000000"\n', "[[instances]]"),
    ]:
        place = stack.directory / "odd.toml"
        place.write_bytes(text)
        done = stack.run("serve", "--dev", "--data-dir", "odd", "--listen", "127.0.0.1:0",
                         "--config", place)
        fails(done, expected)
    fails(stack.run("serve", "--dev", "--config", stack.directory), str(stack.directory))
    fails(stack.run("nonsense"), "nonsense", code=2)
    for command in ([], ["demo"], ["check"], ["audit"], ["serve"], ["token"], ["eject"],
                    ["simulate"]):
        done = stack.run(*command, "--help")
        assert done.returncode == 0 and b"Usage:" in done.stdout


def test_demo_goes_on_with_a_token_until_interrupted(tmp_path):
    demo = Process(clean_environment(tmp_path), "demo")
    try:
        token = demo.line(r"^\s*TOKEN=(\S+)$")[1]
        address = demo.line(r"grpcurl -plaintext (\S+) list$")[1]
        demo.line(r"simulated AWS answers at (\S+)$")

        class Place:
            directory = tmp_path

        message = json.dumps(GOOD)
        method = "usher.v1.AccessService/Assign"
        out = grpcurl(Place, "-d", message, address, method, token=token)
        assert json.loads(out)["grant"]["state"] == "GRANT_STATE_ACTIVE"
    finally:
        code = demo.end(by=signal.SIGINT)
    assert code == 0
    host, port = address.rsplit(":", 1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


def test_demo_shows_a_refusal_and_takes_changed_policies(tmp_path):
    demo = Process(clean_environment(tmp_path), "demo")
    try:
        demo.line(r"ERROR: FailedPrecondition: no path is open for this: engineers-redshift")
        demo.line(r"engineers-redshift: limit max_duration: asked 2d, allowed 8h$")
        demo.line(r"engineers-redshift: limit requires: asked ticket")
        token = demo.line(r"^\s*ENGINEER_TOKEN=(\S+)$")[1]
        address = demo.line(r"grpcurl -plaintext (\S+) list$")[1]
        policies = pathlib.Path(demo.line(r"^The policies are in (.+); what you change")[1])

        class Place:
            directory = tmp_path

        asked = json.dumps({
            "principal": {"user": "bilal.khan"}, "target": {"application": "Amazon Redshift"},
            "duration": "36000s", "justification": "a long day", "ticket": "INC-45",
        })
        line = ("-d", asked, address, "usher.v1.AccessService/Assign")
        assert "8h" in grpcurl(Place, *line, token=token, expect=1)

        def is_given():
            try:
                return "GRANT_STATE_ACTIVE" in grpcurl(Place, *line, token=token)
            except AssertionError:
                return False

        file = policies / "demo.cedar"
        beside = file.with_suffix(".next")
        beside.write_text(file.read_text().replace('"8h"', '"12h"'))
        beside.rename(file)
        wait_for(is_given, seconds=30)
    finally:
        code = demo.end(by=signal.SIGINT)
    assert code == 0


def test_demo_can_be_interrupted_in_the_middle_of_its_story(tmp_path):
    demo = Process(clean_environment(tmp_path), "demo")
    demo.line(r"grpcurl")
    started = time.monotonic()
    assert demo.end(by=signal.SIGINT) == 0
    assert time.monotonic() - started < 5
