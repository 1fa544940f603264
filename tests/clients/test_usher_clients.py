"""Other people's gRPC clients against `usher serve --dev`: grpcio that knows the services by
reflection alone, an old grpcurl, and buf curl. None of them has a generated stub.

Run through tests/clients/setup.sh's environment:
    .tools/venv/bin/python -m pytest tests/clients/test_usher_clients.py
"""

import csv
import hashlib
import io
import json
import re
import subprocess

import grpc
import pytest
from google.protobuf import descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

from usher_processes import BUF, GRPCURL, clean_environment

GOOD = {
    "principal": {"group": "engineering"},
    "target": {"application": "Amazon Redshift"},
    "duration": "3600s",
    "justification": "INC-42",
}


class Reflected:
    """A client that learns everything from the server."""

    def __init__(self, address, token=None):
        self.channel = grpc.insecure_channel(address)
        database = ProtoReflectionDescriptorDatabase(self.channel)
        self.services = database.get_services()
        self.pool = descriptor_pool.DescriptorPool(database)
        self.metadata = [("authorization", f"Bearer {token}")] if token else []

    def call(self, method, message=None, timeout=20, package="usher.v1", metadata=()):
        """Calls by name with JSON; answers JSON, or a list of it for a stream."""
        service, name = method.split("/")
        descriptor = self.pool.FindServiceByName(f"{package}.{service}").methods_by_name[name]
        request = message_factory.GetMessageClass(descriptor.input_type)
        response = message_factory.GetMessageClass(descriptor.output_type)
        kind = "unary_stream" if descriptor.server_streaming else "unary_unary"
        call = getattr(self.channel, kind)(
            f"/{package}.{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        answer = call(
            json_format.ParseDict(message or {}, request()),
            timeout=timeout,
            metadata=[*self.metadata, *metadata],
        )
        def read(part):
            return json_format.MessageToDict(part, preserving_proto_field_name=True)
        return [read(part) for part in answer] if descriptor.server_streaming else read(answer)

    def refused(self, method, message=None, **more):
        """The refusal of a call: its code, its text, and its details by kind."""
        with pytest.raises(grpc.RpcError) as caught:
            self.call(method, message, **more)
        status = rpc_status.from_call(caught.value)
        assert status is not None, caught.value
        details = {}
        for packed in status.details:
            kind = packed.type_url.rsplit(".", 1)[1]
            detail = getattr(error_details_pb2, kind)()
            assert packed.Unpack(detail)
            details[kind] = detail
        assert details["ErrorInfo"].domain == "usher"
        assert details["RequestInfo"].request_id
        return caught.value.code(), details["ErrorInfo"].reason, details


@pytest.fixture
def client(stack):
    reflected = Reflected(stack.address, stack.token())
    yield reflected
    reflected.channel.close()


def test_grpcio_with_reflection_alone_walks_the_story(stack, client):
    assert {f"usher.v1.{name}Service" for name in ("Access", "Grant", "Directory")} < set(
        client.services
    )
    instance = client.call("DirectoryService/ListInstances")["instances"][0]
    listed = client.call("DirectoryService/ListApplications")["applications"]
    assert "Amazon Redshift" in json.dumps(listed)
    people = client.call("DirectoryService/ListPrincipals", {"type": "PRINCIPAL_TYPE_USER"})
    assert len(people["principals"]) == 6
    group = client.call("DirectoryService/ListPrincipals", {"principal": {"group": "engineering"}})
    group = group["principals"][0]["principal"]

    preview = client.call("AccessService/Assign", GOOD | {"validate_only": True})["preview"]
    assert preview["people_count"] == "3" and preview["write_mode"] == "WRITE_MODE_READ_WRITE"
    assert stack.writes() == []
    grant = client.call("AccessService/Assign", GOOD | {"request_id": "r-1"})["grant"]
    assert grant["state"] == "GRANT_STATE_ACTIVE" and grant["principal"]["id"] == group["id"]
    assert client.call("AccessService/Assign", GOOD | {"request_id": "r-1"})["grant"] == grant
    asked = {"principal": {"user": "anna.berg"}, "include_group_paths": True}
    rows = client.call("AccessService/ListAssignments", asked)["assignments"]
    held = [row for row in rows if grant["id"] in row.get("grant_ids", [])]
    assert len(held) == 1 and held[0]["instance_arn"] == instance["instance_arn"]
    assert held[0]["path"] == "ACCESS_PATH_GROUP" and held[0]["via_group"]["id"] == group["id"]

    rows, summary = csv_report(client)
    redshift = [row for row in rows if row["application_name"] == "Amazon Redshift"]
    assert [row["user_name"] for row in redshift] == ["anna.berg", "bilal.khan", "carla.mendes"]
    assert {row["grant_id"] for row in redshift} == {grant["id"]}
    assert summary["completeness"] == "COMPLETENESS_COMPLETE"

    revoked = client.call("AccessService/Revoke", {"grant_id": grant["id"], "reason": "done"})
    assert revoked["grants"][0]["state"] == "GRANT_STATE_REVOKED"
    assert revoked["assignment_state"] == "ASSIGNMENT_STATE_ABSENT"
    assert stack.writes() == ["CreateApplicationAssignment", "DeleteApplicationAssignment"]
    ended = client.call("GrantService/GetGrant", {"grant_id": grant["id"]})["grant"]
    assert ended["revoke_reason"] == "done" and len(ended["timeline"]) >= 4


def csv_report(client):
    """The rows of an ACCESS report in CSV, and its summary, checked against each other."""
    parts = client.call(
        "AccessService/AuditReport",
        {"view": "REPORT_VIEW_ACCESS", "format": "REPORT_FORMAT_CSV"},
    )
    assert "header" in parts[0] and "summary" in parts[-1]
    text = "".join(part.get("text", "") for part in parts)
    summary = parts[-1]["summary"]
    assert hashlib.sha256(text.encode()).hexdigest() == summary["sha256"]
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert len(rows) == int(summary["row_count"])
    assert list(rows[0]) == parts[0]["header"]["columns"]
    return rows, summary


def test_grpcio_reads_error_details(stack, client):
    code, reason, details = client.refused("AccessService/Assign", {"duration": "-1s"})
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    blamed = [each.field for each in details["BadRequest"].field_violations]
    assert blamed == ["principal", "target", "duration"]
    unknown = GOOD | {"principal": {"user": "数据\"\n".strip()}}
    code, reason, details = client.refused("AccessService/Assign", unknown)
    assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "PRINCIPAL_NOT_FOUND")
    assert details["ResourceInfo"].resource_name == "数据\""
    longest = GOOD | {"principal": {"group": "\U0001f600" * 1024}}
    code, reason, _ = client.refused("AccessService/Assign", longest)
    assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "PRINCIPAL_NOT_FOUND")
    stranger = Reflected(stack.address)
    code, reason, _ = stranger.refused("DirectoryService/ListInstances")
    assert (code, reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIAL_MISSING")
    stranger.channel.close()
    stack.fault("GetGroupId", "access_denied")
    code, reason, details = client.refused("AccessService/Assign", GOOD)
    assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "USHER_ROLE_LACKS_PERMISSION")
    assert details["ErrorInfo"].metadata["iamAction"] == "identitystore:GetGroupId"
    assert stack.writes() == []


def test_grpcio_asks_the_health_service(stack):
    client = Reflected(stack.address)
    names = ["", "usher.v1.AccessService", "usher.v1.GrantService", "usher.v1.DirectoryService"]
    for name in names:
        answer = client.call("Health/Check", {"service": name}, package="grpc.health.v1")
        assert answer == {"status": "SERVING"}
    with pytest.raises(grpc.RpcError) as caught:
        client.call("Health/Check", {"service": "nothing"}, package="grpc.health.v1")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    client.channel.close()


def grpcurl(stack, *arguments, token=None, expect=0):
    """Runs grpcurl; answers its standard output, or its standard error where it must fail."""
    headers = ["-H", f"authorization: Bearer {token}"] if token else []
    done = subprocess.run(
        [GRPCURL, "-plaintext", *headers, *arguments],
        env=clean_environment(stack.directory),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode == 0) == (expect == 0), done.stderr
    return done.stderr if expect else done.stdout


def test_grpcurl_by_the_lines_of_the_readme(stack):
    token, address = stack.token(), stack.address
    listed = grpcurl(stack, address, "list").split()
    assert "usher.v1.AccessService" in listed and "grpc.health.v1.Health" in listed
    described = grpcurl(stack, address, "describe", "usher.v1.AccessService")
    assert "rpc Assign ( .usher.v1.AssignRequest ) returns ( .usher.v1.AssignResponse );" in described
    described = grpcurl(stack, address, "describe", ".usher.v1.AssignRequest")
    assert ".google.protobuf.Duration duration = 4;" in described

    def call(method, message):
        out = grpcurl(stack, "-d", message, address, f"usher.v1.{method}", token=token)
        decoder, found, place = json.JSONDecoder(), [], 0
        while place < len(out.rstrip()):
            value, place = decoder.raw_decode(out, place)
            found.append(value)
            place += len(out[place:]) - len(out[place:].lstrip())
        return found

    assert "Wiki" in json.dumps(call("DirectoryService/ListApplications", "{}"))
    assert call("DirectoryService/ListPrincipals", '{"principal":{"group":"engineering"}}')
    assign = (
        '{"principal":{"group":"engineering"},"target":{"application":"Amazon Redshift"},\n'
        '  "duration":"3600s","justification":"INC-42","request_id":"inc-42-1"}'
    )
    grant = call("AccessService/Assign", assign)[0]["grant"]
    assert grant["state"] == "GRANT_STATE_ACTIVE"
    rows = call(
        "AccessService/ListAssignments",
        '{"principal":{"user":"anna.berg"},"include_group_paths":true}',
    )[0]["assignments"]
    assert [grant["id"]] in [row.get("grantIds") for row in rows]
    report = call(
        "AccessService/AuditReport", '{"view":"REPORT_VIEW_ACCESS","format":"REPORT_FORMAT_CSV"}'
    )
    assert "header" in report[0] and "summary" in report[-1]
    active = call("GrantService/ListGrants", '{"states":["GRANT_STATE_ACTIVE"]}')[0]["grants"]
    assert [each["id"] for each in active] == [grant["id"]]
    revoke = (
        '{"assignment":{"principal":{"group":"engineering"},\n'
        '  "target":{"application":"Amazon Redshift"}},"reason":"done"}'
    )
    assert call("AccessService/Revoke", revoke)[0]["assignmentState"] == "ASSIGNMENT_STATE_ABSENT"


def test_grpcurl_prints_error_details_in_clear(stack):
    token, method = stack.token(), "usher.v1.AccessService/Assign"
    told = grpcurl(stack, "-d", "{}", stack.address, method, token=token, expect=1)
    assert "Code: InvalidArgument" in told
    for text in ("google.rpc.ErrorInfo", "FIELD_INVALID", "google.rpc.BadRequest", '"principal"'):
        assert text in told, told
    told = grpcurl(stack, "-d", "{}", stack.address, method, expect=1)
    assert "Code: Unauthenticated" in told and "CREDENTIAL_MISSING" in told
    # What the proto does not have is refused by the client, not ignored.
    wrong = json.dumps(GOOD | {"start_time": "2030-01-01T00:00:00Z"})
    told = grpcurl(stack, "-d", wrong, stack.address, method, token=token, expect=1)
    assert "start_time" in told
    assert stack.writes() == []


def test_buf_curl_without_a_schema(stack):
    token = stack.token()

    def buf_curl(method, message, expect=0):
        done = subprocess.run(
            [
                BUF, "curl", "--http2-prior-knowledge", "--protocol", "grpc", "--reflect",
                "--header", f"authorization: Bearer {token}", "--data", json.dumps(message),
                f"http://{stack.address}/usher.v1.{method}",
            ],
            env=clean_environment(stack.directory),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode == 0) == (expect == 0), done.stderr
        return done.stderr if expect else done.stdout

    grant = json.loads(buf_curl("AccessService/Assign", GOOD))["grant"]
    assert grant["state"] == "GRANT_STATE_ACTIVE"
    report = {"view": "REPORT_VIEW_ASSIGNMENTS", "format": "REPORT_FORMAT_ROWS"}
    assert grant["id"] in buf_curl("AccessService/AuditReport", report)
    told = buf_curl("AccessService/Assign", {}, expect=1)
    assert re.search(r"invalid_argument", told) and "principal" in told
