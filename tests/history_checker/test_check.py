"""The checker finds what it is there for: a true history passes, and each doctored one is found by
exactly the invariant that it breaks."""

import json
import sqlite3
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import check  # noqa: E402

APPLICATION = "arn:aws:sso::111122223333:application/ssoins-1111111111111111/apl-1111111111111111"
INSTANCE = "arn:aws:sso:::instance/ssoins-1111111111111111"
PERMISSION_SET = "arn:aws:sso:::permissionSet/ssoins-1111111111111111/ps-1111111111111111"
ACCOUNT = "444455556666"
T0 = 1_800_000_000.0
KINDS = ["APPLICATION", "ACCOUNT"]

SCHEMA = """
CREATE TABLE assignments (instance_arn, target_kind, target, principal_type, principal_id,
    standing, next_attempt_at, lease_holder, pending_write, pending_request_id, pending_since,
    asynchronous_slot);
CREATE TABLE grants (id, target_kind, target, principal_type, principal_id, state, ticket,
    created_at, started_at, end_at, ending_at, ended_at);
CREATE TABLE requests (request_id, grant_ids);
CREATE TABLE events (grant_id);
"""


def row(kind, principal):
    target = APPLICATION if kind == "APPLICATION" else f"{ACCOUNT}/{PERMISSION_SET}"
    return {
        "principal_type": "USER",
        "principal_id": principal,
        "target_kind": kind,
        "target": target,
    }


class Story:
    """A true history of one kind of target. `ann` has a grant, `bob` had one that ended, `cid` was
    there before, `dan` was there before and was revoked explicitly. Times are seconds after T0."""

    def __init__(self, kind):
        self.kind = kind
        self.calls, self.answers, self.grants, self.records = [], [], [], []
        self.requests, self.events = {}, []
        self.standing = [row(kind, "cid"), row(kind, "dan")]
        self.present = ["ann", "cid"]
        self.outages = []
        self.assign("ann", at=10)
        self.assign("bob", at=20, ending_at=30, ended_at=31)
        self.write("Create", "ann", 11)
        self.read("ann", 12)
        self.write("Create", "bob", 21)
        self.read("bob", 22)
        self.write("Delete", "bob", 30.5)
        self.read("bob", 30.8)
        self.record("cid", standing="YES")
        self.answer("revoke_assignment", "dan", 40, request_id="end-dan")
        self.requests["end-dan"] = []
        self.record("dan")
        self.write("Delete", "dan", 41)
        self.read("dan", 42)

    def answer(self, call, who, at, **more):
        line = row(self.kind, who) | {
            "call": call,
            "request_id": "",
            "ticket": f"{call}-{who}",
            "duration_seconds": None,
            "asked_grant_id": None,
            "began_at": T0 + at,
            "ended_at": T0 + at + 1,
            "answer": "OK",
            "grant_id": None,
        }
        self.answers.append(line | more)

    def assign(self, who, at, ending_at=None, ended_at=None):
        grant = row(self.kind, who) | {
            "id": f"grant-{who}",
            "state": "ACTIVE" if ending_at is None else "REVOKED",
            "ticket": f"assign-{who}",
            "created_at": at,
            "started_at": at + 2,
            "end_at": None,
            "ending_at": ending_at,
            "ended_at": ended_at,
        }
        self.grants.append(grant)
        self.events += [grant["id"], grant["id"]]
        self.record(who)
        self.answer("assign", who, at, request_id=f"ask-{who}", grant_id=grant["id"])
        self.requests[f"ask-{who}"] = [grant["id"]]

    def record(self, who, standing="NO"):
        self.records.append(
            row(self.kind, who)
            | {
                "instance_arn": "i",
                "standing": standing,
                "next_attempt_at": None,
                "lease_holder": None,
                "pending_write": None,
                "pending_request_id": None,
                "pending_since": None,
                "asynchronous_slot": 0,
            }
        )

    def call(self, operation, given, at, **more):
        if self.kind == "APPLICATION":
            given = given | {"ApplicationArn": APPLICATION}
        else:
            given = given | {"InstanceArn": INSTANCE, "PermissionSetArn": PERMISSION_SET}
        line = {
            "sequence": len(self.calls) + 1,
            "operation": operation,
            "input": given,
            "time_seconds": T0 + at,
            "outcome": "ok",
            "error_code": None,
            "effect": "none",
            "effect_time_seconds": None,
            "faults": [],
            "asynchronous": None,
        }
        self.calls.append(line | more)

    def write(self, what, who, at, lasts=0.1, **more):
        given = {"PrincipalType": "USER", "PrincipalId": who}
        effect = {"effect": "applied", "effect_time_seconds": T0 + at + lasts}
        if self.kind == "ACCOUNT":
            given |= {"TargetId": ACCOUNT, "TargetType": "AWS_ACCOUNT"}
            effect["asynchronous"] = {
                "request_id": f"request-{len(self.calls)}",
                "status": "SUCCEEDED",
                "failure_reason": None,
                "started_at_seconds": T0 + at + 0.01,
                "finished_at_seconds": T0 + at + lasts,
            }
        self.call(f"{what}{self.kind.title()}Assignment", given, at, **(effect | more))

    def read(self, who, at):
        if self.kind == "APPLICATION":
            given = {"PrincipalType": "USER", "PrincipalId": who}
            self.call("DescribeApplicationAssignment", given, at)
        else:
            self.call("ListAccountAssignments", {"AccountId": ACCOUNT}, at)

    def failed_create(self, who, at):
        """A Create that AWS took and failed at."""
        self.write("Create", who, at, effect="none", effect_time_seconds=None)
        self.calls[-1]["asynchronous"] |= {"status": "FAILED", "failure_reason": ""}

    def grant(self, who):
        return next(grant for grant in self.grants if grant["id"] == f"grant-{who}")

    def record_of(self, who):
        return next(record for record in self.records if record["principal_id"] == who)

    def world(self):
        rows = []
        for who in self.present:
            one = {"principal_type": "USER", "principal_id": who}
            if self.kind == "APPLICATION":
                rows.append(one | {"application_arn": APPLICATION})
            else:
                rows.append(one | {"account_id": ACCOUNT, "permission_set_arn": PERMISSION_SET})
        empty, full = "assignments", "account_assignments"
        if self.kind == "APPLICATION":
            empty, full = full, empty
        return {"caller": {}, "users": [{"user_id": "ann"}], empty: [], full: rows}

    def write_store(self, path):
        store = sqlite3.connect(path)
        store.executescript(SCHEMA)
        micros = lambda at: None if at is None else int((T0 + at) * 1e6)  # noqa: E731
        for grant in self.grants:
            timed = {n: micros(v) if n.endswith("_at") else v for n, v in grant.items()}
            insert(store, "grants", timed)
        for record in self.records:
            insert(store, "assignments", record)
        for request_id, ids in self.requests.items():
            insert(store, "requests", {"request_id": request_id, "grant_ids": json.dumps(ids)})
        for grant_id in self.events:
            insert(store, "events", {"grant_id": grant_id})
        store.commit()
        store.close()

    def judge(self, folder):
        """The exit code, and the names of the violated checks."""
        self.write_store(folder / "store")
        texts = {
            "log": json.dumps({"calls": self.calls, "dropped": 0}),
            "world": json.dumps(self.world()),
            "answers": "".join(json.dumps(line) + "\n" for line in self.answers),
            "standing": json.dumps(self.standing),
        }
        arguments = ["--store", str(folder / "store"), "--end-bound-seconds=60"]
        for name, text in texts.items():
            (folder / name).write_text(text)
            arguments += [f"--{name}", str(folder / name)]
        arguments += [f"--outage={T0 + start}:{T0 + end}" for start, end in self.outages]
        return arguments


def insert(store, table, values):
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    store.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(values.values()))


def no_grant(story):
    story.write("Create", "eve", 50)
    story.write("Delete", "eve", 51)
    story.read("eve", 52)
    story.record("eve")


def created_after_the_end(story):
    story.write("Create", "bob", 35)
    story.write("Delete", "bob", 36)
    story.read("bob", 37)


def held_and_gone(story):
    story.present.remove("ann")


def ended_and_there(story):
    story.present.append("bob")


def ended_late(story):
    story.grant("bob")["ended_at"] = 95


def past_its_end(story):
    story.grant("ann")["end_at"] = 60


def revoked_and_there(story):
    story.present.append("dan")


def removed_what_stood(story):
    # Somebody put it back, so that the end looks well.
    story.write("Delete", "cid", 45)
    story.read("cid", 46)


def removed_what_is_held(story):
    story.write("Delete", "ann", 50)
    story.write("Create", "ann", 51)
    story.read("ann", 52)


def marked_as_standing(story):
    story.record_of("ann")["standing"] = "YES"


def two_grants_told(story):
    story.assign("ann", at=60)
    story.grants[-1] |= {"id": "grant-ann-2", "ticket": "assign-ann-2"}
    story.events += ["grant-ann-2", "grant-ann-2"]
    story.answers[-1] |= {"grant_id": "grant-ann-2", "ticket": "assign-ann-2"}
    story.records.pop()


def two_grants_of_one_call(story):
    story.grants.append(story.grant("ann") | {"id": "grant-ann-2"})
    story.events += ["grant-ann-2", "grant-ann-2"]


def nobody_asked(story):
    del story.answers[0]
    del story.requests["ask-ann"]


def forgotten_request(story):
    del story.requests["ask-bob"]


def two_contents(story):
    story.answer("assign", "ann", 70, request_id="ask-bob", grant_id="grant-bob", ticket="assign-bob")
    story.answers[-1] |= {"duration_seconds": 5.0} | row(story.kind, "bob")


def lost_answer(story):
    story.answer("assign", "ann", 70, grant_id="grant-lost", ticket="assign-lost")


def active_after_its_revoke(story):
    story.answer("revoke_grant", "ann", 80, asked_grant_id="grant-ann")


def active_after_the_revoke_of_its_assignment(story):
    story.answer("revoke_assignment", "ann", 80)


def left_under_way(story):
    story.grant("ann")["state"] = "PROVISIONING"
    story.present.remove("ann")


def unread_outcome(story):
    story.write("Create", "ann", 55, effect="none", effect_time_seconds=None, outcome="dropped")
    story.calls[-1]["asynchronous"] = None


def due_for_ever(story):
    story.record_of("bob")["next_attempt_at"] = 5


def without_record(story):
    story.records.remove(story.record_of("dan"))


def without_events(story):
    story.events.remove("grant-bob")


def failed_by_itself(story):
    story.grant("bob")["state"] = "FAILED"


def effect_to_come(story):
    story.write("Create", "ann", 55, effect="later", effect_time_seconds=None, outcome="dropped")
    story.calls[-1]["asynchronous"] = None
    story.read("ann", 56)


def failed_after_two(story):
    for at in (21.2, 21.4):
        story.failed_create("bob", at)
    failed_by_itself(story)


def left_pending(story):
    pending = {"pending_write": "DELETE", "pending_since": int(T0 * 1e6), "asynchronous_slot": 1}
    story.record_of("bob").update(pending)


def left_slot(story):
    story.record_of("bob")["asynchronous_slot"] = 1


def never_ended(story):
    story.write("Create", "ann", 55, effect="later", effect_time_seconds=None)
    story.calls[-1]["asynchronous"] |= {"status": "IN_PROGRESS", "finished_at_seconds": None}
    story.read("ann", 56)


def without_times(story):
    story.calls[0]["asynchronous"] = None


def accepted_without_times(story):
    for call in story.calls:
        call["asynchronous"] = None


DOCTORED = {
    no_grant: "1-no-create-without-a-grant",
    created_after_the_end: "1-no-create-without-a-grant",
    held_and_gone: "2-ends-are-acted-on",
    ended_and_there: "2-ends-are-acted-on",
    ended_late: "2-ends-are-acted-on",
    past_its_end: "2-ends-are-acted-on",
    revoked_and_there: "2-ends-are-acted-on",
    removed_what_stood: "3-nothing-foreign-is-removed",
    removed_what_is_held: "3-what-is-held-is-not-removed",
    marked_as_standing: "3-standing-is-what-stood",
    two_grants_told: "5-one-request-one-grant",
    two_grants_of_one_call: "5-one-request-one-grant",
    nobody_asked: "5-one-request-one-grant",
    forgotten_request: "5-one-request-one-grant",
    two_contents: "5-one-request-one-grant",
    lost_answer: "6-no-answer-is-lost",
    active_after_the_revoke_of_its_assignment: "6-no-answer-is-lost",
    active_after_its_revoke: "6-no-answer-is-lost",
    left_under_way: "6-nothing-is-forgotten",
    due_for_ever: "6-nothing-is-forgotten",
    without_record: "6-nothing-is-forgotten",
    unread_outcome: "6-nothing-is-forgotten",
    failed_by_itself: "6-nothing-fails-by-itself",
    effect_to_come: "6-nothing-is-forgotten",
    without_events: "7-every-grant-has-its-events",
}

# What only asynchronous changes can be.
DOCTORED_ACCOUNT = {
    failed_after_two: "6-nothing-fails-by-itself",
    left_pending: "6-nothing-is-forgotten",
    left_slot: "6-nothing-is-forgotten",
    never_ended: "6-nothing-is-forgotten",
    without_times: "8-outstanding-stays-within-the-limit",
    accepted_without_times: "8-outstanding-stays-within-the-limit",
}
HISTORIES = [(doctor, kind) for doctor in DOCTORED for kind in KINDS]
HISTORIES += [(doctor, "ACCOUNT") for doctor in DOCTORED_ACCOUNT]


@pytest.mark.parametrize("kind", KINDS)
def test_a_true_history_passes(kind, tmp_path, capsys):
    code = check.main(Story(kind).judge(tmp_path))
    told = capsys.readouterr().out
    assert (code, told.count("\n")) == (0, 1), told
    assert told.startswith("0 violations in 3 answers, 2 grants, 4 writes sent, 4 effects")


@pytest.mark.parametrize(
    "doctor, kind", HISTORIES, ids=[f"{doctor.__name__}-{kind}" for doctor, kind in HISTORIES]
)
def test_each_doctored_history_is_found_by_its_invariant(doctor, kind, tmp_path, capsys):
    story = Story(kind)
    doctor(story)
    code = check.main(story.judge(tmp_path))
    *violations, summary = capsys.readouterr().out.splitlines()
    found = {violation.partition(":")[0] for violation in violations}
    assert code == 1 and found == {(DOCTORED | DOCTORED_ACCOUNT)[doctor]}, violations
    assert summary.startswith(f"{len(violations)} violations")


def test_too_many_operations_at_once_are_found(tmp_path, capsys):
    for room, code in ((11, 1), (10, 0)):
        story = Story("ACCOUNT")
        for number in range(room):
            who = f"user-{number}"
            story.assign(who, at=100)
            story.present.append(who)
            story.write("Create", who, 101 + number / 100, lasts=3)
        story.read("ann", 110)
        folder = tmp_path / str(room)
        folder.mkdir()
        assert check.main(story.judge(folder)) == code
        told = capsys.readouterr().out
        assert ("8-outstanding-stays-within-the-limit" in told) == bool(code), told


def test_a_grant_may_fail_by_three_failed_operations(tmp_path, capsys):
    story = Story("ACCOUNT")
    failed_after_two(story)
    story.failed_create("bob", 21.6)
    assert check.main(story.judge(tmp_path)) == 0, capsys.readouterr().out


def test_a_change_that_aws_took_is_outstanding_until_it_ends_by_instance(tmp_path, capsys):
    story = Story("ACCOUNT")
    for number in range(12):
        who = f"user-{number}"
        story.assign(who, at=100)
        story.present.append(who)
        story.write("Create", who, 101 + number / 100, lasts=3)
        if number % 2:
            story.calls[-1]["input"]["InstanceArn"] = f"{INSTANCE}2"
    story.read("ann", 110)
    assert check.main(story.judge(tmp_path)) == 0, capsys.readouterr().out


def test_an_outage_excuses_a_late_end(tmp_path, capsys):
    story = Story("APPLICATION")
    ended_late(story)
    story.outages = [(35, 60)]
    assert check.main(story.judge(tmp_path)) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "outages, code", [([(35, 50), (40, 45), (48, 60)], 0), ([(35, 36), (35, 36), (35, 36)], 1)]
)
def test_outages_that_overlap_count_once(outages, code, tmp_path, capsys):
    story = Story("APPLICATION")
    ended_late(story)
    story.grant("bob")["ended_at"] = 92
    story.outages = outages
    assert check.main(story.judge(tmp_path)) == code, capsys.readouterr().out


def test_a_repeated_revoke_does_not_concern_what_came_between(tmp_path, capsys):
    story = Story("APPLICATION")
    story.answer("revoke_assignment", "ann", 5, request_id="end-ann", answer="Unavailable")
    story.answer("revoke_assignment", "ann", 60, request_id="end-ann")
    story.requests["end-ann"] = []
    assert check.main(story.judge(tmp_path)) == 0, capsys.readouterr().out


def test_a_revoke_at_the_same_time_may_come_first(tmp_path, capsys):
    story = Story("APPLICATION")
    story.answer("revoke_assignment", "ann", 10.5)
    assert check.main(story.judge(tmp_path)) == 0, capsys.readouterr().out


def test_every_invariant_is_broken_by_some_doctored_history():
    broken = set(DOCTORED.values()) | set(DOCTORED_ACCOUNT.values())
    assert broken == set(check.INVARIANTS)


def test_evidence_that_cannot_be_read_is_no_pass(tmp_path, capsys):
    arguments = Story("APPLICATION").judge(tmp_path)
    (tmp_path / "log").write_text(json.dumps({"calls": [], "dropped": 3}))
    assert check.main(arguments) == 2
    assert "lost 3 calls" in capsys.readouterr().out
