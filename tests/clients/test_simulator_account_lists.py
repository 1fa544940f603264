"""AWS's own clients meet the long lists and the refusals of the account side of `usher simulate`.

Run as test_simulator_aws_clients.py.
"""

import botocore.exceptions
import pytest

from test_simulator_account_side import SANDBOX, until_ended, walk
from test_simulator_aws_clients import NOBODY, Simulator

PRODUCTION = "222233334444"
FAST = '"sso_admin_rate_per_second": null, "identity_store_rate_per_second": null'


@pytest.fixture
def simulator():
    running = Simulator("--settings", '{"asynchronous_milliseconds": 0, ' + FAST + "}")
    yield running
    running.end()


@pytest.fixture
def large():
    running = Simulator(
        "--seed", "21", "--accounts", "6", "--permission-sets", "7", "--users", "40", "--groups", "25",
        "--applications", "2", "--assignments-per-account", "25",
        "--settings", '{"odd_page_rate": 0.4, ' + FAST + "}",
    )
    yield running
    running.end()


def instance_of(simulator):
    sso = simulator.client("sso-admin")
    return sso, {"InstanceArn": sso.list_instances()["Instances"][0]["InstanceArn"]}


def keys(rows):
    members = ("AccountId", "PermissionSetArn", "PrincipalType", "PrincipalId")
    return sorted(tuple(each[name] for name in members) for each in rows)


def truth(world, fits=lambda row: True):
    members = ("account_id", "permission_set_arn", "principal_type", "principal_id")
    rows = filter(fits, world["account_assignments"])
    return sorted(tuple(each[name] for name in members) for each in rows)


def test_paginators_read_the_account_side_over_odd_pages(large):
    sso, arn = instance_of(large)
    world = large.control("GET", "world")
    few = {"PaginationConfig": {"PageSize": 3}}
    sets = walk(sso, "list_permission_sets", "PermissionSets", **arn, **few)
    assert sorted(sets) == sorted(each["permission_set_arn"] for each in world["permission_sets"])
    assigned, listed = [], "list_account_assignments"
    for account in (each["account_id"] for each in world["accounts"]):
        here = walk(sso, "list_permission_sets_provisioned_to_account", "PermissionSets",
                    AccountId=account, **arn, **few)
        assert len(here) == len(set(here))
        for each in here:
            place = arn | {"AccountId": account, "PermissionSetArn": each}
            assigned += walk(sso, listed, "AccountAssignments", **place, **few)
            accounts = walk(sso, "list_accounts_for_provisioned_permission_set", "AccountIds",
                            PermissionSetArn=each, **arn, **few)
            assert account in accounts
    assert keys(assigned) == truth(world) and len(assigned) > 50
    group = max(world["groups"], key=lambda each: len(
        truth(world, lambda row: row["principal_id"] == each["group_id"])))["group_id"]
    rows = walk(sso, f"{listed}_for_principal", "AccountAssignments",
                PrincipalId=group, PrincipalType="GROUP", **arn, **few)
    assert keys(rows) == truth(world, lambda row: row["principal_id"] == group)


def test_the_cli_goes_on_from_its_own_token(large):
    _, arn = instance_of(large)
    cli, instance = large.cli, ("--instance-arn", arn["InstanceArn"])
    world = large.control("GET", "world")
    found, token = [], ()
    while True:
        page = cli("sso-admin", "list-permission-sets", *instance, "--page-size", "2",
                   "--max-items", "3", *token)
        found += page["PermissionSets"]
        if "NextToken" not in page:
            break
        token = ("--starting-token", page["NextToken"])
    assert sorted(found) == sorted(each["permission_set_arn"] for each in world["permission_sets"])


def test_an_operation_that_fails_says_why_and_changes_nothing(simulator):
    sso, arn = instance_of(simulator)
    world = simulator.control("GET", "world")
    permission_set = world["permission_sets"][1]["permission_set_arn"]
    triple = arn | {
        "PermissionSetArn": permission_set, "TargetId": SANDBOX, "TargetType": "AWS_ACCOUNT",
        "PrincipalType": "USER", "PrincipalId": world["users"][0]["user_id"],
    }
    place = arn | {"PermissionSetArn": permission_set, "AccountId": SANDBOX}
    before = walk(sso, "list_account_assignments", "AccountAssignments", **place)
    for reason in ("The role is protected.", None):
        action = {"kind": "async_failed"} | ({"reason": reason} if reason else {})
        fault = {"operation": "CreateAccountAssignment", "times": 1, "action": action}
        simulator.control("POST", "faults", fault)
        begun = sso.create_account_assignment(**triple)["AccountAssignmentCreationStatus"]
        ended = until_ended(lambda: sso.describe_account_assignment_creation_status(
            **arn, AccountAssignmentCreationRequestId=begun["RequestId"]
        )["AccountAssignmentCreationStatus"])
        assert ended["Status"] == "FAILED" and ended.get("FailureReason") == reason
        failed = walk(sso, "list_account_assignment_creation_status",
                      "AccountAssignmentsCreationStatus", Filter={"Status": "FAILED"}, **arn)
        assert begun["RequestId"] in {each["RequestId"] for each in failed}
    assert walk(sso, "list_account_assignments", "AccountAssignments", **place) == before


def test_refusals_of_the_account_side_are_those_of_aws(simulator):
    sso, arn = instance_of(simulator)
    world = simulator.control("GET", "world")
    permission_set = {"PermissionSetArn": world["permission_sets"][0]["permission_set_arn"]}
    user = {"PrincipalType": "USER", "PrincipalId": world["users"][0]["user_id"]}
    triple = arn | permission_set | user | {"TargetId": SANDBOX, "TargetType": "AWS_ACCOUNT"}
    known = sso.exceptions
    gone = {"PermissionSetArn": permission_set["PermissionSetArn"][:-1] + "0"}
    for wrong, error in (
        ({"TargetId": "12345678901x"}, known.ValidationException),
        ({"TargetType": "AWS_OU"}, known.ValidationException),
        ({"PrincipalId": "x"}, known.ValidationException),
        (gone, known.ResourceNotFoundException),
        ({"PrincipalId": NOBODY}, known.ResourceNotFoundException),
        ({"InstanceArn": "arn:aws:sso:::instance/ssoins-0000000000000000"}, known.AccessDeniedException),
    ):
        with pytest.raises(error) as caught:
            sso.create_account_assignment(**(triple | wrong))
        metadata = caught.value.response["ResponseMetadata"]
        assert metadata["HTTPStatusCode"] == 400 and metadata["RequestId"]
    for request in ("describe_account_assignment_creation_status", "Creation"), (
            "describe_account_assignment_deletion_status", "Deletion"):
        asked = arn | {f"AccountAssignment{request[1]}RequestId": NOBODY}
        with pytest.raises(known.ResourceNotFoundException):
            getattr(sso, request[0])(**asked)
    with pytest.raises(known.ConflictException):
        sso.create_permission_set(**arn, Name=world["permission_sets"][0]["name"])
    given = simulator.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{PRODUCTION}:role/usher-audit", RoleSessionName="member")
    member = simulator.client("sso-admin", credentials=given["Credentials"])
    with pytest.raises(known.AccessDeniedException):
        member.list_permission_sets(**arn)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        simulator.client("organizations", credentials=given["Credentials"]).list_accounts()
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"


def test_the_cli_shows_the_refusals_to_its_user(simulator):
    _, arn = instance_of(simulator)
    cli, world = simulator.cli, simulator.control("GET", "world")
    permission_set = world["permission_sets"][0]["permission_set_arn"]
    suspended = next(each["account_id"] for each in world["accounts"] if each["status"] == "SUSPENDED")
    instance = ("--instance-arn", arn["InstanceArn"])
    triple = (
        *instance, "--permission-set-arn", permission_set, "--target-type", "AWS_ACCOUNT",
        "--principal-type", "USER",
    )
    user = ("--principal-id", world["users"][0]["user_id"])
    said = cli("sso-admin", "delete-account-assignment", *triple, "--principal-id", NOBODY,
               "--target-id", SANDBOX, expect=255)
    assert "ResourceNotFoundException" in said and NOBODY in said
    said = cli("sso-admin", "create-account-assignment", *triple, *user, "--target-id", "12345678901x",
               expect=255)
    assert "ValidationException" in said and "targetId" in said
    # What may happen at AWS: it succeeds, and nothing comes of it.
    begun = cli("sso-admin", "create-account-assignment", *triple, *user, "--target-id", suspended)
    request = begun["AccountAssignmentCreationStatus"]["RequestId"]
    ended = until_ended(lambda: cli(
        "sso-admin", "describe-account-assignment-creation-status", *instance,
        "--account-assignment-creation-request-id", request,
    )["AccountAssignmentCreationStatus"])
    assert ended["Status"] == "SUCCEEDED"
    rows = cli("sso-admin", "list-account-assignments", *instance, "--account-id", suspended,
               "--permission-set-arn", permission_set)
    assert not rows or not rows.get("AccountAssignments")
