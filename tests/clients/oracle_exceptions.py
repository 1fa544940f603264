"""Every way in which moto 5.2.5 and the simulator may differ, each with its reason: the one place for it.

A difference that fits nothing here fails the comparison. So does an exception that one of its operations
did not need: when moto or the simulator learns better, its line here goes.
"""

import dataclasses
import fnmatch
from collections.abc import Callable

from oracle_sides import NOBODY, NO_SET


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


NOBODYS = {NOBODY, NO_SET}


def _is_unlawful(difference):
    """By the service model itself, or by a rule that AWS tells in words only."""
    asked = difference.arguments
    told = (
        "NextToken" in asked or "Filters" in asked or asked.get("UserName") == "Administrator"
        or (difference.operation == "CreateUser" and not _has_names(asked))
        or (difference.operation == "CreateGroup" and "DisplayName" not in asked)
        or (difference.operation == "GetGroupId" and not _names_a_group(asked))
    )
    return bool(difference.unlawful) or told


def _has_names(asked):
    both = asked.get("Name", {})
    return asked.get("UserName") and asked.get("DisplayName") and "FamilyName" in both


def _names_a_group(asked):
    attribute = asked["AlternateIdentifier"]["UniqueAttribute"]
    return attribute["AttributePath"] == "displayName" and attribute["AttributeValue"]


def _names_nothing(difference):
    """Something in the question was never there, or is there no longer."""
    return bool(_named_in(difference.arguments) & (difference.facts.gone | NOBODYS))


def _named_in(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return set().union(*map(_named_in, value))
    return {value} if isinstance(value, str) else set()


def _triple(arguments):
    members = ("TargetId", "PermissionSetArn", "PrincipalType", "PrincipalId")
    return tuple(arguments.get(each) for each in members)


def _rows_are_of_the_gone(difference):
    """All the rows name a membership whose group or member is deleted."""
    return all(each["MembershipId"] in difference.facts.gone for each in difference.moto)


def _was_repeated(difference):
    return _triple(difference.arguments) in difference.facts.repeated


def _triples_of(rows):
    members = ("AccountId", "PermissionSetArn", "PrincipalType", "PrincipalId")
    return {tuple(row[each] for each in members) for row in rows}


def _rows_were_repeated(difference):
    return _triples_of(difference.moto) <= difference.facts.repeated


def _rows_are_silent(difference):
    return _triples_of(difference.moto) <= difference.facts.silent


def _rows_are_of_groups(difference):
    asked = difference.arguments["PrincipalType"]
    return asked == "USER" and all(each["PrincipalType"] == "GROUP" for each in difference.simulator)


def _rows_are_assigned(difference):
    """Accounts or permission sets, each with an assignment of the place that was asked about."""
    asked = difference.arguments
    places = {(account, name) for account, name, _, _ in difference.facts.assigned}
    account, name = asked.get("AccountId"), asked.get("PermissionSetArn")
    return all((account or row, name or row) in places for row in difference.simulator)


def _is_in_use(difference):
    used = {permission_set for _, permission_set, _, _ in difference.facts.assigned}
    return difference.arguments["PermissionSetArn"] in used


def _is_member(difference):
    asked = difference.arguments
    return (asked["GroupId"], asked["MemberId"]["UserId"]) in difference.facts.members


def _assignment_is_gone(difference):
    request = difference.arguments["AccountAssignmentCreationRequestId"]
    return request in difference.facts.ended_requests


def _cannot_be_assumed(difference):
    role = difference.arguments["RoleArn"]
    account = difference.facts.suspended_account
    return role.endswith("/of-nobody") or f"::{account}:" in role


def _value_asked(difference):
    return difference.arguments["AlternateIdentifier"]["UniqueAttribute"]


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
        ("ListAccounts",), "outcome", "", "InvalidInputException 400", f"{DONE}|InvalidToken 400",
        _is_unlawful),
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
        ("AssumeRole",), "outcome", "", "AccessDenied 403", DONE, _cannot_be_assumed),
    Allowed(
        "session_input", "moto checks no length but that of the session's name, and no duration",
        ("AssumeRole",), "outcome", "", "ValidationError 400", DONE,
        lambda each: each.unlawful or each.arguments.get("DurationSeconds") == 3601),
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
         "CreateAccountAssignment", "DeleteAccountAssignment") + ACCOUNT_LISTS + STATUSES,
        "outcome", "", REFUSED_INPUT, f"{DONE}|{MISSING}|InvalidToken 400", _is_unlawful),
    Allowed(
        "unknown_instance", "moto never asks whether the instance exists",
        ("ListPermissionSets", "DescribePermissionSet"), "outcome", "", DENIED, f"{DONE}|{MISSING}",
        lambda each: each.arguments["InstanceArn"] != "instance"),
    Allowed(
        "set_names", "names of permission sets are unique; moto takes them twice",
        ("CreatePermissionSet",), "outcome", "", CONFLICT, DONE,
        lambda each: each.arguments["Name"] in each.facts.set_names),
    Allowed(
        "set_in_use", "a permission set that is assigned cannot be deleted; moto deletes it",
        ("DeletePermissionSet",), "outcome", "", CONFLICT, DONE, _is_in_use),
    Allowed(
        "nothing_is_looked_up", "moto never asks whether permission set or principal exist",
        ("CreateAccountAssignment", "ListAccountAssignments",
         "ListAccountsForProvisionedPermissionSet"), "outcome", "", MISSING, DONE, _names_nothing),
    Allowed(
        "done_at_once", "moto has no asynchronous operations: they are done when the call returns",
        ("CreateAccountAssignment", "DeleteAccountAssignment"), "value", "*.Status",
        "IN_PROGRESS", "SUCCEEDED"),
    Allowed(
        "deletion_has_no_id", "the request id of a deletion is that of the creation",
        ("DeleteAccountAssignment", "DescribeAccountAssignmentDeletionStatus"), "value", "*.RequestId",
        when=lambda each: each.moto in each.facts.creations),
    Allowed(
        "creation_forgotten", "moto forgets the request of a creation with its assignment",
        ("DescribeAccountAssignmentCreationStatus",), "outcome", "", DONE, MISSING, _assignment_is_gone),
    Allowed(
        "stored_twice", "moto stores a repeated account assignment twice",
        ("ListAccountAssignments",), "twice_in_moto", when=_rows_were_repeated),
    Allowed(
        "needs_two_deletions", "so the first deletion leaves one of the two",
        ("ListAccountAssignments",), "rows_in_moto", when=_rows_were_repeated),
    Allowed(
        "silent", "nobody knows what comes of an assignment in an account that is suspended or unknown: "
        "switch unavailable_account; to moto all accounts are the same",
        ("ListAccountAssignments",), "rows_in_moto", when=_rows_are_silent),
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
        "rows_in_simulator", when=_rows_are_assigned),
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
        "outcome", "", REFUSED_INPUT, f"{DONE}|{MISSING}|InvalidToken 400", _is_unlawful),
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
        ("GetUserId", "GetGroupId"), "outcome", "", DONE, MISSING,
        lambda each: _value_asked(each)["AttributeValue"] in ("anna", "READERS")),
    Allowed(
        "mail_search_fails", "moto breaks on a user without an email",
        ("GetUserId",), "outcome", "", f"{DONE}|{MISSING}", "500 500",
        lambda each: _value_asked(each)["AttributePath"] == "emails.value"),
    Allowed(
        "deleted_again", "moto deletes what is absent without a word",
        ("DeleteUser", "DeleteGroup", "DeleteGroupMembership"), "outcome", "", MISSING, DONE,
        _names_nothing),
    Allowed(
        "member_again", "moto takes a membership twice",
        ("CreateGroupMembership",), "outcome", "", CONFLICT, DONE, _is_member),
    Allowed(
        "nobodys_memberships", "moto never asks whether the group or the member exists",
        MEMBERSHIP_LISTS + ("IsMemberInGroups",), "outcome", "", MISSING, DONE, _names_nothing),
    Allowed(
        "memberships_of_the_gone", "moto keeps memberships of deleted users and groups",
        MEMBERSHIP_LISTS, "rows_in_moto", when=_rows_are_of_the_gone),
    Allowed(
        "membership_of_the_gone", "the same, asked for by name",
        ("DescribeGroupMembership", "GetGroupMembershipId"), "outcome", "", MISSING, DONE,
        _names_nothing),
    Allowed(
        "membership_of_nobody", "the simulator says which of the two is missing, moto that both are not",
        ("GetGroupMembershipId",), "error_member", "ResourceType", "GROUP|USER", "GROUP_MEMBERSHIP",
        _names_nothing),
)

EXCEPTIONS = ORGANIZATIONS + SESSIONS + SSO_ADMIN + IDENTITY_STORE
