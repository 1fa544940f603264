"""The hand-written programs: each operation that both sides know, in its lawful and its unlawful forms."""

from oracle import Id
from oracle_programs import Program
from oracle_sides import NOBODY, NO_ACCOUNT, NO_INSTANCE, NO_SET, ROLE

SESSION = "walker"


def organization(comparison, accounts):
    program = Program(comparison, "organization")
    for size in (None, 1, 7, 20, 21, 0):
        program.walk("organizations", "ListAccounts", "Accounts", size)
    comparison.call("organizations", "ListAccounts", {"NextToken": "made up"})
    comparison.call("organizations", "DescribeOrganization", {})
    for service in ({}, {"ServicePrincipal": "ssm.amazonaws.com"},
                    {"ServicePrincipal": "sso.amazonaws.com"}):
        program.walk(
            "organizations", "ListDelegatedAdministrators", "DelegatedAdministrators", **service)


def sessions(comparison, accounts):
    comparison.facts.suspended_account = accounts[-1]
    comparison.call("sts", "GetCallerIdentity", {})
    for number, account in enumerate(accounts[1:4]):
        role = {"RoleArn": f"arn:aws:iam::{account}:role/{ROLE}", "RoleSessionName": SESSION}
        bind = {
            f"Credentials.{each}": f"session:{each}:{number}"
            for each in ("AccessKeyId", "SecretAccessKey", "SessionToken")
        } | {"AssumedRoleUser.AssumedRoleId": f"session:id:{number}"}
        given = comparison.answers("sts", "AssumeRole", role, bind=bind)
        credentials = [each.answer["Credentials"] for each in given]
        comparison.call("sts", "GetCallerIdentity", {}, credentials=credentials)
        comparison.call("organizations", "DescribeOrganization", {}, credentials=credentials)
        comparison.walk("organizations", "ListAccounts", "Accounts", {}, 20, credentials)
    role = {"RoleArn": f"arn:aws:iam::{accounts[1]}:role/{ROLE}", "RoleSessionName": SESSION}
    for wrong in (
        {"RoleArn": f"arn:aws:iam::{accounts[1]}:role/of-nobody"},
        {"RoleArn": f"arn:aws:iam::{accounts[-1]}:role/{ROLE}"},
        {"RoleSessionName": "x" * 65}, {"RoleSessionName": "x"}, {"RoleSessionName": "a b"},
        {"DurationSeconds": 899}, {"DurationSeconds": 3601},
    ):
        comparison.call("sts", "AssumeRole", role | wrong)


def permission_sets(comparison, accounts):
    program = Program(comparison, "sets")
    program.walk("sso-admin", "ListPermissionSets", "PermissionSets")
    comparison.walk("sso-admin", "ListInstances", "Instances", {})
    full = program.permission_set(
        "Full", Description="Everything told", SessionDuration="PT8H",
        RelayState="https://example.com/", Tags=[{"Key": "a", "Value": "b"}])
    bare = program.permission_set("Bare")
    for each in (Id(full), Id(bare), NO_SET, "x" * 20):
        program.sso("DescribePermissionSet", PermissionSetArn=each)
    for name, more in (
        ("Full", {}), ("x" * 33, {}), ("a b", {}), ("Long", {"SessionDuration": "long"}),
        ("Told", {"Description": "x" * 701}),
    ):
        program.permission_set(name, **more)
    for number in range(8):
        program.permission_set(f"Many-{number}")
    for size in (None, 1, 3, 100, 101, 0):
        program.walk("sso-admin", "ListPermissionSets", "PermissionSets", size)
    program.sso("ListPermissionSets", NextToken="made-up")
    comparison.call("sso-admin", "ListPermissionSets", {"InstanceArn": NO_INSTANCE})
    comparison.call("sso-admin", "ListPermissionSets", {"InstanceArn": "x"})
    comparison.call("sso-admin", "ListPermissionSets", {})
    comparison.call("sso-admin", "DescribePermissionSet",
                    {"InstanceArn": NO_INSTANCE, "PermissionSetArn": Id(full)})
    comparison.facts.gone.add(bare)
    for operation in ("DeletePermissionSet", "DeletePermissionSet", "DescribePermissionSet"):
        program.sso(operation, PermissionSetArn=Id(bare))
    program.walk("sso-admin", "ListPermissionSets", "PermissionSets")


def account_assignments(comparison, accounts):
    program = Program(comparison, "accounts")
    user, group, held = program.user(), program.group(), program.permission_set()
    other = program.permission_set()
    program.membership(group, user)
    for account in accounts[:3]:
        program.assign(account, held, "USER", user)
        program.assign(account, held, "GROUP", group)
    for size in (None, 1, 3, 100, 101):
        program.place(accounts[0], held, size)
        program.of_principal("GROUP", group, size)
    program.of_principal("USER", user)
    program.of_principal("USER", user, Filter={"AccountId": accounts[1]})
    program.of_principal("USER", NOBODY)
    program.place(accounts[0], other)
    program.place(accounts[0], NO_SET)
    program.place(NO_ACCOUNT, held)
    program.place("12", held)
    program.provisioned(accounts[0], held)
    program.provisioned(accounts[0], NO_SET)
    for kind in ("Creation", "Deletion"):
        for request in (NOBODY, "x"):
            program.status(kind, request)
    for triple in (
        (accounts[0], held, "USER", NOBODY), (accounts[0], NO_SET, "USER", user),
        (NO_ACCOUNT, other, "USER", user), (accounts[-1], other, "USER", user),
        ("12", held, "USER", user), (accounts[0], held, "ROBOT", user), (accounts[0], held, "USER", "x"),
    ):
        if program.assign(*triple):
            comparison.facts.silent.add(triple)
            program.place(triple[0], triple[1])
    program.unassign(accounts[0], held, "USER", "x")
    # A second time: one assignment.
    program.assign(accounts[0], held, "USER", user)
    program.place(accounts[0], held)
    for account in accounts[:3]:
        program.unassign(account, held, "USER", user)
        program.place(account, held)
    program.unassign(accounts[0], held, "USER", user)
    program.unassign(accounts[1], held, "USER", user)
    for request in program.requests["Creation"][:2]:
        program.status("Creation", request)
    # Somebody who is gone keeps the assignment.
    program.delete_group(group)
    program.remember_gone()
    program.place(accounts[1], held)
    program.unassign(accounts[1], held, "GROUP", group)
    program.place(accounts[1], held)
    program.sso("DeletePermissionSet", PermissionSetArn=Id(held))


def people(comparison, accounts):
    program = Program(comparison, "people")
    anna = program.user("Anna", Emails=[{"Value": "anna@example.com", "Type": "work", "Primary": True}],
                        Title="Engineer", Locale="de-DE", PhoneNumbers=[{"Value": "1", "Type": "work"}])
    berit = program.user("berit")
    program.user("Anna")
    program.user("anna")
    program.user("other", Emails=[{"Value": "anna@example.com"}])
    both = {"GivenName": "A", "FamilyName": "B"}
    for lacking in (
        {"UserName": "x", "DisplayName": "x"}, {"UserName": "x", "Name": both},
        {"UserName": "x", "DisplayName": "x", "Name": {"GivenName": "A"}},
        {"DisplayName": "x", "Name": both},
    ):
        program.store("CreateUser", **lacking)
    program.user("x" * 129)
    program.user("Administrator")
    for each in (Id(anna), Id(berit), NOBODY, "x"):
        program.store("DescribeUser", UserId=each)
    for path, value in (("userName", "Anna"), ("userName", "nobody"), ("userName", "anna"),
                        ("emails.value", "anna@example.com"), ("emails.value", "x@example.com"),
                        ("userName", ""), ("nickName", "Anna")):
        program.named("User", path, value)
    external = {"ExternalId": {"Issuer": "https://example.com", "Id": "1"}}
    program.store("GetUserId", AlternateIdentifier=external)
    program.store("GetGroupId", AlternateIdentifier=external)
    for size in (None, 1, 100, 101, 0):
        program.walk("identitystore", "ListUsers", "Users", size)
    program.store("ListUsers", NextToken="made-up")
    program.store("ListUsers", Filters=[{"AttributePath": "UserName", "AttributeValue": "Anna"}])
    comparison.call("identitystore", "ListUsers", {"IdentityStoreId": "d-0000000000"})
    comparison.call("identitystore", "ListUsers", {"IdentityStoreId": "x"})
    program.delete_user(berit)
    program.delete_user(NOBODY)
    program.store("DescribeUser", UserId=Id(berit))
    program.store("DeleteUser", UserId=Id(berit))


def groups(comparison, accounts):
    program = Program(comparison, "groups")
    anna, carl = program.user(), program.user()
    builders, readers = program.group("builders", Description="Who builds"), program.group("readers")
    program.group("builders")
    program.group("Builders")
    program.group("x" * 1025)
    program.store("CreateGroup", Description="without a name")
    for each in (Id(builders), Id(readers), NOBODY, "x"):
        program.store("DescribeGroup", GroupId=each)
    for path, value in (("displayName", "builders"), ("displayName", "nothing"),
                        ("displayName", "READERS"), ("displayName", ""), ("userName", "builders")):
        program.named("Group", path, value)
    first = program.membership(builders, anna)
    second = program.membership(builders, carl)
    program.membership(readers, anna)
    program.membership(builders, anna)
    program.membership(NOBODY, anna)
    program.membership(builders, NOBODY)
    for each in (Id(first), NOBODY, "x"):
        program.store("DescribeGroupMembership", MembershipId=each)
    program.store("GetGroupMembershipId", **program.pair(builders, carl))
    program.store("GetGroupMembershipId", **program.pair(readers, carl))
    program.store("GetGroupMembershipId", GroupId=NOBODY, MemberId={"UserId": Id(anna)})
    program.store("IsMemberInGroups", MemberId={"UserId": Id(anna)}, GroupIds=[Id(builders), Id(readers)])
    program.store("IsMemberInGroups", MemberId={"UserId": Id(carl)}, GroupIds=[Id(readers)])
    program.store("IsMemberInGroups", MemberId={"UserId": NOBODY}, GroupIds=[Id(readers)])
    program.store("IsMemberInGroups", MemberId={"UserId": Id(anna)}, GroupIds=[])
    for size in (None, 1, 2, 101):
        program.walk("identitystore", "ListGroups", "Groups", size)
        program.walk("identitystore", "ListGroupMemberships", "GroupMemberships", size,
                     GroupId=Id(builders))
        program.walk("identitystore", "ListGroupMembershipsForMember", "GroupMemberships", size,
                     MemberId={"UserId": Id(anna)})
    program.store("ListGroups", Filters=[{"AttributePath": "DisplayName", "AttributeValue": "readers"}])
    program.walk("identitystore", "ListGroupMemberships", "GroupMemberships", GroupId=NOBODY)
    program.leave(second)
    program.leave(second)
    program.walk("identitystore", "ListGroupMemberships", "GroupMemberships", GroupId=Id(builders))
    # What is left when a member, then a group, is gone.
    program.delete_user(anna)
    program.remember_gone()
    program.walk("identitystore", "ListGroupMemberships", "GroupMemberships", GroupId=Id(builders))
    program.walk("identitystore", "ListGroupMembershipsForMember", "GroupMemberships",
                 MemberId={"UserId": Id(anna)})
    program.store("DescribeGroupMembership", MembershipId=Id(first))
    program.store("GetGroupMembershipId", **program.pair(builders, anna))
    program.membership(builders, carl)
    program.delete_group(builders)
    program.remember_gone()
    program.walk("identitystore", "ListGroupMembershipsForMember", "GroupMemberships",
                 MemberId={"UserId": Id(carl)})
    program.store("DescribeGroup", GroupId=Id(builders))
    program.store("DeleteGroup", GroupId=NOBODY)


SCENARIOS = (organization, sessions, permission_sets, account_assignments, people, groups)
