"""Every way in which moto 5.2.5 and the simulator may differ, each with its reason: the one place for it.

A difference that fits nothing here fails the comparison. So does an exception that one of its operations
did not need: when moto or the simulator learns better, its line here goes.
"""

import dataclasses
import fnmatch
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Allowed:
    """A difference that is allowed, in each of the operations. `path`, `simulator` and `moto` are patterns
    of the place in the answer and of what each side says there; `when` looks at the whole difference."""

    name: str
    reason: str
    operations: tuple
    kind: str
    path: str = "*"
    simulator: str = "*"
    moto: str = "*"
    when: Callable = lambda difference: True

    def fits(self, difference):
        return (
            difference.operation in self.operations
            and difference.kind == self.kind
            and fnmatch.fnmatchcase(difference.path, self.path)
            and _fits(self.simulator, difference.simulator)
            and _fits(self.moto, difference.moto)
            and self.when(difference)
        )


def _fits(pattern, value):
    return any(fnmatch.fnmatchcase(str(value), each) for each in pattern.split("|"))


REFUSED_INPUT = "ValidationException 400"
MISSING = "ResourceNotFoundException 400"
CONFLICT = "ConflictException 400"
DENIED = "AccessDeniedException 400"
DONE = "ok 200"


def _triple(arguments):
    members = ("TargetId", "PermissionSetArn", "PrincipalType", "PrincipalId")
    return tuple(arguments.get(each) for each in members)


def _rows_are_of_the_gone(difference):
    """All the rows name a membership whose group or member is deleted."""
    return all(each["MembershipId"] in difference.facts.gone for each in difference.moto)


def _names_the_gone(difference):
    """The question itself names somebody deleted, or a membership of theirs."""
    asked = difference.arguments
    names = {asked.get("GroupId"), asked.get("MembershipId"), asked.get("MemberId", {}).get("UserId")}
    return bool(names & difference.facts.gone)


def _was_repeated(difference):
    return _triple(difference.arguments) in difference.facts.repeated


def _rows_were_repeated_or_silent(difference):
    repeated = {(account, permission_set, kind, principal)
                for account, permission_set, kind, principal in difference.facts.repeated}
    rows = {
        (each["AccountId"], each["PermissionSetArn"], each["PrincipalType"], each["PrincipalId"])
        for each in difference.moto
    }
    return rows <= repeated | difference.facts.silent


def _rows_are_of_groups(difference):
    asked = difference.arguments["PrincipalType"]
    return asked == "USER" and all(each["PrincipalType"] == "GROUP" for each in difference.simulator)


def _assignment_is_gone(difference):
    request = difference.arguments["AccountAssignmentCreationRequestId"]
    return request in difference.facts.ended_requests


def _without(member):
    return lambda difference: member not in difference.arguments


ACCOUNT_LISTS = ("ListAccountAssignments", "ListAccountAssignmentsForPrincipal")
MEMBERSHIP_LISTS = ("ListGroupMemberships", "ListGroupMembershipsForMember")
STATUSES = ("DescribeAccountAssignmentCreationStatus", "DescribeAccountAssignmentDeletionStatus")

ORGANIZATIONS = (
    Allowed(
        "account_status", "retired in favour of State; the switch account_status_retired brings it back",
        ("ListAccounts", "ListDelegatedAdministrators"), "missing_in_simulator", "*[[]].Status"),
    Allowed(
        "management_joined", "the management account of a real organization was INVITED",
        ("ListAccounts",), "value", "Accounts[[]].JoinedMethod", "INVITED", "CREATED"),
    Allowed(
        "accounts_page", "the model says 20 rows at most; moto gives 100",
        ("ListAccounts",), "pages", when=_without("MaxResults")),
    Allowed(
        "organizations_input", "moto checks neither MaxResults nor the origin of a token",
        ("ListAccounts",), "outcome", "", "InvalidInputException 400", f"{DONE}|InvalidToken 400"),
    Allowed(
        "members_may_not_list", "only management and delegated administrators list accounts",
        ("ListAccounts",), "outcome", "", DENIED, DONE, lambda each: "caller" in each.arguments),
    Allowed(
        "administrators_may_list", "moto shows the accounts to the management account only",
        ("ListAccounts",), "rows_in_simulator", when=lambda each: "caller" in each.arguments),
    Allowed(
        "policy_types", "a retired member that the model says not to use",
        ("DescribeOrganization",), "value", "Organization.AvailablePolicyTypes", "[[]]"),
    Allowed(
        "administrators_of_others", "worlds of the simulator know administrators of Identity Center only",
        ("ListDelegatedAdministrators",), "rows_in_moto",
        when=lambda each: each.arguments.get("ServicePrincipal") == "ssm.amazonaws.com"),
    Allowed(
        "identity_center_is_unknown", "moto's list of services with administrators lacks Identity Center",
        ("ListDelegatedAdministrators",), "outcome", "", DONE, "InvalidInputException 400",
        lambda each: each.arguments.get("ServicePrincipal") == "sso.amazonaws.com"),
)

SESSIONS = (
    Allowed(
        "packed_policy", "a size is told of a session policy, and none was sent",
        ("AssumeRole",), "missing_in_simulator", "PackedPolicySize"),
    Allowed(
        "anybody_assumes", "moto gives a session of any role, also of one that does not exist",
        ("AssumeRole",), "outcome", "", "AccessDenied 403", DONE),
    Allowed(
        "session_input", "moto checks no length but that of the session's name, and no duration",
        ("AssumeRole",), "outcome", "", "ValidationError 400", DONE),
)

SSO_ADMIN = (
    Allowed(
        "sso_nulls", "moto emits members that are absent as null",
        ("ListInstances", "ListPermissionSets", "CreatePermissionSet", "DescribePermissionSet")
        + ACCOUNT_LISTS, "null_in_moto"),
    Allowed(
        "instance_members", "newer members of an instance, which moto does not know",
        ("ListInstances",), "missing_in_moto", "Instances[[]].*"),
    Allowed(
        "instance_date", "the world of this comparison tells no date of creation",
        ("ListInstances",), "missing_in_simulator", "Instances[[]].CreatedDate"),
    Allowed(
        "session_duration", "moto answers the number 3600 where none was asked for; the model has text",
        ("CreatePermissionSet", "DescribePermissionSet"), "missing_in_simulator",
        "PermissionSet.SessionDuration", moto="3600"),
    Allowed(
        "sso_input", "moto checks no pattern, length, range or required member",
        ("CreatePermissionSet", "ListPermissionSets", "DescribePermissionSet",
         "CreateAccountAssignment", "DeleteAccountAssignment") + ACCOUNT_LISTS + STATUSES, "outcome", "", REFUSED_INPUT, f"{DONE}|{MISSING}|InvalidToken 400"),
    Allowed(
        "unknown_instance", "moto never asks whether the instance exists",
        ("ListPermissionSets", "DescribePermissionSet"), "outcome", "", DENIED, f"{DONE}|{MISSING}"),
    Allowed(
        "set_names", "names of permission sets are unique; moto takes them twice",
        ("CreatePermissionSet",), "outcome", "", CONFLICT, DONE),
    Allowed(
        "set_in_use", "a permission set that is assigned cannot be deleted; moto deletes it",
        ("DeletePermissionSet",), "outcome", "", CONFLICT, DONE),
    Allowed(
        "nothing_is_looked_up", "moto never asks whether permission set or principal exist",
        ("CreateAccountAssignment", "ListAccountAssignments",
         "ListAccountsForProvisionedPermissionSet"), "outcome", "", MISSING, DONE),
    Allowed(
        "done_at_once", "moto has no asynchronous operations: they are done when the call returns",
        ("CreateAccountAssignment", "DeleteAccountAssignment"), "value", "*.Status",
        "IN_PROGRESS", "SUCCEEDED"),
    Allowed(
        "deletion_has_no_id", "the request id of a deletion is that of the creation",
        ("DeleteAccountAssignment", "DescribeAccountAssignmentDeletionStatus"), "value", "*.RequestId"),
    Allowed(
        "creation_forgotten", "moto forgets the request of a creation with its assignment",
        ("DescribeAccountAssignmentCreationStatus",), "outcome", "", DONE, MISSING, _assignment_is_gone),
    Allowed(
        "stored_twice", "moto stores a repeated account assignment twice",
        ("ListAccountAssignments",), "twice_in_moto"),
    Allowed(
        "needs_two_deletions", "so the first deletion leaves one of the two, or what fails silently",
        ("ListAccountAssignments",), "rows_in_moto", when=_rows_were_repeated_or_silent),
    Allowed(
        "second_deletion", "and a second deletion finds it",
        ("DeleteAccountAssignment",), "outcome", "", MISSING, DONE, _was_repeated),
    Allowed(
        "group_rows", "nobody knows whether a user's list shows its groups' rows: switch "
        "account_group_rows_for_user",
        ("ListAccountAssignmentsForPrincipal",), "rows_in_simulator", when=_rows_are_of_groups),
    Allowed(
        "never_provisioned", "moto provisions nothing when it assigns",
        ("ListAccountsForProvisionedPermissionSet", "ListPermissionSetsProvisionedToAccount"),
        "rows_in_simulator"),
)

IDENTITY_STORE = (
    Allowed(
        "store_nulls", "moto emits members that are absent as null",
        ("ListUsers", "DescribeUser", "ListGroups", "DescribeGroup") + MEMBERSHIP_LISTS, "null_in_moto"),
    Allowed(
        "reason_null", "moto names members of errors that have no value, and leaves out ResourceId",
        ("DescribeUser", "DescribeGroup", "DescribeGroupMembership", "GetGroupMembershipId",
         "CreateGroupMembership"), "error_member", "ResourceId", moto="None"),
    Allowed(
        "arns_of_users", "moto has no ARN, revision, status or dates of a user",
        ("CreateUser", "DescribeUser", "GetUserId", "ListUsers"), "missing_in_moto"),
    Allowed(
        "arns_of_groups", "moto has no ARN, revision or dates of a group",
        ("CreateGroup", "DescribeGroup", "GetGroupId", "ListGroups"), "missing_in_moto"),
    Allowed(
        "arns_of_memberships", "moto has no ARN or dates of a membership",
        ("CreateGroupMembership", "DescribeGroupMembership", "GetGroupMembershipId")
        + MEMBERSHIP_LISTS, "missing_in_moto"),
    Allowed(
        "external_ids_empty", "the model wants one external id at least: none are absent, not empty",
        ("DescribeGroup", "ListGroups"), "missing_in_simulator", "*ExternalIds", moto="[[]]"),
    Allowed(
        "store_input", "moto checks no pattern, length, range or required member, and serves filters",
        ("CreateUser", "DescribeUser", "ListUsers", "CreateGroup", "DescribeGroup", "GetGroupId",
         "ListGroups", "DescribeGroupMembership", "IsMemberInGroups") + MEMBERSHIP_LISTS,
        "outcome", "", REFUSED_INPUT, f"{DONE}|{MISSING}|InvalidToken 400"),
    Allowed(
        "any_store", "moto makes an identity store of any id that it is asked about",
        ("ListUsers",), "outcome", "", MISSING, DONE,
        lambda each: each.arguments["IdentityStoreId"] == "d-0000000000"),
    Allowed(
        "unique_whatever_case", "nobody knows whether case matters: switch names_ignore_case",
        ("CreateUser", "CreateGroup"), "outcome", "", CONFLICT, DONE,
        lambda each: str(each.arguments.get("UserName", each.arguments.get("DisplayName"))).lower()
        in ("anna", "builders", "other")),
    Allowed(
        "found_whatever_case", "the same switch",
        ("GetUserId", "GetGroupId"), "outcome", "", DONE, MISSING),
    Allowed(
        "mail_search_fails", "moto breaks on a user without an email",
        ("GetUserId",), "outcome", "", f"{DONE}|{MISSING}", "500 500"),
    Allowed(
        "deleted_again", "moto deletes what is absent without a word",
        ("DeleteUser", "DeleteGroup", "DeleteGroupMembership"), "outcome", "", MISSING, DONE),
    Allowed(
        "member_again", "moto takes a membership twice",
        ("CreateGroupMembership",), "outcome", "", CONFLICT, DONE),
    Allowed(
        "nobodys_memberships", "moto never asks whether the group or the member exists",
        MEMBERSHIP_LISTS + ("IsMemberInGroups",), "outcome", "", MISSING, DONE),
    Allowed(
        "memberships_of_the_gone", "moto keeps memberships of deleted users and groups",
        MEMBERSHIP_LISTS, "rows_in_moto", when=_rows_are_of_the_gone),
    Allowed(
        "membership_of_the_gone", "the same, asked for by name",
        ("DescribeGroupMembership", "GetGroupMembershipId"), "outcome", "", MISSING, DONE,
        _names_the_gone),
    Allowed(
        "membership_of_nobody", "the simulator says which of the two is missing, moto that both are not",
        ("GetGroupMembershipId",), "error_member", "ResourceType", "GROUP|USER", "GROUP_MEMBERSHIP"),
)

EXCEPTIONS = ORGANIZATIONS + SESSIONS + SSO_ADMIN + IDENTITY_STORE
