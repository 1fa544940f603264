"""Judges a history: what clients asked and were told, what AWS was sent, and what was left.

It shares no code with Usher and asks it nothing. It reads the simulated AWS's call log and world,
Usher's SQLite file (read only), the answers that clients got, and what stood before Usher came.
Each check is a function named after the invariant that it proves (the numbers are those of the
design: see INVARIANTS). It never repairs and never guesses: what it cannot read is an error.

Exit code 0: no violation; 1: violations, one a line; 2: the evidence cannot be read.
"""

import argparse
import json
import re
import sqlite3
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

INVARIANTS = {
    "1-no-create-without-a-grant": "no Create leaves without an earlier durable grant that is not over",
    "2-ends-are-acted-on": "at the end AWS holds what live grants and standing marks say, and ends came in time",
    "3-nothing-foreign-is-removed": "what Usher did not create goes only by an explicit Revoke",
    "3-what-is-held-is-not-removed": "no Delete leaves while a grant holds the assignment",
    "3-standing-is-what-stood": "no assignment becomes standing that was not there before",
    "5-one-request-one-grant": "equal request ids are one grant and one answer",
    "6-no-answer-is-lost": "what was answered OK is in the store",
    "6-nothing-is-forgotten": "nothing is left under way, and no unknown outcome is left unread",
    "6-nothing-fails-by-itself": "a grant fails only by AWS's word",
    "7-every-grant-has-its-events": "a grant's beginning and end are in the log of events",
    "8-outstanding-stays-within-the-limit": "asynchronous operations under way never exceed the limit",
}

# AWS's operations by what they do to an assignment, and those that show what became of it.
CREATES = {"CreateApplicationAssignment", "CreateAccountAssignment"}
DELETES = {"DeleteApplicationAssignment", "DeleteAccountAssignment"}
READS = {
    "DescribeApplicationAssignment",
    "ListApplicationAssignments",
    "ListApplicationAssignmentsForPrincipal",
    "ListAccountAssignments",
    "ListAccountAssignmentsForPrincipal",
}
# What the simulator may do to a call so that its client does not learn how it ended.
LOSE_ANSWERS = {"truncate_reply", "delay_before_effect", "delay_after_effect"}

# What AWS says to a Create that no repeat can help. FAILED, the end of an asynchronous one, may
# pass: only so many of them are its word.
FINAL_REFUSALS = {
    "ResourceNotFoundException",
    "ServiceQuotaExceededException",
    "ValidationException",
}
FAILED_OPERATIONS_MIN = 3

ENDED = {"REVOKED", "EXPIRED", "FAILED"}
UNDER_WAY = {"PROVISIONING", "REVOKING"}

ACCOUNT_ID = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])")
PERMISSION_SET = re.compile(r"arn:[a-z-]+:sso:::permissionSet/[A-Za-z0-9-]+/[A-Za-z0-9-]+")


class Unreadable(Exception):
    """The evidence is not what it should be."""


def triple(principal_type, principal_id, target_kind, target):
    """One form for an assignment, whoever wrote it."""
    if target_kind == "APPLICATION":
        return (principal_type, principal_id, "APPLICATION", target)
    permission_set = PERMISSION_SET.search(target)
    account = ACCOUNT_ID.search(PERMISSION_SET.sub("", target))
    if permission_set is None or account is None:
        raise Unreadable(f"{target_kind} {target!r} names no account with a permission set")
    return account_triple(principal_type, principal_id, account.group(), permission_set.group())


def account_triple(principal_type, principal_id, account, permission_set):
    return (principal_type, principal_id, "ACCOUNT", f"{account} {permission_set}")


def named(of):
    return f"{of[0]} {of[1]} on {of[3]}"


@dataclass
class Write:
    """A write that reached AWS."""

    operation: str
    of: tuple
    sent_at: float
    refused: bool
    refusal: str | None
    answered: bool
    effect_at: float | None
    is_still_to_come: bool
    sequence: int
    instance: str
    # Of an asynchronous one: from when to when it was under way, and how it ended.
    began_at: float | None
    ended_at: float | None
    status: str | None

    @property
    def creates(self):
        return self.operation in CREATES


@dataclass
class Grant:
    """A row of the store's grants."""

    id: str
    of: tuple
    state: str
    ticket: str
    created_at: float
    started_at: float | None
    end_at: float | None
    ending_at: float | None
    ended_at: float | None

    @property
    def over_at(self):
        """From when on it held nothing: somebody ended it, its time came, or it failed."""
        known = [at for at in (self.ending_at, self.end_at, self.ended_at) if at is not None]
        return min(known) if known else None


@dataclass
class History:
    """All evidence, read."""

    writes: list
    reads: dict
    present: set
    standing: set
    grants: list
    records: dict
    requests: dict
    events: dict
    answers: list
    end_bound: float
    lateness: float
    slack: float
    outages: list
    outstanding_limit: int
    violations: list = field(default_factory=list)

    def violate(self, check, text):
        self.violations.append(f"{check}: {text}")

    def grants_on(self, of):
        return [grant for grant in self.grants if grant.of == of]

    def revokes_of(self, of):
        """Explicit Revokes of an assignment, but for those that were told there is none."""
        return [
            answer
            for answer in self.answers
            if answer["call"] == "revoke_assignment"
            and answer["of"] == of
            and answer.get("reason") != "ASSIGNMENT_NOT_FOUND"
        ]

    def workable_seconds(self, begin, end):
        """The time from begin to end without the outages, which may overlap."""
        workable, at = 0.0, begin
        for start, to in sorted(self.outages):
            workable += max(0.0, min(start, end) - at)
            at = max(at, to)
        return workable + max(0.0, end - at)


# Reading the evidence


def triple_of_call(call):
    given = call["input"]
    if "ApplicationArn" in given:
        return triple(
            given["PrincipalType"], given["PrincipalId"], "APPLICATION", given["ApplicationArn"]
        )
    return account_triple(
        given["PrincipalType"], given["PrincipalId"], given["TargetId"], given["PermissionSetArn"]
    )


def read_write(call):
    given = call["input"]
    error = call["error_code"] if call["outcome"] == "error" else None
    asynchronous = call.get("asynchronous") or {
        "started_at_seconds": None,
        "finished_at_seconds": None,
        "status": None,
    }
    return Write(
        operation=call["operation"],
        of=triple_of_call(call),
        sent_at=call["time_seconds"],
        refused=error is not None and error != "InternalServerException",
        refusal=error,
        answered=call["outcome"] == "ok" and not LOSE_ANSWERS & set(call["faults"]),
        effect_at=call["effect_time_seconds"] if call["effect"] == "applied" else None,
        is_still_to_come=call["effect"] == "later",
        sequence=call["sequence"],
        instance=given.get("InstanceArn", ""),
        began_at=asynchronous["started_at_seconds"],
        ended_at=asynchronous["finished_at_seconds"],
        status=asynchronous["status"],
    )


def read_log(path):
    log = json.loads(path.read_text())
    if log.get("dropped"):
        raise Unreadable(f"the call log lost {log['dropped']} calls")
    writes, reads = [], defaultdict(list)
    for call in log["calls"]:
        operation, given = call["operation"], call["input"]
        if operation in CREATES | DELETES:
            if not isinstance(given, dict):
                raise Unreadable(f"call {call['sequence']} has no input")
            writes.append(read_write(call))
        elif operation in READS and isinstance(given, dict):
            # A read counts for all that its input does not exclude.
            scope = (
                given.get("ApplicationArn"),
                given.get("AccountId"),
                given.get("PermissionSetArn"),
                given.get("PrincipalId"),
            )
            reads[scope].append(call["time_seconds"])
    return writes, reads


def read_world(path):
    present = set()
    for rows in json.loads(path.read_text()).values():
        if not isinstance(rows, list):
            continue
        for row in rows:
            if not isinstance(row, dict) or "principal_id" not in row:
                continue
            who = (row["principal_type"], row["principal_id"])
            if "application_arn" in row:
                present.add(triple(*who, "APPLICATION", row["application_arn"]))
            elif "permission_set_arn" in row:
                account = row.get("account_id") or row["target_id"]
                present.add(account_triple(*who, account, row["permission_set_arn"]))
    return present


def seconds(microseconds):
    return None if microseconds is None else microseconds / 1e6


def read_store(path):
    if not path.is_file():
        raise Unreadable(f"{path} is not there")
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    of = lambda row: triple(  # noqa: E731
        row["principal_type"], row["principal_id"], row["target_kind"], row["target"]
    )
    grants = [
        Grant(
            id=row["id"],
            of=of(row),
            state=row["state"],
            ticket=row["ticket"],
            created_at=seconds(row["created_at"]),
            started_at=seconds(row["started_at"]),
            end_at=seconds(row["end_at"]),
            ending_at=seconds(row["ending_at"]),
            ended_at=seconds(row["ended_at"]),
        )
        for row in connection.execute("SELECT * FROM grants ORDER BY id")
    ]
    records = {of(row): dict(row) for row in connection.execute("SELECT * FROM assignments")}
    requests = {
        row["request_id"]: json.loads(row["grant_ids"])
        for row in connection.execute("SELECT * FROM requests")
    }
    events = dict(
        connection.execute(
            "SELECT grant_id, COUNT(*) FROM events WHERE grant_id IS NOT NULL GROUP BY grant_id"
        ).fetchall()
    )
    connection.close()
    return grants, records, requests, events


def read_answers(path):
    answers = [json.loads(line) for line in path.read_text().splitlines() if line]
    for answer in answers:
        answer["of"] = triple_of_row(answer)
    return answers


def triple_of_row(row):
    return triple(row["principal_type"], row["principal_id"], row["target_kind"], row["target"])


# The checks


def check_creates(history):
    check = "1-no-create-without-a-grant"
    for write in history.writes:
        if not write.creates:
            continue
        grants = history.grants_on(write.of)
        earlier = [g for g in grants if g.created_at <= write.sent_at + history.slack]
        if not earlier:
            history.violate(check, f"call {write.sequence} created {named(write.of)} for no grant")
        elif not any(
            g.over_at is None or write.sent_at <= g.over_at + history.lateness for g in earlier
        ):
            over = max(g.over_at for g in earlier)
            history.violate(
                check,
                f"call {write.sequence} created {named(write.of)} {write.sent_at - over:.3f} s after "
                "its last grant was over",
            )


def must_stand(history, of):
    """Whether an assignment must be there at the end: True, False, or None where both are right."""
    if any(grant.state == "ACTIVE" for grant in history.grants_on(of)):
        return True
    if of not in history.standing:
        return False
    revokes = history.revokes_of(of)
    if any(revoke["answer"] == "OK" for revoke in revokes):
        return False
    return None if revokes else True


def check_ends(history):
    check = "2-ends-are-acted-on"
    concerned = history.present | history.standing | {grant.of for grant in history.grants}
    for of in sorted(concerned):
        wanted, is_there = must_stand(history, of), of in history.present
        if wanted is True and not is_there:
            history.violate(check, f"{named(of)} is gone although it is held")
        if wanted is False and is_there:
            history.violate(check, f"{named(of)} is there although nothing holds it")
    for grant in history.grants:
        began = grant.ending_at if grant.ending_at is not None else grant.end_at
        if grant.state == "ACTIVE" and grant.end_at is not None:
            history.violate(check, f"grant {grant.id} is active and its end was at {grant.end_at}")
        if began is None or grant.ended_at is None or grant.state == "FAILED":
            continue
        if grant.state == "EXPIRED" and grant.end_at is not None:
            began = min(began, grant.end_at)
        took = history.workable_seconds(began, grant.ended_at)
        if took > history.end_bound:
            history.violate(check, f"grant {grant.id} ended {took:.3f} s after its end was due")


def check_foreign(history):
    check = "3-nothing-foreign-is-removed"
    made_by_usher = defaultdict(bool)
    effects = [write for write in history.writes if write.effect_at is not None]
    for write in sorted(effects, key=lambda write: write.effect_at):
        if write.creates:
            made_by_usher[write.of] = True
            continue
        asked = any(
            revoke["began_at"] <= write.effect_at + history.slack
            for revoke in history.revokes_of(write.of)
        )
        if not made_by_usher[write.of] and not asked:
            history.violate(
                check, f"call {write.sequence} removed {named(write.of)}, which Usher had not made"
            )
        made_by_usher[write.of] = False


def check_held(history):
    check = "3-what-is-held-is-not-removed"
    for write in history.writes:
        if write.creates:
            continue
        for grant in history.grants_on(write.of):
            was_live = grant.created_at < write.sent_at - history.lateness
            stays = grant.over_at is None or grant.over_at > write.sent_at + history.slack
            if was_live and stays and grant.state != "FAILED":
                history.violate(
                    check, f"call {write.sequence} removed {named(write.of)}, held by {grant.id}"
                )


def check_standing(history):
    for of, record in history.records.items():
        if record["standing"] == "YES" and of not in history.standing:
            history.violate("3-standing-is-what-stood", f"{named(of)} is marked as standing")


def check_requests(history):
    check = "5-one-request-one-grant"
    told, content = defaultdict(set), {}
    for answer in history.answers:
        if not answer["request_id"] or answer["answer"] != "OK":
            continue
        request_id = answer["request_id"]
        asked = (answer["call"], answer["of"], answer["duration_seconds"], answer["asked_grant_id"])
        if content.setdefault(request_id, asked) != asked:
            history.violate(check, f"request {request_id} was accepted with two contents")
        if answer["call"] == "assign":
            told[request_id].add(answer["grant_id"])
        if request_id not in history.requests:
            history.violate(check, f"request {request_id} was answered and is not remembered")
    for request_id, ids in told.items():
        if len(ids) > 1:
            history.violate(check, f"request {request_id} was answered with the grants {sorted(ids)}")
        if sorted(history.requests.get(request_id, ids)) != sorted(ids):
            history.violate(
                check,
                f"request {request_id} was answered with {sorted(ids)} and is remembered with "
                f"{history.requests[request_id]}",
            )
    by_ticket = defaultdict(list)
    for grant in history.grants:
        by_ticket[grant.ticket].append(grant.id)
    asked_for = {answer["ticket"] for answer in history.answers if answer["call"] == "assign"}
    for ticket, ids in by_ticket.items():
        if len(ids) > 1:
            history.violate(check, f"the call {ticket} made the grants {sorted(ids)}")
        if ticket not in asked_for:
            history.violate(check, f"nobody asked for grant {ids[0]} ({ticket})")


def check_answers(history):
    check = "6-no-answer-is-lost"
    grants = {grant.id: grant for grant in history.grants}
    for answer in history.answers:
        if answer["answer"] != "OK" or answer["call"] != "assign":
            continue
        kept = grants.get(answer["grant_id"])
        if kept is None:
            history.violate(check, f"grant {answer['grant_id']} was answered and is not stored")
        elif kept.of != answer["of"] or kept.ticket != answer["ticket"]:
            history.violate(check, f"grant {kept.id} is not what {answer['ticket']} asked for")
    first_sent, told_at = {}, {}
    for answer in history.answers:
        if answer["call"] == "assign" and answer["answer"] == "OK":
            told = told_at.get(answer["grant_id"], answer["ended_at"])
            told_at[answer["grant_id"]] = min(told, answer["ended_at"])
        first = first_sent.get(answer["ticket"], answer["began_at"])
        first_sent[answer["ticket"]] = min(first, answer["began_at"])
    for answer in history.answers:
        if answer["answer"] != "OK" or answer["call"] == "assign":
            continue
        # A repeat is answered by what the first did: what came between is not its concern.
        began_at = first_sent[answer["ticket"]]
        for grant in history.grants_on(answer["of"]):
            asked = answer["asked_grant_id"]
            # Two calls at once may come in either order, so that only what was told before counts.
            told_before = told_at.get(grant.id, began_at) < began_at
            concerned = grant.id == asked if asked else told_before
            if concerned and grant.state == "ACTIVE":
                history.violate(check, f"grant {grant.id} is active after its Revoke was answered")


def is_read_after(history, write):
    kind, target = write.of[2], write.of[3]
    application = target if kind == "APPLICATION" else None
    account, _, permission_set = target.partition(" ") if kind == "ACCOUNT" else ("", "", "")
    for scope, times in history.reads.items():
        of_application, of_account, of_permission_set, of_principal = scope
        fits = (
            of_principal in (None, write.of[1])
            and (of_application is None if application is None else of_application in (None, application))
            and of_account in (None, account or None)
            and of_permission_set in (None, permission_set or None)
        )
        if fits and any(at > write.sent_at for at in times):
            return True
    return False


def check_forgotten(history):
    check = "6-nothing-is-forgotten"
    for grant in history.grants:
        if grant.state in UNDER_WAY:
            history.violate(check, f"grant {grant.id} is left {grant.state}")
        if grant.of not in history.records:
            history.violate(check, f"grant {grant.id} has no record of its assignment")
    for write in history.writes:
        record = history.records.get(write.of)
        if record is None:
            history.violate(check, f"call {write.sequence} wrote {named(write.of)}, which has no record")
        elif not write.refused and not is_read_after(history, write):
            # Answered or not: Usher may have died before it saw the answer.
            history.violate(check, f"nobody read {named(write.of)} after call {write.sequence}")
        if write.is_still_to_come or write.began_at is not None and write.ended_at is None:
            history.violate(check, f"call {write.sequence} on {named(write.of)} is still under way")
    for of, record in history.records.items():
        if record["next_attempt_at"] is not None or record["lease_holder"] is not None:
            history.violate(check, f"{named(of)} is still to be worked on")
        if record["pending_write"] is not None:
            pending = f"{record['pending_write']} {record['pending_request_id']}"
            since = seconds(record["pending_since"])
            history.violate(check, f"{pending} of {named(of)} is left pending since {since}")
        elif record["asynchronous_slot"]:
            history.violate(check, f"{named(of)} keeps a slot although nothing is pending on it")


def check_failed(history):
    for grant in history.grants:
        if grant.state != "FAILED":
            continue
        creates = [write for write in history.writes if write.creates and write.of == grant.of]
        failed = [
            write
            for write in creates
            if write.status == "FAILED" and write.ended_at <= grant.ended_at + history.slack
        ]
        refused = [write for write in creates if write.refusal in FINAL_REFUSALS]
        if not refused and len(failed) < FAILED_OPERATIONS_MIN:
            history.violate(
                "6-nothing-fails-by-itself",
                f"grant {grant.id} on {named(grant.of)} failed after {len(failed)} failed operations",
            )


def check_events(history):
    for grant in history.grants:
        wanted = 2 if grant.state in ENDED | {"ACTIVE"} else 1
        known = history.events.get(grant.id, 0)
        if known < wanted:
            history.violate(
                "7-every-grant-has-its-events", f"grant {grant.id} is {grant.state} with {known} events"
            )


def check_outstanding(history):
    check = "8-outstanding-stays-within-the-limit"
    changes = defaultdict(list)
    for write in history.writes:
        if write.of[2] != "ACCOUNT":
            continue
        if write.began_at is not None:
            # One that never ended counts to the end.
            ended_at = float("inf") if write.ended_at is None else write.ended_at
            changes[write.instance] += [(write.began_at, 1), (ended_at, -1)]
        elif write.answered or write.effect_at is not None:
            # Nothing can be said of a limit without them.
            history.violate(check, f"call {write.sequence} was accepted, and its times are not told")
    for instance, of_instance in changes.items():
        outstanding = 0
        # At one instant the ends come first.
        for at, change in sorted(of_instance):
            outstanding += change
            if outstanding > history.outstanding_limit:
                history.violate(check, f"{outstanding} were under way on {instance} at {at:.3f}")
                break


CHECKS = [
    check_creates,
    check_ends,
    check_foreign,
    check_held,
    check_standing,
    check_requests,
    check_answers,
    check_forgotten,
    check_failed,
    check_events,
    check_outstanding,
]


def judge(history):
    for check in CHECKS:
        check(history)
    return history.violations


def outage(text):
    begin, _, end = text.partition(":")
    return (float(begin), float(end))


def read_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("log", "world", "store", "answers", "standing"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--end-bound-seconds", type=float, default=60.0)
    parser.add_argument("--lateness-seconds", type=float, default=1.0)
    parser.add_argument("--slack-seconds", type=float, default=0.005)
    parser.add_argument("--outage", type=outage, action="append", default=[])
    parser.add_argument("--outstanding-limit", type=int, default=10)
    return parser.parse_args(arguments)


def read_history(given):
    writes, reads = read_log(given.log)
    grants, records, requests, events = read_store(given.store)
    return History(
        writes=writes,
        reads=reads,
        present=read_world(given.world),
        standing={triple_of_row(row) for row in json.loads(given.standing.read_text())},
        grants=grants,
        records=records,
        requests=requests,
        events=events,
        answers=read_answers(given.answers),
        end_bound=given.end_bound_seconds,
        lateness=given.lateness_seconds,
        slack=given.slack_seconds,
        outages=given.outage,
        outstanding_limit=given.outstanding_limit,
    )


def main(arguments=None):
    try:
        history = read_history(read_arguments(arguments))
    except (Unreadable, OSError, ValueError, KeyError, sqlite3.Error) as problem:
        print(f"the evidence cannot be read: {problem!r}")
        return 2
    for violation in judge(history):
        print(violation)
    effects = sum(write.effect_at is not None for write in history.writes)
    lost = sum(not write.answered and not write.refused for write in history.writes)
    asynchronous = sum(write.began_at is not None for write in history.writes)
    failed = sum(grant.state == "FAILED" for grant in history.grants)
    print(
        f"{len(history.violations)} violations in {len(history.answers)} answers, "
        f"{len(history.grants)} grants, {len(history.writes)} writes sent, {effects} effects, "
        f"{asynchronous} asynchronous, {lost} lost answers, {failed} failed grants, "
        f"{len(history.present)} assignments at the end"
    )
    return 1 if history.violations else 0


if __name__ == "__main__":
    sys.exit(main())
