"""AWS's own clients walk the account side of `usher simulate`: a permission set is made, assigned in an
account, polled for, listed, taken back and deleted.

Run as test_simulator_aws_clients.py.
"""

import time

import pytest

from test_simulator_aws_clients import NOBODY, Simulator

SANDBOX = "333344445555"
# Longer than any operation below takes, shorter than anybody waits.
PATIENCE_SECONDS = 30


@pytest.fixture
def simulator():
    # Polling without pauses needs more than AWS's rate.
    running = Simulator("--settings", '{"asynchronous_milliseconds": 300, '
                        '"sso_admin_rate_per_second": null}')
    yield running
    running.end()


def until_ended(read):
    """Polls as a client of AWS must: there is no waiter in the model."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (status := read())["Status"] == "IN_PROGRESS":
        assert time.monotonic() < deadline, status
    return status


def walk(client, operation, member, **arguments):
    """All rows of a list: pages may come empty although more follows."""
    pages = client.get_paginator(operation).paginate(**arguments)
    return [each for page in pages for each in page.get(member, [])]


def test_boto3_walks_the_account_side(simulator):
    sso, store = simulator.client("sso-admin"), simulator.client("identitystore")
    instance = sso.list_instances()["Instances"][0]
    arn = {"InstanceArn": instance["InstanceArn"]}
    people = {"IdentityStoreId": instance["IdentityStoreId"]}
    name = {"UniqueAttribute": {"AttributePath": "userName", "AttributeValue": "emi.sato"}}
    user = store.get_user_id(**people, AlternateIdentifier=name)["UserId"]

    made = sso.create_permission_set(**arn, Name="Billing", SessionDuration="PT2H")
    permission_set = {"PermissionSetArn": made["PermissionSet"]["PermissionSetArn"]}
    found = sso.describe_permission_set(**arn, **permission_set)["PermissionSet"]
    assert found == made["PermissionSet"] and found["Name"] == "Billing"
    listed = walk(sso, "list_permission_sets", "PermissionSets", **arn)
    assert permission_set["PermissionSetArn"] in listed

    triple = {
        **arn, **permission_set, "TargetId": SANDBOX, "TargetType": "AWS_ACCOUNT",
        "PrincipalType": "USER", "PrincipalId": user,
    }
    begun = sso.create_account_assignment(**triple)["AccountAssignmentCreationStatus"]
    assert begun["Status"] == "IN_PROGRESS" and begun["TargetId"] == SANDBOX
    ended = until_ended(lambda: sso.describe_account_assignment_creation_status(
        **arn, AccountAssignmentCreationRequestId=begun["RequestId"]
    )["AccountAssignmentCreationStatus"])
    assert ended["Status"] == "SUCCEEDED" and "FailureReason" not in ended

    row = {"AccountId": SANDBOX, **permission_set, "PrincipalType": "USER", "PrincipalId": user}
    place = {**arn, "AccountId": SANDBOX, **permission_set}
    rows = walk(sso, "list_account_assignments", "AccountAssignments", **place)
    assert rows == [row]
    rows = walk(
        sso, "list_account_assignments_for_principal", "AccountAssignments",
        **arn, PrincipalId=user, PrincipalType="USER", Filter={"AccountId": SANDBOX},
    )
    assert rows == [row]
    provisioned = "list_accounts_for_provisioned_permission_set"
    assert walk(sso, provisioned, "AccountIds", **arn, **permission_set) == [SANDBOX]
    provisioned = "list_permission_sets_provisioned_to_account"
    rows = walk(sso, provisioned, "PermissionSets", **arn, AccountId=SANDBOX)
    assert permission_set["PermissionSetArn"] in rows
    with pytest.raises(sso.exceptions.ConflictException) as caught:
        sso.delete_permission_set(**arn, **permission_set)
    assert "has ApplicationProfile associated with it" in str(caught.value)

    begun = sso.delete_account_assignment(**triple)["AccountAssignmentDeletionStatus"]
    ended = until_ended(lambda: sso.describe_account_assignment_deletion_status(
        **arn, AccountAssignmentDeletionRequestId=begun["RequestId"]
    )["AccountAssignmentDeletionStatus"])
    assert ended["Status"] == "SUCCEEDED"
    assert not walk(sso, "list_account_assignments", "AccountAssignments", **place)
    with pytest.raises(sso.exceptions.ResourceNotFoundException):
        sso.delete_account_assignment(**triple)
    with pytest.raises(sso.exceptions.ResourceNotFoundException):
        sso.create_account_assignment(**(triple | {"PrincipalId": NOBODY}))
    sso.delete_permission_set(**arn, **permission_set)
    with pytest.raises(sso.exceptions.ResourceNotFoundException):
        sso.describe_permission_set(**arn, **permission_set)


def test_the_cli_walks_the_account_side(simulator):
    cli = simulator.cli
    instance = cli("sso-admin", "list-instances")["Instances"][0]
    arn = ("--instance-arn", instance["InstanceArn"])
    made = cli("sso-admin", "create-permission-set", *arn, "--name", "Billing")["PermissionSet"]
    permission_set = ("--permission-set-arn", made["PermissionSetArn"])
    group = cli(
        "identitystore", "create-group", "--identity-store-id", instance["IdentityStoreId"],
        "--display-name", "accountants",
    )["GroupId"]
    triple = (
        *arn, *permission_set, "--target-id", SANDBOX, "--target-type", "AWS_ACCOUNT",
        "--principal-type", "GROUP", "--principal-id", group,
    )
    begun = cli("sso-admin", "create-account-assignment", *triple)
    begun = begun["AccountAssignmentCreationStatus"]
    ended = until_ended(lambda: cli(
        "sso-admin", "describe-account-assignment-creation-status", *arn,
        "--account-assignment-creation-request-id", begun["RequestId"],
    )["AccountAssignmentCreationStatus"])
    assert ended["Status"] == "SUCCEEDED"
    place = (*arn, *permission_set, "--account-id", SANDBOX)
    rows = cli("sso-admin", "list-account-assignments", *place)["AccountAssignments"]
    assert [each["PrincipalId"] for each in rows] == [group]
    begun = cli("sso-admin", "delete-account-assignment", *triple)
    begun = begun["AccountAssignmentDeletionStatus"]
    ended = until_ended(lambda: cli(
        "sso-admin", "describe-account-assignment-deletion-status", *arn,
        "--account-assignment-deletion-request-id", begun["RequestId"],
    )["AccountAssignmentDeletionStatus"])
    assert ended["Status"] == "SUCCEEDED"
    rows = cli("sso-admin", "list-account-assignments", *place)
    assert not rows or not rows.get("AccountAssignments")
    cli("sso-admin", "delete-permission-set", *arn, *permission_set)
    said = cli("sso-admin", "describe-permission-set", *arn, *permission_set, expect=255)
    assert "ResourceNotFoundException" in said


def test_an_eleventh_operation_in_progress_is_throttled(simulator):
    sso = simulator.client("sso-admin")
    simulator.control("PUT", "settings", {
        "asynchronous_milliseconds": 3_600_000, "sso_admin_rate_per_second": None,
    })
    world = simulator.control("GET", "world")
    instance = sso.list_instances()["Instances"][0]["InstanceArn"]
    users = [each["user_id"] for each in world["users"]]
    sets = [each["permission_set_arn"] for each in world["permission_sets"]]
    triples = [
        {
            "InstanceArn": instance, "PermissionSetArn": each, "TargetId": "222233334444",
            "TargetType": "AWS_ACCOUNT", "PrincipalType": "USER", "PrincipalId": user,
        }
        for each in sets for user in users
    ]
    for triple in triples[:10]:
        sso.create_account_assignment(**triple)
    with pytest.raises(sso.exceptions.ThrottlingException) as caught:
        sso.create_account_assignment(**triples[10])
    assert "There are too many requests processing" in str(caught.value)
    with pytest.raises(sso.exceptions.ConflictException):
        sso.delete_account_assignment(**triples[0])
    shown = simulator.control("GET", "outstanding_assignments")
    rows = walk(
        sso, "list_account_assignment_creation_status", "AccountAssignmentsCreationStatus",
        InstanceArn=instance, Filter={"Status": "IN_PROGRESS"},
    )
    assert sorted(each["RequestId"] for each in rows) == sorted(shown["request_ids"])
    assert shown["outstanding_assignments_max_seen"] == len(shown["request_ids"]) == 10
