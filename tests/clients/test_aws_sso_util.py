"""aws-sso-util, a tool that people list account assignments with today, and Usher's report: both read the
same simulator and say the same.

Run as test_simulator_aws_clients.py.
"""

import csv
import io
import pathlib
import re
import subprocess
import sys

import pytest

from test_simulator_aws_clients import Simulator
from usher_processes import USHER, clean_environment

# The tool writes no quotes: a separator that no name holds.
SEPARATOR = "\x1f"
COLUMNS = [
    "instance_arn", "principal_type", "principal_id", "principal_name", "permission_set_arn",
    "permission_set_name", "target_type", "target_id", "target_name",
]
# The tool takes an empty list for granted where AWS leaves it out, and stops: no such pages here.
SETTINGS = (
    '{"sso_admin_rate_per_second": null, "identity_store_rate_per_second": null, '
    '"organizations_rate_per_second": null, "odd_page_rate": 0.3, "omitted_list_rate": 0.0}'
)


@pytest.fixture(params=[3, 14])
def simulator(request):
    running = Simulator(
        "--seed", str(request.param), "--accounts", "10", "--permission-sets", "5", "--users", "60",
        "--groups", "20", "--applications", "3", "--assignments-per-account", "14",
        "--settings", SETTINGS,
    )
    yield running
    running.end()


def environment_of(simulator, home):
    return clean_environment(home) | simulator.environment


def by_aws_sso_util(simulator, home):
    """The rows of `aws-sso-util admin assignments`."""
    tool = pathlib.Path(sys.executable).with_name("aws-sso-util")
    done = subprocess.run(
        [tool, "admin", "assignments", "--separator", SEPARATOR],
        env=environment_of(simulator, home), capture_output=True, text=True, timeout=300,
    )
    assert done.returncode == 0, done.stderr
    # A name may go over several lines; every row begins with the instance.
    header, *lines = re.split(r"\n(?=arn:aws:sso:::instance/)", done.stdout.removesuffix("\n"))
    assert header.split(SEPARATOR) == COLUMNS
    return [dict(zip(COLUMNS, line.split(SEPARATOR), strict=True)) for line in lines]


def by_usher(simulator, home):
    """The rows about accounts of Usher's ASSIGNMENTS."""
    done = subprocess.run(
        [USHER, "audit", "--view", "assignments", "--format", "csv", "--per-second", "1000"],
        env=environment_of(simulator, home), cwd=home, capture_output=True, timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()
    rows = csv.DictReader(io.StringIO(done.stdout.decode(), newline=""))
    return [each for each in rows if each["target_kind"] == "ACCOUNT"]


def cell(name):
    """A name as Usher's CSV shows it: what a spreadsheet would run gets an apostrophe."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name


def of_ours(row):
    """What aws-sso-util would write of a row of ours. A principal is a user or a group there."""
    kind = "GROUP" if row["group_id"] else "USER"
    column = kind.lower()
    assert bool(row["user_id"]) != bool(row["group_id"])
    return (
        row["instance_arn"], kind, row[f"{column}_id"], row[f"{column}_name"],
        row["permission_set_arn"], row["permission_set_name"], "AWS_ACCOUNT", row["account_id"],
        row["account_name"],
    )


def of_theirs(row):
    return tuple(cell(row[name]) if name.endswith("_name") else row[name] for name in COLUMNS)


def test_aws_sso_util_and_the_report_say_the_same(simulator, tmp_path):
    theirs, ours = by_aws_sso_util(simulator, tmp_path), by_usher(simulator, tmp_path)
    world = simulator.control("GET", "world")
    assert len(theirs) == len(ours) == len(world["account_assignments"]) > 50
    assert sorted(map(of_ours, ours)) == sorted(map(of_theirs, theirs))
    # Of a deleted principal the tool says nothing but the id; Usher says that it is deleted.
    known = {each["user_id"] for each in world["users"]} | {each["group_id"] for each in world["groups"]}
    unnamed = {each["principal_id"] for each in theirs if not each["principal_name"]}
    orphaned = {
        each["user_id"] or each["group_id"]
        for each in ours if "orphaned_assignment" in each["findings"].split(";")
    }
    assert {each["principal_id"] for each in theirs} - known == orphaned
    assert orphaned and unnamed == orphaned
    # The world has what makes this hard: names that a spreadsheet would run, among others.
    assert any(each["permission_set_name"].startswith("'=") for each in ours)
