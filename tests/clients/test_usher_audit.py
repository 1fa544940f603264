"""`usher audit` of a running server, its dated files, and the nightly reports of deploy/examples, whose
command lines are run as they stand there.

Run through tests/clients/setup.sh's environment:
    .tools/venv/bin/python -m pytest tests/clients/test_usher_audit.py
"""

import csv
import datetime
import hashlib
import http.server
import io
import json
import shlex
import shutil
import signal
import subprocess
import threading
import time

import pytest
import yaml

from test_usher_authentication import Issuer, serve_secured
from test_usher_clients import GOOD, Reflected, csv_report
from test_usher_commands import fails, wait_for
from usher_processes import ROOT, USHER

EXAMPLES = ROOT / "deploy" / "examples"
POLICIES = """
@id("auditors-read")
permit (principal == Usher::Service::"auditor", action == Usher::Action::"ReadAudit", resource);
@id("portal-reads")
permit (principal == Usher::Service::"portal", action == Usher::Action::"ReadDirectory", resource);
"""
AUDITOR = """
[[authentication.certificates]]
service = "auditor"
spiffe = "spiffe://example.org/auditor"
"""


def of_server(stack, *arguments, **more):
    """Runs `usher audit --server`, with a token unless another is given."""
    more = {"USHER_TOKEN": more.pop("token", None) or stack.token()} | more
    return stack.run("audit", "--server", f"http://{stack.address}", *arguments, **more)


def files(stack, pattern="access*"):
    return sorted(path.name for path in stack.directory.glob(pattern))


def today():
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")


def dated(run, pattern):
    """Runs something that writes a dated file, and answers the file. Midnight may pass meanwhile."""
    days = {today()}
    done = run()
    days.add(today())
    assert done.returncode == 0, done.stderr
    found = [path for day in days if (path := pattern(day)).exists()]
    assert len(found) == 1, days
    return found[0], done


def test_audit_of_a_server_is_its_report_with_the_reasons(stack):
    client = Reflected(stack.address, stack.token())
    grant = client.call("AccessService/Assign", GOOD)["grant"]
    rows, summary = csv_report(client)
    client.channel.close()
    # A variable is set for other commands; only an argument would be refused.
    run = lambda: of_server(stack, "--out", "access-{date}.csv", USHER_CONFIG="nothing.toml")
    place, done = dated(run, lambda day: stack.directory / f"access-{day}.csv")
    text = place.read_bytes()
    assert hashlib.sha256(text).hexdigest() == summary["sha256"]
    assert files(stack) == [place.name] and done.stdout == b""
    written = list(csv.DictReader(io.StringIO(text.decode(), newline="")))
    assert written == rows
    reasons = {row["justification"] for row in written if row["provenance"] == "GRANT"}
    assert reasons == {"INC-42"} and grant["id"] in {row["grant_id"] for row in written}
    told = done.stderr.decode()
    assert told.startswith("plan: ") and " operations, about " in told and "sso-admin" in told
    assert summary["sha256"] in told and told.endswith("the report is complete\n")
    without = stack.run("audit", "--per-second", "1000").stdout.decode()
    assert "UNRECORDED" in without and "INC-42" not in without
    for view in ("access", "assignments", "instances", "duplicate-users"):
        lines = of_server(stack, "--view", view, "--format", "json-lines")
        assert lines.returncode == 0, lines.stderr
        assert [json.loads(line) for line in lines.stdout.decode().splitlines()] or "dup" in view
    page = of_server(stack, "--format", "html", "--out", "access-{date}.html")
    assert page.returncode == 0 and len(files(stack, "access-*.html")) == 1


def test_audit_of_a_server_may_be_of_an_instance_of_kept_facts_and_of_a_past_time(stack):
    client = Reflected(stack.address, stack.token())
    instance = client.call("DirectoryService/ListInstances")["instances"][0]["instance_arn"]
    client.channel.close()
    past = of_server(stack, "--as-of", "2020-01-01T00:00:00Z", "--out", "access.csv")
    fails(past, "ERROR: FailedPrecondition: ", "reason: FACTS_NOT_COLLECTED")
    fresh = of_server(stack, "--instance", instance)
    assert fresh.returncode == 0, fresh.stderr
    lists = lambda: [each["operation"] for each in stack.control("GET", "log")["calls"]
                     if each["operation"] in ("ListUsers", "ListApplications")]
    asked = lists()
    now = datetime.datetime.now(datetime.UTC).isoformat()
    for kept in (("--max-age", "1h"), ("--as-of", now)):
        done = of_server(stack, *kept)
        assert done.returncode == 0 and done.stdout == fresh.stdout, done.stderr
        assert b"plan: no operations. Nothing is read of AWS" in done.stderr, done.stderr
        assert b"; 0 operations; " in done.stderr
    assert lists() == asked
    both = of_server(stack, "--max-age", "1h", "--as-of", now)
    fails(both, "ERROR: InvalidArgument: ", "max_age: is not for a past time")
    unknown = of_server(stack, "--instance", "nowhere")
    fails(unknown, "ERROR: NotFound: ", "reason: INSTANCE_NOT_FOUND")
    assert files(stack) == []


def test_audit_of_a_server_that_lacks_something_is_not_told_as_whole(stack):
    stack.fault("ListGroupMemberships", "access_denied")
    place = stack.directory / "access.csv"
    place.write_text("the complete report of yesterday")
    done = of_server(stack, "--out", place)
    fails(done, "missing ", "incomplete", f"{place}.incomplete")
    assert place.read_text() == "the complete report of yesterday"
    assert files(stack) == ["access.csv", "access.csv.incomplete"]


def test_audit_of_a_server_without_proof_of_the_caller(stack):
    place = ("--out", stack.directory / "access.csv")
    fails(of_server(stack, *place, token=" "), "USHER_TOKEN", "--token-file")
    fails(of_server(stack, *place, token="eyJ.e.s"), "ERROR: Unauthenticated: ",
          "reason: CREDENTIAL_INVALID")
    fails(of_server(stack, *place, "--token-file", "nothing"), "nothing: No such file")
    nobody = stack.run("audit", "--server", "http://127.0.0.1:1", *place, USHER_TOKEN="eyJ.e.s")
    fails(nobody, "cannot connect to http://127.0.0.1:1")
    plain = stack.run("audit", "--server", "http://192.0.2.1:1", *place, USHER_TOKEN="eyJ.e.s")
    fails(plain, "not encrypted")
    assert files(stack) == []


def test_audit_of_a_server_over_tls_needs_the_right_to_read_audits(tmp_path):
    issuer = Issuer()
    stack = serve_secured(tmp_path, issuer, POLICIES, ("portal", "auditor"), AUDITOR)
    try:
        for service in ("portal", "auditor"):
            (tmp_path / f"{service}.key").chmod(0o600)
        shared = ("audit", "--server", f"https://{stack.address}", "--out", "access.csv")
        pair = lambda who: ("--client-certificate", f"{who}.pem", "--client-key", f"{who}.key")
        fails(stack.run(*shared, *pair("auditor")), "--ca-certificate")
        trusting = (*shared, "--ca-certificate", "ca.pem")
        refused = stack.run(*trusting, *pair("portal"))
        fails(refused, "ERROR: PermissionDenied: ", "reason: POLICY_DENIED", "ReadAudit")
        assert files(stack) == []
        done = stack.run(*trusting, *pair("auditor"))
        assert done.returncode == 0, done.stderr
        assert files(stack) == ["access.csv"]
    finally:
        stack.end()
        issuer.server.shutdown()


def begun(stack):
    """A report of the server that waits for AWS in its middle."""
    stack.fault("ListUsers", "delay_before_effect", milliseconds=30_000)
    audit = subprocess.Popen(
        [USHER, "audit", "--server", f"http://{stack.address}", "--out", "access.csv"],
        env=stack.environment | {"USHER_TOKEN": stack.token()}, cwd=stack.directory,
        stderr=subprocess.PIPE, text=True,
    )
    calls = lambda: stack.control("GET", "log")["calls"]
    wait_for(lambda: [each for each in calls() if each["operation"] == "ListUsers"])
    wait_for(lambda: files(stack))
    return audit


def test_audit_of_a_server_that_dies_leaves_no_file(stack):
    audit = begun(stack)
    server, stack.server = stack.server, None
    assert server.end(by=signal.SIGKILL) != 0
    told = audit.communicate(timeout=20)[1]
    assert audit.returncode == 1 and "the report was cut" in told, told
    assert "panicked" not in told and files(stack) == []


def test_audit_of_a_server_interrupted_leaves_no_file(stack):
    audit = begun(stack)
    started = time.monotonic()
    audit.send_signal(signal.SIGINT)
    told = audit.communicate(timeout=20)[1]
    assert audit.returncode == 1 and "interrupted: no report was written" in told, told
    assert time.monotonic() - started < 5 and files(stack) == []


def test_audit_with_arguments_that_do_not_go_together(simulated):
    server = ("--server", "http://127.0.0.1:1")
    for arguments, texts in [
        ((*server, "--per-second", "5"), ["--per-second is not for --server", "its own budget"]),
        ((*server, "--config", "a.toml"), ["--config is not for --server"]),
        (("--max-age", "1h"), ["--max-age is for --server", "keeps what it read"]),
        (("--as-of", "2026-11-01T00:00:00Z"), ["--as-of is for --server"]),
        (("--instance", "main"), ["--instance is for --server"]),
        (("--token-file", "token"), ["--token-file is for --server"]),
        (("--ca-certificate", "ca.pem"), ["--ca-certificate is for --server"]),
        ((*server, "--max-age", "1w"), ["such as 1h"]),
        ((*server, "--as-of", "yesterday"), ["--as-of"]),
        ((*server, "--client-certificate", "a.pem"), ["--client-key"]),
    ]:
        fails(simulated.run("audit", *arguments, USHER_TOKEN="eyJ.e.s"), *texts, code=2)
    assert simulated.control("GET", "log")["calls"] == []


def test_audit_tells_the_plan_and_dates_the_file_without_a_server_too(simulated):
    place = "access-{date}.csv"
    run = lambda: simulated.run("audit", "--out", place, "--per-second", "1000",
                                USHER_SERVER="http://127.0.0.1:1")
    found, done = dated(run, lambda day: simulated.directory / f"access-{day}.csv")
    told = done.stderr.decode()
    assert told.startswith("plan: ") and "identitystore ListUsers" in told, told
    assert found.stat().st_mode & 0o777 == 0o600


def is_a_report(path):
    """A whole report of people in CSV."""
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))
    assert rows and list(rows[0])[0] == "instance_arn"
    assert path.parent.is_dir() and [each.name for each in path.parent.iterdir()] == [path.name]


def cronjob():
    documents = list(yaml.safe_load_all((EXAMPLES / "audit-cronjob.yaml").read_text()))
    by_kind = {each["kind"]: each for each in documents}
    assert sorted(by_kind) == ["CronJob", "PersistentVolumeClaim", "ServiceAccount"]
    return by_kind


def line_of_the_container(container, reports):
    """Its command line, with the volume's place here."""
    [mount] = container["volumeMounts"]
    line = [*container["command"], *container["args"]]
    assert line[0] == "/usr/local/bin/usher" and len(mount["mountPath"]) > 1
    return [part.replace(f"{mount['mountPath']}/", f"{reports}/") for part in line[1:]]


def test_the_cronjob_runs_as_nobody_alone_and_without_a_shell():
    parts = cronjob()
    job = parts["CronJob"]["spec"]
    assert job["concurrencyPolicy"] == "Forbid" and job["timeZone"] == "Etc/UTC"
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["restartPolicy"] == "Never"
    limits = container["securityContext"]
    assert limits["readOnlyRootFilesystem"] and not limits["allowPrivilegeEscalation"]
    assert limits["capabilities"] == {"drop": ["ALL"]}
    assert {"requests", "limits"} == set(container["resources"])
    account, claim = parts["ServiceAccount"]["metadata"], parts["PersistentVolumeClaim"]["metadata"]
    assert pod["serviceAccountName"] == account["name"]
    assert "eks.amazonaws.com/role-arn" in account["annotations"]
    [volume] = pod["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["name"]
    assert volume["name"] == container["volumeMounts"][0]["name"]


class PodIdentity:
    """Gives credentials as the agent of EKS Pod Identity does: for the token of the pod."""

    def __init__(self, environment):
        agent = self
        self.asked = []
        expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
        self.answer = json.dumps({
            "AccessKeyId": environment["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": environment["AWS_SECRET_ACCESS_KEY"],
            "Token": "session", "AccountId": "111122223333",
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                agent.asked.append(self.headers.get("authorization"))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(agent.answer)))
                self.end_headers()
                self.wfile.write(agent.answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/credentials"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def test_the_cronjob_writes_a_dated_report_with_the_credentials_of_a_pod(simulated):
    pod = cronjob()["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    reports = simulated.directory / "reports"
    reports.mkdir()
    line = line_of_the_container(pod["containers"][0], reports)
    names = {each["name"] for each in pod["containers"][0]["env"]}
    assert names == {"AWS_REGION"}
    agent = PodIdentity(simulated.environment)
    (simulated.directory / "token").write_text("the pod's token")
    environment = simulated.environment | {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(simulated.directory / "token"),
    }
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        environment.pop(name, None)

    def run():
        return subprocess.run([USHER, *line], env=environment, cwd="/", capture_output=True,
                              timeout=60)

    try:
        found, _ = dated(run, lambda day: reports / f"access-{day}.csv")
        is_a_report(found)
        assert set(agent.asked) == {"the pod's token"}
    finally:
        agent.server.shutdown()


def unit(name):
    """The settings of a unit file, by section and name, as lists."""
    settings, section = {}, None
    for line in (EXAMPLES / name).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = line.strip("[]")
            continue
        key, value = line.split("=", 1)
        settings.setdefault(section, {}).setdefault(key, []).append(value)
    return settings


def test_the_service_unit_writes_a_dated_report(simulated):
    service = unit("usher-audit.service")["Service"]
    [line], [state] = service["ExecStart"], service["StateDirectory"]
    # As systemd makes it before the start.
    (simulated.directory / state).mkdir()
    binary, *arguments = shlex.split(line.replace("%S", str(simulated.directory)))
    assert binary == "/usr/local/bin/usher" and "%" not in "".join(arguments)

    def run():
        return subprocess.run([USHER, *arguments], env=simulated.environment, cwd="/",
                              capture_output=True, timeout=60)

    found, _ = dated(run, lambda day: simulated.directory / state / f"access-{day}.csv")
    is_a_report(found)


def test_the_units_are_hardened_and_systemd_takes_them(tmp_path):
    service, timer = unit("usher-audit.service")["Service"], unit("usher-audit.timer")
    for name, value in {
        "Type": "oneshot", "DynamicUser": "yes", "ProtectSystem": "strict", "ProtectHome": "yes",
        "NoNewPrivileges": "yes", "PrivateTmp": "yes", "CapabilityBoundingSet": "",
        "RestrictNamespaces": "yes", "MemoryDenyWriteExecute": "yes", "UMask": "0077",
    }.items():
        assert service[name] == [value], name
    assert timer["Timer"]["Persistent"] == ["true"]
    assert timer["Timer"]["OnCalendar"] == ["*-*-* 03:00:00 UTC"]
    assert timer["Install"]["WantedBy"] == ["timers.target"]
    if (analyze := shutil.which("systemd-analyze")) is None:
        return
    for name in ("usher-audit.service", "usher-audit.timer"):
        text = (EXAMPLES / name).read_text().replace("/usr/local/bin/usher", USHER)
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--man=no", tmp_path / "usher-audit.timer",
         tmp_path / "usher-audit.service"],
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0 and "usher-audit" not in done.stderr, done.stderr
