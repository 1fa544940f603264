"""Drives the simulator and moto with the same calls and finds every difference between their answers.

Ids differ, so they have names: an argument `Id("user:1")` becomes each side's own id, and ids in answers
become names again before they are compared. Times and tokens are compared by their presence and type.
"""

import dataclasses
import json
from collections import Counter

import botocore.session

from answer_shapes import violations_of
from oracle_exceptions import EXCEPTIONS

# A walk that long has lost its way.
PAGES_AT_MOST = 200
# By what the rows of a list are told apart; whole rows where nothing is named here.
ROW_KEYS = {
    "Users": "UserId", "Groups": "GroupId", "GroupMemberships": "MembershipId", "Accounts": "Id",
    "DelegatedAdministrators": "Id", "Instances": "InstanceArn",
}
# What takes back, on moto, what moto alone created: operation, its argument, the id in the answer.
TAKEN_BACK_BY = {
    "CreateUser": ("DeleteUser", "UserId", "UserId"),
    "CreateGroup": ("DeleteGroup", "GroupId", "GroupId"),
    "CreateGroupMembership": ("DeleteGroupMembership", "MembershipId", "MembershipId"),
    "CreatePermissionSet": (
        "DeletePermissionSet", "PermissionSetArn", "PermissionSet.PermissionSetArn"),
}


@dataclasses.dataclass(frozen=True)
class Id:
    """An id that each side has of its own."""

    name: str


@dataclasses.dataclass(frozen=True)
class Difference:
    """One thing in which the sides differ. `kind` is outcome, error_member, missing_in_moto,
    missing_in_simulator, null_in_moto, value, rows_in_moto, rows_in_simulator, twice_in_moto or pages."""

    operation: str
    kind: str
    path: str
    simulator: object
    moto: object
    arguments: dict
    facts: object
    # What the service model itself finds wrong in the arguments.
    unlawful: tuple

    def __str__(self):
        return (f"{self.operation} {self.kind} {self.path}: simulator {self.simulator}, "
                f"moto {self.moto}, asked {self.arguments}")


class Facts:
    """What the programs did, for exceptions that hold only then. Ids stand by their names."""

    def __init__(self):
        # Users, groups, memberships and permission sets that were deleted.
        self.gone = set()
        self.set_names = set()
        # Memberships that stand, as group and user.
        self.members = set()
        # Account assignments that stand, that were created again, that an account cannot have.
        self.assigned = set()
        self.repeated = set()
        self.silent = set()
        # Requests: all creations, and those whose assignment is deleted.
        self.creations = set()
        self.ended_requests = set()
        self.suspended_account = None


class Comparison:
    """Both sides and everything found so far."""

    def __init__(self, simulator, moto):
        self.simulator = simulator
        self.moto = moto
        self.facts = Facts()
        self.unexplained = []
        self.used = Counter()
        self.operations = Counter()
        self._caller = {}
        self._service = None
        self._last = None

    def name(self, symbol, in_simulator, in_moto):
        self.simulator.bind(symbol, in_simulator)
        self.moto.bind(symbol, in_moto)

    def call(self, service, operation, arguments, bind=None, credentials=None):
        """One call on both sides. `bind` names ids of the answer by their path. Whether both did it."""
        self.operations[operation] += 1
        self._service = service
        self._caller = {"caller": "a session"} if credentials else {}
        given = credentials or (None, None)
        outcomes = []
        for side, credential in zip((self.simulator, self.moto), given):
            outcomes.append(side.call(service, operation, resolve(arguments, side.ids), credential))
        return self._settle(service, operation, arguments, bind or {}, *outcomes)

    def answers(self, service, operation, arguments, **more):
        """As `call`, and the last answers, for programs that go on with something in them."""
        self.call(service, operation, arguments, **more)
        return self._last

    def walk(self, service, operation, member, arguments, size=None, credentials=None):
        """All pages of a list on both sides: the same rows on as many pages of the same lengths."""
        self._service = service
        self._caller = {"caller": "a session"} if credentials else {}
        arguments = arguments | ({} if size is None else {"MaxResults": size})
        pages = [
            self._pages(side, (service, operation, member), arguments, credential)
            for side, credential in zip((self.simulator, self.moto), credentials or (None, None))
        ]
        self.operations[operation] += len(pages[0])
        first = [each[0] for each in pages]
        if not all(each.ok for each in first):
            self._settle(service, operation, arguments, {}, *first)
            return
        lengths = [[len(page.answer.get(member, [])) for page in each] for each in pages]
        if lengths[0] != lengths[1] and sum(lengths[0]) == sum(lengths[1]):
            self._differ(operation, "pages", "", *lengths, arguments)
        rows = [
            [row for page in each for row in self._named(service, operation, side, page).get(member, [])]
            for side, each in zip((self.simulator, self.moto), pages)
        ]
        self._rows(operation, member, *rows, arguments)
        rest = [self._named(service, operation, side, each[0])
                for side, each in zip((self.simulator, self.moto), pages)]
        for each in rest:
            each.pop(member, None)
        if any(each.get("NextToken") for each in rest):
            # The lengths of the pages say what there is to say.
            for each in rest:
                each.pop("NextToken", None)
        self._values(operation, "", *rest, arguments)

    def _pages(self, side, of_list, arguments, credential):
        service, operation, member = of_list
        asked = resolve(arguments, side.ids)
        size = asked.get("MaxResults")
        pages = []
        while len(pages) < PAGES_AT_MOST:
            page = side.call(service, operation, asked, credential)
            if pages and not page.ok:
                raise AssertionError(f"{operation} broke off at page {len(pages)}: {page}")
            pages.append(page)
            if not page.ok or not page.answer.get("NextToken"):
                return pages
            assert size is None or len(page.answer.get(member, [])) <= size
            asked = asked | {"NextToken": page.answer["NextToken"]}
        raise AssertionError(f"{operation} does not end")

    def _settle(self, service, operation, arguments, bind, simulator, moto):
        self._last = simulator, moto
        if (simulator.code, simulator.status) != (moto.code, moto.status):
            self._differ(operation, "outcome", "", str(simulator), str(moto), arguments)
            if moto.ok:
                self._take_back(service, operation, arguments, moto)
            return False
        if not simulator.ok:
            for member in sorted(simulator.answer.keys() | moto.answer.keys()):
                pair = simulator.answer.get(member), moto.answer.get(member)
                pair = tuple(side.names.get(each, each)
                             for side, each in zip((self.simulator, self.moto), pair))
                if pair[0] != pair[1]:
                    self._differ(operation, "error_member", member, *pair, arguments)
            return False
        for path, symbol in bind.items():
            self.name(symbol, reach(simulator.answer, path), reach(moto.answer, path))
        named = [self._named(service, operation, side, each)
                 for side, each in ((self.simulator, simulator), (self.moto, moto))]
        self._values(operation, "", *named, arguments)
        return True

    def _take_back(self, service, operation, arguments, moto):
        """Undoes on moto what moto alone did: the comparison goes on from equal worlds."""
        asked = resolve(arguments, self.moto.ids)
        if operation == "CreateAccountAssignment":
            assert self.moto.call(service, "DeleteAccountAssignment", asked).ok
        elif operation == "DeletePermissionSet":
            again = {"InstanceArn": asked["InstanceArn"], "Name": "taken-back"}
            made = self.moto.call(service, "CreatePermissionSet", again).answer
            symbol = arguments["PermissionSetArn"].name
            self.moto.bind(symbol, made["PermissionSet"]["PermissionSetArn"])
        elif operation in TAKEN_BACK_BY:
            undo, member, path = TAKEN_BACK_BY[operation]
            place = {name: asked[name] for name in ("IdentityStoreId", "InstanceArn") if name in asked}
            assert self.moto.call(service, undo, place | {member: reach(moto.answer, path)}).ok

    def _named(self, service, operation, side, outcome):
        """An answer with names for ids and signs for times and tokens."""
        model = botocore_model(service).operation_model(operation)
        return rewrite(model.output_shape, outcome.answer, side.names)

    def _values(self, operation, path, simulator, moto, arguments):
        if isinstance(simulator, dict) and isinstance(moto, dict):
            for member in sorted(simulator.keys() | moto.keys()):
                inner = f"{path}.{member}".removeprefix(".")
                if member not in moto:
                    self._differ(operation, "missing_in_moto", inner, simulator[member], None, arguments)
                elif moto[member] is None and simulator.get(member) is None:
                    self._differ(operation, "null_in_moto", inner, None, None, arguments)
                elif member not in simulator:
                    self._differ(
                        operation, "missing_in_simulator", inner, None, moto[member], arguments)
                else:
                    self._values(operation, inner, simulator[member], moto[member], arguments)
        elif isinstance(simulator, list) and isinstance(moto, list) and len(simulator) == len(moto):
            for left, right in zip(simulator, moto):
                self._values(operation, f"{path}[]", left, right, arguments)
        elif type(simulator) is not type(moto) or simulator != moto:
            self._differ(operation, "value", path, simulator, moto, arguments)

    def _rows(self, operation, member, simulator, moto, arguments):
        key = ROW_KEYS.get(member)
        left, right = keyed(simulator, key), keyed(moto, key)
        for kind, mine, other in (("rows_in_simulator", left, right), ("rows_in_moto", right, left)):
            if only := [rows[0] for name, rows in mine.items() if name not in other]:
                pair = (only, None) if mine is left else (None, only)
                self._differ(operation, kind, member, *pair, arguments)
        for name in left.keys() & right.keys():
            if len(left[name]) != len(right[name]):
                self._differ(operation, "twice_in_moto", member, left[name], right[name], arguments)
            self._values(operation, f"{member}[]", left[name][0], right[name][0], arguments)

    def _differ(self, operation, kind, path, simulator, moto, arguments):
        shown = json.loads(json.dumps(arguments, default=lambda each: each.name)) | self._caller
        model = botocore_model(self._service).operation_model(operation)
        unlawful = violations_of(model.input_shape, resolve(arguments, self.simulator.ids))
        found = Difference(
            operation, kind, path, simulator, moto, shown, self.facts, tuple(unlawful))
        fitting = [each for each in EXCEPTIONS if each.fits(found)]
        if not fitting:
            self.unexplained.append(str(found))
        for each in fitting:
            self.used[(each.name, operation)] += 1


def botocore_model(service, _cache={}):
    if service not in _cache:
        _cache[service] = botocore.session.get_session().get_service_model(service)
    return _cache[service]


def resolve(value, ids):
    """Arguments with a side's own ids."""
    if isinstance(value, Id):
        return ids[value.name]
    if isinstance(value, dict):
        return {name: resolve(each, ids) for name, each in value.items()}
    if isinstance(value, list):
        return [resolve(each, ids) for each in value]
    return value


def rewrite(shape, value, names):
    if value is None or shape is None:
        return value
    if shape.type_name == "structure" and isinstance(value, dict):
        return {
            member: rewrite(shape.members.get(member), each, names)
            for member, each in value.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [rewrite(shape.member, each, names) for each in value]
    if shape.type_name == "timestamp":
        return f"<{type(value).__name__}>"
    if shape.name in ("Token", "NextToken"):
        return "<token>"
    if isinstance(value, str):
        return names.get(value, value)
    return value


def reach(answer, path):
    for member in path.split("."):
        answer = answer[member]
    return answer


def keyed(rows, key):
    found = {}
    for row in rows:
        name = row[key] if key else json.dumps(row, sort_keys=True)
        found.setdefault(name, []).append(row)
    return found
