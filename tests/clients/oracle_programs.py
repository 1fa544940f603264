"""What programs are made of, and the random ones: by seed, over everything together."""

import random

from oracle import Id
from oracle_sides import NOBODY, NO_SET

INSTANCE = {"InstanceArn": Id("instance")}
PLACE = {"IdentityStoreId": Id("store")}
SIZES = (None, 1, 3, 100)


class Program:
    """The operations by short names, with what the program has made so far."""

    def __init__(self, comparison, label):
        self.compare = comparison
        self.facts = comparison.facts
        self.label = label
        self.count = 0
        self.users, self.groups, self.sets = [], [], []
        self.memberships = {}
        self.requests = {"Creation": [], "Deletion": []}
        # What stands, and the requests that created it.
        self.assigned = {}

    def new(self, kind):
        self.count += 1
        return f"{self.label}:{kind}:{self.count}"

    def sso(self, operation, bind=None, **arguments):
        return self.compare.call("sso-admin", operation, INSTANCE | arguments, bind)

    def store(self, operation, bind=None, **arguments):
        return self.compare.call("identitystore", operation, PLACE | arguments, bind)

    def walk(self, service, operation, member, size=None, **arguments):
        base = {"sso-admin": INSTANCE, "identitystore": PLACE, "organizations": {}}[service]
        self.compare.walk(service, operation, member, base | arguments, size)

    def user(self, name=None, **more):
        symbol = self.new("user")
        name = name or symbol
        made = self.store(
            "CreateUser", {"UserId": symbol}, UserName=name,
            **({"DisplayName": name, "Name": {"GivenName": "A", "FamilyName": "B"}} | more))
        if made:
            self.users.append(symbol)
        return symbol

    def group(self, name=None, **more):
        symbol = self.new("group")
        if self.store("CreateGroup", {"GroupId": symbol}, DisplayName=name or symbol, **more):
            self.groups.append(symbol)
        return symbol

    def membership(self, group, user):
        symbol = self.new("membership")
        if self.store("CreateGroupMembership", {"MembershipId": symbol}, **self.pair(group, user)):
            self.memberships[symbol] = (group, user)
            self.facts.members.add((group, user))
        return symbol

    def leave(self, symbol):
        self.store("DeleteGroupMembership", MembershipId=known(symbol))
        if both := self.memberships.pop(symbol, None):
            self.facts.gone.add(symbol)
            self.facts.members.discard(both)

    def permission_set(self, name=None, **more):
        symbol = self.new("set")
        name = name or symbol.replace(":", "-")[-32:]
        bind = {"PermissionSet.PermissionSetArn": symbol}
        if self.sso("CreatePermissionSet", bind, Name=name, **more):
            self.sets.append(symbol)
            self.facts.set_names.add(name)
        return symbol

    @staticmethod
    def pair(group, user):
        return {"GroupId": known(group), "MemberId": {"UserId": known(user)}}

    def triple(self, account, permission_set, kind, principal):
        return {
            "TargetId": account, "TargetType": "AWS_ACCOUNT", "PermissionSetArn": known(permission_set),
            "PrincipalType": kind, "PrincipalId": known(principal),
        }

    def assign(self, account, permission_set, kind, principal):
        triple = (account, permission_set, kind, principal)
        if not (request := self._begin("Creation", "CreateAccountAssignment", triple)):
            return False
        self.facts.creations.add(request)
        if triple in self.assigned:
            self.facts.repeated.add(triple)
        self.facts.assigned.add(triple)
        self.assigned.setdefault(triple, []).append(request)
        return True

    def unassign(self, account, permission_set, kind, principal):
        triple = (account, permission_set, kind, principal)
        if self._begin("Deletion", "DeleteAccountAssignment", triple):
            self.facts.ended_requests.update(self.assigned.pop(triple))
            self.facts.assigned.discard(triple)

    def _begin(self, kind, operation, triple):
        symbol = self.new("request")
        bind = {f"AccountAssignment{kind}Status.RequestId": symbol}
        if not self.sso(operation, bind, **self.triple(*triple)):
            return None
        self.requests[kind].append(symbol)
        self.status(kind, symbol)
        return symbol

    def status(self, kind, request):
        member = f"AccountAssignment{kind}RequestId"
        self.sso(f"DescribeAccountAssignment{kind}Status", **{member: known(request)})

    def place(self, account, permission_set, size=None):
        self.walk("sso-admin", "ListAccountAssignments", "AccountAssignments", size,
                  AccountId=account, PermissionSetArn=known(permission_set))

    def of_principal(self, kind, principal, size=None, **more):
        self.walk("sso-admin", "ListAccountAssignmentsForPrincipal", "AccountAssignments", size,
                  PrincipalType=kind, PrincipalId=known(principal), **more)

    def provisioned(self, account, permission_set):
        self.walk("sso-admin", "ListAccountsForProvisionedPermissionSet", "AccountIds",
                  PermissionSetArn=known(permission_set))
        self.walk("sso-admin", "ListPermissionSetsProvisionedToAccount", "PermissionSets",
                  AccountId=account)

    def named(self, kind, path, value):
        attribute = {"AttributePath": path, "AttributeValue": value}
        self.store(f"Get{kind}Id", AlternateIdentifier={"UniqueAttribute": attribute})

    def delete_user(self, user):
        self.store("DeleteUser", UserId=known(user))
        if user in self.users:
            self.users.remove(user)
            self.facts.gone.add(user)

    def delete_group(self, group):
        self.store("DeleteGroup", GroupId=known(group))
        if group in self.groups:
            self.groups.remove(group)
            self.facts.gone.add(group)

    def remember_gone(self):
        """Memberships of who is gone are gone too."""
        gone = self.facts.gone
        for symbol, both in list(self.memberships.items()):
            if gone.intersection(both):
                gone.add(symbol)
                self.facts.members.discard(self.memberships.pop(symbol))


def known(name):
    """A name that the comparison gave, or a value as it is."""
    return Id(name) if ":" in name and not name.startswith("arn:") else name


def run_random(comparison, seed, length, accounts):
    """One random program. What it does next depends on the seed and on nothing else."""
    draw = random.Random(seed)
    program = Program(comparison, f"r{seed}")
    for _ in range(3):
        program.user()
        program.group()
        program.permission_set()
    steps = [
        (3, _make), (4, _join), (2, _leave), (2, _vanish), (9, _assign), (5, _unassign),
        (4, _look), (3, _list_people), (1, _retire), (6, _list_assignments),
        (2, _ask_membership), (1, _nonsense),
    ]
    weights = [each[0] for each in steps]
    for _ in range(length):
        step = draw.choices(steps, weights)[0][1]
        step(program, draw, accounts)
        program.remember_gone()


def _some(draw, made, otherwise):
    """Mostly something that was made, now and then what never was."""
    return draw.choice(made) if made and draw.random() < 0.9 else otherwise


def _make(program, draw, _accounts):
    kind = draw.choice(["user", "group", "permission_set"])
    made = {"user": program.users, "group": program.groups, "permission_set": program.sets}[kind]
    name = draw.choice(made).replace(":", "-")[-32:] if made and draw.random() < 0.2 else None
    getattr(program, kind)(name if kind == "permission_set" else name and name.replace("-", ":"))


def _join(program, draw, _accounts):
    group, user = _some(draw, program.groups, NOBODY), _some(draw, program.users, NOBODY)
    program.membership(group, user)


def _leave(program, draw, _accounts):
    symbol = _some(draw, list(program.memberships), NOBODY)
    program.leave(symbol)
    program.store("DescribeGroupMembership", MembershipId=known(symbol))


def _vanish(program, draw, _accounts):
    if draw.random() < 0.5:
        program.delete_user(_some(draw, program.users, NOBODY))
    else:
        program.delete_group(_some(draw, program.groups, NOBODY))


def _retire(program, draw, _accounts):
    used = {permission_set for _, permission_set, _, _ in program.assigned}
    if free := [each for each in program.sets if each not in used]:
        gone = draw.choice(free)
        program.sets.remove(gone)
        program.facts.gone.add(gone)
        for operation in ("DeletePermissionSet", "DescribePermissionSet", "DeletePermissionSet"):
            program.sso(operation, PermissionSetArn=Id(gone))


def _principal(program, draw):
    kind = draw.choice(["USER", "GROUP"])
    return kind, _some(draw, program.users if kind == "USER" else program.groups, NOBODY)


def _assign(program, draw, accounts):
    triple = (draw.choice(accounts), _some(draw, program.sets, NO_SET), *_principal(program, draw))
    if triple not in program.assigned:
        program.assign(*triple)


def _unassign(program, draw, accounts):
    if program.assigned and draw.random() < 0.8:
        program.unassign(*draw.choice(sorted(program.assigned)))
    else:
        program.unassign(
            draw.choice(accounts), _some(draw, program.sets, NO_SET), *_principal(program, draw))


def _look(program, draw, _accounts):
    kind, symbol = draw.choice(["Creation", "Deletion"]), None
    symbol = _some(draw, program.requests[kind], NOBODY)
    program.status(kind, symbol)
    program.store("DescribeUser", UserId=known(_some(draw, program.users, NOBODY)))
    program.store("DescribeGroup", GroupId=known(_some(draw, program.groups, NOBODY)))
    program.sso("DescribePermissionSet", PermissionSetArn=known(_some(draw, program.sets, NO_SET)))
    user, group = _some(draw, program.users, "nobody"), _some(draw, program.groups, "nothing")
    program.named("User", "userName", user)
    program.named("Group", "displayName", group)


def _list_people(program, draw, _accounts):
    size = draw.choice(SIZES)
    group, user = _some(draw, program.groups, NOBODY), _some(draw, program.users, NOBODY)
    program.walk("identitystore", "ListGroupMemberships", "GroupMemberships", size,
                 GroupId=known(group))
    program.walk("identitystore", "ListGroupMembershipsForMember", "GroupMemberships", size,
                 MemberId={"UserId": known(user)})
    size = draw.choice((None, 9, 100))
    program.walk("identitystore", "ListUsers", "Users", size)
    program.walk("identitystore", "ListGroups", "Groups", size)


def _list_assignments(program, draw, accounts):
    size = draw.choice(SIZES)
    permission_set, account = _some(draw, program.sets, NO_SET), draw.choice(accounts)
    program.place(account, permission_set, size)
    more = {"Filter": {"AccountId": account}} if draw.random() < 0.4 else {}
    program.of_principal(*_principal(program, draw), size, **more)
    program.provisioned(account, permission_set)
    program.walk("sso-admin", "ListPermissionSets", "PermissionSets", draw.choice((None, 7, 100)))


def _ask_membership(program, draw, _accounts):
    user = known(_some(draw, program.users, NOBODY))
    groups = [known(each) for each in program.groups[:5]] or [NOBODY]
    program.store("IsMemberInGroups", MemberId={"UserId": user}, GroupIds=groups)
    group = known(_some(draw, program.groups, NOBODY))
    program.store("GetGroupMembershipId", GroupId=group, MemberId={"UserId": user})


def _nonsense(program, draw, accounts):
    nonsense = draw.choice(["", "x", "-" * 50, "arn:aws:sso:::permissionSet/x"])
    draw.choice([
        lambda: program.store("DescribeUser", UserId=nonsense),
        lambda: program.store("DescribeGroup", GroupId=nonsense),
        lambda: program.sso("DescribePermissionSet", PermissionSetArn=nonsense),
        lambda: program.sso("ListAccountAssignments", AccountId=nonsense, PermissionSetArn=NO_SET),
        lambda: program.unassign(draw.choice(accounts), NO_SET, "USER", nonsense or "x"),
    ])()
