"""Every operation of the simulator answers in the shape of AWS's service model: required members, types,
enum values, patterns and lengths, and nothing that the model does not have.

Run as test_simulator_aws_clients.py.
"""

import pytest

from answer_shapes import violations_of
from oracle import botocore_model
from oracle_sides import Side
from test_simulator_aws_clients import Simulator

SETTINGS = (
    '{"sso_admin_rate_per_second": null, "identity_store_rate_per_second": null, '
    '"organizations_rate_per_second": null, "asynchronous_milliseconds": 0, "odd_page_rate": 0.3}'
)
SERVICES = ("sso-admin", "identitystore", "organizations", "sts")


@pytest.fixture
def simulator():
    running = Simulator(
        "--seed", "5", "--accounts", "6", "--account-instances", "1", "--permission-sets", "4",
        "--role-name", "walker", "--users", "40", "--groups", "10", "--applications", "8",
        "--assignments-per-account", "6", "--settings", SETTINGS,
    )
    yield running
    running.end()


class Walk:
    """Calls that all must succeed."""

    def __init__(self, simulator):
        self.side = Side(simulator.url)
        self.done = set()

    def __call__(self, service, operation, **arguments):
        outcome = self.side.call(service, operation, arguments)
        assert outcome.ok, (operation, str(outcome), arguments)
        self.done.add(operation)
        return outcome.answer

    def pages(self, service, operation, **arguments):
        page = self(service, operation, **arguments)
        while page.get("NextToken"):
            page = self(service, operation, NextToken=page["NextToken"], **arguments)


def walk_applications(walk, world, instance, store):
    application = next(each["application_arn"] for each in world["applications"]
                       if each["assignment_configuration_supported"])
    of = {"ApplicationArn": application}
    row = of | {"PrincipalId": world["users"][0]["user_id"], "PrincipalType": "USER"}
    sso = "sso-admin"
    walk.pages(sso, "ListApplicationProviders")
    walk.pages(sso, "ListApplications", InstanceArn=instance)
    for each in world["applications"]:
        walk(sso, "DescribeApplication", ApplicationArn=each["application_arn"])
        walk.pages(sso, "ListApplicationAssignments", ApplicationArn=each["application_arn"])
    walk(sso, "PutApplicationAssignmentConfiguration", AssignmentRequired=True, **of)
    walk(sso, "GetApplicationAssignmentConfiguration", **of)
    walk(sso, "CreateApplicationAssignment", **row)
    walk(sso, "DescribeApplicationAssignment", **row)
    for each in world["users"]:
        walk.pages(sso, "ListApplicationAssignmentsForPrincipal", InstanceArn=instance,
                   PrincipalId=each["user_id"], PrincipalType="USER")
    walk(sso, "DeleteApplicationAssignment", **row)


def walk_accounts(walk, world, instance, store):
    sso, of = "sso-admin", {"InstanceArn": instance}
    user = {"PrincipalId": world["users"][0]["user_id"], "PrincipalType": "USER"}
    walk.pages(sso, "ListInstances")
    walk(sso, "DescribeInstance", **of)
    made = walk(sso, "CreatePermissionSet", Name="Walker", **of)["PermissionSet"]
    permission_set = of | {"PermissionSetArn": made["PermissionSetArn"]}
    account = next(each["account_id"] for each in world["accounts"] if each["status"] == "ACTIVE")
    triple = permission_set | user | {"TargetId": account, "TargetType": "AWS_ACCOUNT"}
    for kind, operation in (("Creation", "Create"), ("Deletion", "Delete")):
        begun = walk(sso, f"{operation}AccountAssignment", **triple)
        request = begun[f"AccountAssignment{kind}Status"]["RequestId"]
        asked = {f"AccountAssignment{kind}RequestId": request}
        walk(sso, f"DescribeAccountAssignment{kind}Status", **of, **asked)
        walk.pages(sso, f"ListAccountAssignment{kind}Status", **of)
    walk(sso, "DeletePermissionSet", **permission_set)
    walk.pages(sso, "ListPermissionSets", **of)
    for row in world["permission_sets"]:
        one = of | {"PermissionSetArn": row["permission_set_arn"]}
        walk(sso, "DescribePermissionSet", **one)
        walk.pages(sso, "ListAccountsForProvisionedPermissionSet", **one)
        for each in world["accounts"]:
            walk.pages(sso, "ListAccountAssignments", AccountId=each["account_id"], **one)
    for each in world["accounts"]:
        walk.pages(sso, "ListPermissionSetsProvisionedToAccount", AccountId=each["account_id"], **of)
    for each in world["users"]:
        walk.pages(sso, "ListAccountAssignmentsForPrincipal", PrincipalId=each["user_id"],
                   PrincipalType="USER", **of)


def walk_people(walk, world, instance, store):
    people, of = "identitystore", {"IdentityStoreId": store}
    user = of | {"UserId": walk(
        people, "CreateUser", UserName="walker", DisplayName="W",
        Name={"GivenName": "W", "FamilyName": "R"}, **of)["UserId"]}
    group = of | {"GroupId": walk(people, "CreateGroup", DisplayName="walkers", **of)["GroupId"]}
    member = {"MemberId": {"UserId": user["UserId"]}}
    made = walk(people, "CreateGroupMembership", **group, **member)
    membership = of | {"MembershipId": made["MembershipId"]}
    for kind, path, value in (("User", "userName", "walker"), ("Group", "displayName", "walkers")):
        attribute = {"AttributePath": path, "AttributeValue": value}
        walk(people, f"Get{kind}Id", AlternateIdentifier={"UniqueAttribute": attribute}, **of)
    walk(people, "DescribeGroupMembership", **membership)
    walk(people, "GetGroupMembershipId", **group, **member)
    walk(people, "IsMemberInGroups", GroupIds=[group["GroupId"]], **of, **member)
    walk.pages(people, "ListUsers", **of)
    walk.pages(people, "ListGroups", **of)
    for each in [user["UserId"], *(each["user_id"] for each in world["users"])]:
        walk(people, "DescribeUser", UserId=each, **of)
        walk.pages(people, "ListGroupMembershipsForMember", MemberId={"UserId": each}, **of)
    for each in [group["GroupId"], *(each["group_id"] for each in world["groups"])]:
        walk(people, "DescribeGroup", GroupId=each, **of)
        walk.pages(people, "ListGroupMemberships", GroupId=each, **of)
    walk(people, "DeleteGroupMembership", **membership)
    walk(people, "DeleteGroup", **group)
    walk(people, "DeleteUser", **user)


def walk_organization(walk, world, instance, store):
    for operation in ("ListAccounts", "ListDelegatedAdministrators"):
        walk.pages("organizations", operation)
    walk("organizations", "DescribeOrganization")
    walk("sts", "GetCallerIdentity")
    walk("sts", "AssumeRole", RoleArn=world["roles"][0]["role_arn"], RoleSessionName="walker")


def served(side):
    """The operations of the models that the simulator knows."""
    return {
        operation
        for service in SERVICES
        for operation in botocore_model(service).operation_names
        if side.call(service, operation, {}).code not in ("UnknownOperationException", "InvalidAction")
    }


def test_every_operation_of_the_simulator_answers_in_the_shape_of_the_model(simulator):
    world = simulator.control("GET", "world")
    walk = Walk(simulator)
    own = next(each for each in world["instances"]
               if each["owner_account_id"] == world["caller"]["account_id"])
    here = world | {
        name: [each for each in world[name] if each[key] == own[key]]
        for name, key in (
            ("users", "identity_store_id"), ("groups", "identity_store_id"),
            ("applications", "instance_arn"), ("permission_sets", "instance_arn"),
        )
    }
    for part in (walk_applications, walk_accounts, walk_people, walk_organization):
        part(walk, here, own["instance_arn"], own["identity_store_id"])
    assert walk.done == served(Side(simulator.url))
    assert not walk.side.violations


def test_the_judge_of_shapes_finds_what_is_wrong():
    shape = botocore_model("identitystore").operation_model("DescribeUser").output_shape
    right = {
        "UserId": "d4e8f4a8-0000-4000-8000-000000000001", "IdentityStoreId": "d-9067012345",
        "UserArn": "arn:aws:identitystore:::user/d4e8f4a8-0000-4000-8000-000000000001",
        "Revision": "1", "UserStatus": "ENABLED", "CreatedAt": 1.5,
    }
    right = {name: each for name, each in right.items() if name in shape.members}
    assert violations_of(shape, right) == []
    for member, wrong, told in (
        ("UserId", None, "null"), ("UserId", "x", "does not fit"), ("UserStatus", "ASLEEP", "none of"),
        ("CreatedAt", "today", "not a timestamp"), ("UserName", "x" * 129, "at most 128"),
        ("UserName", 7, "not a string"), ("Surprise", 1, "not in the model"),
        ("Emails", {}, "not a list"), ("Name", [], "not a structure"),
    ):
        found = violations_of(shape, right | {member: wrong})
        assert any(member in each and told in each for each in found), (member, found)
    assert ".UserArn: missing" in violations_of(shape, {})
