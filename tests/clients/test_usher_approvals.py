"""The story of an approval with clients and an identity provider that nobody here wrote: grpcio and
grpcurl over TLS, tokens by joserfc. A person asks, a portal acts for people, a ticket service vouches.

Run through tests/clients/setup.sh's environment:
    .tools/venv/bin/python -m pytest tests/clients/test_usher_approvals.py
"""

import json
import subprocess
import time

import grpc
import pytest

from test_usher_authentication import Secure, issuer, serve_secured, with_token  # noqa: F401 (a fixture)
from usher_processes import GRPCURL, clean_environment

TICKETS = """
[[authentication.certificates]]
service = "tickets"
spiffe = "spiffe://example.org/tickets"
"""
POLICIES = """
@id("redshift-by-two-analysts") @approvals("2") @approvers("group:analysts") @max_duration("8h")
permit (principal in Usher::Group::"engineering", action == Usher::Action::"Request",
  resource is Usher::Application)
when { context.beneficiary_is_subject && resource.name == "Amazon Redshift" };
@id("quicksight-by-steps") @steps("1 of group:analysts; 1 of service:tickets") @max_duration("8h")
permit (principal in Usher::Group::"engineering", action == Usher::Action::"Request",
  resource is Usher::Application)
when { resource.name == "Amazon QuickSight" };
@id("own-grants")
permit (principal, action in [Usher::Action::"ReadGrants", Usher::Action::"Revoke"],
  resource is Usher::Grant)
when { resource.beneficiary_is_subject || resource.requested_by_subject };
@id("carries")
permit (principal is Usher::Service, action == Usher::Action::"ActFor", resource);
@id("sees-names")
permit (principal, action == Usher::Action::"ReadDirectory", resource);
"""
DENIED = grpc.StatusCode.PERMISSION_DENIED


@pytest.fixture
def stack(tmp_path, issuer):
    stack = serve_secured(tmp_path, issuer, POLICIES, ("portal", "tickets"), TICKETS)
    yield stack
    stack.end()


def wish(application):
    return {
        "principal": {"user": "anna.berg"}, "target": {"application": application},
        "duration": "3600s", "justification": "the quarterly report", "ticket": "INC-42",
    }


def word(grant, **more):
    return {"grant_id": grant["id"], "digest": grant["digest"], "reason": "looked at it"} | more


def until(call, state):
    for _ in range(400):
        grant = call()
        if grant["state"] == state:
            return grant
        time.sleep(0.05)
    raise AssertionError(f"{grant['state']} is not {state}")


def test_grpcio_walks_an_approval_with_tokens_of_another_signer(stack, issuer):
    client = Secure(stack)

    def call(user, method, message):
        token = issuer.token(issuer.keys[0], "RS256", preferred_username=user, sub=user)
        return with_token(client, token).call(method, message)

    def refused(user, method, message):
        token = issuer.token(issuer.keys[0], "RS256", preferred_username=user, sub=user)
        return with_token(client, token).refused(method, message)[:2]

    asked = call("anna.berg", "AccessService/Assign", wish("Amazon Redshift"))["grant"]
    assert asked["state"] == "GRANT_STATE_PENDING_APPROVAL"
    of = {"grant_id": asked["id"]}
    shown = call("anna.berg", "GrantService/GetGrant", of)["grant"]
    names = {it["principal"]["name"] for it in shown["waiting_for"]["approvers"]}
    assert names == {"dmitri.orlov", "emi.sato"}, "Felix is disabled"
    assert refused("anna.berg", "GrantService/ApproveGrant", word(asked)) == (DENIED, "SELF_APPROVAL")
    mine = call("dmitri.orlov", "GrantService/ListGrants", {"scope": "GRANT_LIST_SCOPE_CAN_APPROVE"})
    assert [it["id"] for it in mine["grants"]] == [asked["id"]]
    call("dmitri.orlov", "GrantService/ApproveGrant", word(asked))
    call("emi.sato", "GrantService/ApproveGrant", word(asked))
    active = until(
        lambda: call("anna.berg", "GrantService/GetGrant", of)["grant"], "GRANT_STATE_ACTIVE"
    )
    assert len(active["reviews"]) == 2
    call("anna.berg", "AccessService/Revoke", of | {"reason": "done"})
    until(lambda: call("anna.berg", "GrantService/GetGrant", of)["grant"], "GRANT_STATE_REVOKED")
    client.channel.close()


def test_a_portal_and_a_ticket_service_carry_an_approval(stack, issuer):
    portal, tickets = Secure(stack, certificate="portal"), Secure(stack, certificate="tickets")

    def proof(user):
        return issuer.token(issuer.keys[0], "RS256", preferred_username=user, sub=user)

    def acting(user, is_proven=True):
        named = [("usher-on-behalf-of", user)]
        return named + [("usher-subject-token", proof(user))] if is_proven else named

    portal.metadata = acting("anna.berg")
    asked = portal.call("AccessService/Assign", wish("Amazon QuickSight"))["grant"]
    of = {"grant_id": asked["id"]}
    # The ticket service is the second step, and says for whom it speaks.
    told = tickets.refused("GrantService/ApproveGrant", word(asked))
    assert told[:2] == (DENIED, "NOT_AN_APPROVER")
    # Who carried the wish speaks for a reviewer only with the reviewer's own token.
    portal.metadata = acting("emi.sato", is_proven=False)
    told = portal.refused("GrantService/ApproveGrant", word(asked))
    assert told[:2] == (DENIED, "APPROVER_NOT_PROVEN")
    portal.metadata = acting("emi.sato")
    portal.call("GrantService/ApproveGrant", word(asked))
    # Vouched for is checked like everybody: not for herself, and nobody twice.
    told = tickets.refused("GrantService/ApproveGrant", word(asked, attested_approver="anna.berg"))
    assert told[:2] == (DENIED, "SELF_APPROVAL")
    vouched = word(asked, attested_approver="bilal.khan")
    done = tickets.call("GrantService/ApproveGrant", vouched)["grant"]
    assert [it.get("vouched_by", "") for it in done["reviews"]] == ["", "tickets"]
    portal.metadata = acting("anna.berg")
    until(lambda: portal.call("GrantService/GetGrant", of)["grant"], "GRANT_STATE_ACTIVE")
    portal.channel.close()
    tickets.channel.close()


def test_grpcurl_walks_an_approval(stack, issuer):
    def grpcurl(user, method, message):
        token = issuer.token(issuer.keys[0], "RS256", preferred_username=user, sub=user)
        return subprocess.run(
            [
                GRPCURL, "-cacert", "ca.pem", "-H", f"authorization: Bearer {token}",
                "-d", json.dumps(message), stack.address, f"usher.v1.{method}",
            ],
            cwd=stack.directory, env=clean_environment(stack.directory),
            capture_output=True, text=True, timeout=60,
        )

    def call(user, method, message):
        done = grpcurl(user, method, message)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    asked = call("anna.berg", "AccessService/Assign", wish("Amazon Redshift"))["grant"]
    own = grpcurl("anna.berg", "GrantService/ApproveGrant", word(asked))
    assert own.returncode != 0 and "SELF_APPROVAL" in own.stderr
    for reviewer in ("dmitri.orlov", "emi.sato"):
        call(reviewer, "GrantService/ApproveGrant", word(asked))
    of = {"grant_id": asked["id"]}
    until(lambda: call("anna.berg", "GrantService/GetGrant", of)["grant"], "GRANT_STATE_ACTIVE")
    second = call("anna.berg", "AccessService/Assign", wish("Amazon Redshift"))["grant"]
    call("anna.berg", "GrantService/CancelGrant", {"grant_id": second["id"], "reason": "not needed"})
    late = grpcurl("emi.sato", "GrantService/ApproveGrant", word(second))
    assert late.returncode != 0
