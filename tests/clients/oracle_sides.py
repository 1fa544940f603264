"""The two sides of the comparison: moto's server, which nobody here wrote, and the simulator on a world
with moto's organization. Both are driven by boto3; answers are kept as they came over the wire."""

import dataclasses
import json
import re
import subprocess
import sys
import urllib.request

import boto3
import botocore.config
import botocore.exceptions

from answer_shapes import violations_of
from usher_processes import Process, clean_environment

REGION = "us-east-1"
# moto's account when nobody says another, and who calls there.
MANAGEMENT = "123456789012"
CALLER = {
    "account_id": MANAGEMENT,
    "arn": f"arn:aws:sts::{MANAGEMENT}:user/moto",
    "user_id": "AKIAIOSFODNN7EXAMPLE",
}
ROLE = "OrganizationAccountAccessRole"
INSTANCE_ARN = "arn:aws:sso:::instance/ssoins-72230123456789ab"
STORE = "d-9067012345"
# Lawful, and of nothing.
NOBODY = "00000000-0000-4000-8000-000000000000"
NO_SET = "arn:aws:sso:::permissionSet/ssoins-72230123456789ab/ps-0000000000000000"
NO_INSTANCE = "arn:aws:sso:::instance/ssoins-0000000000000000"
NO_ACCOUNT = "999999999999"
# What the simulator draws by chance or limits by time would only blur the comparison.
SETTINGS = {
    "sso_admin_rate_per_second": None,
    "identity_store_rate_per_second": None,
    "organizations_rate_per_second": None,
    "odd_page_rate": 0.0,
    "omitted_list_rate": 0.0,
    "asynchronous_milliseconds": 0,
}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a call came to: `ok` and an answer, or an error code and its members."""

    code: str
    status: int
    answer: dict

    @property
    def ok(self):
        return self.code == "ok"

    def __str__(self):
        return f"{self.code} {self.status}"


class Side:
    """One server, its clients, and the names that the comparison gives to its ids."""

    def __init__(self, url):
        self.url = url
        self.ids = {}
        self.names = {}
        self.violations = {}
        self._clients = {}
        self._body = b""

    def client(self, service, credentials=None):
        """A client that sends what it is given, lawful or not, once."""
        given = credentials or {"AccessKeyId": "simulated", "SecretAccessKey": "simulated"}
        key = (service, given["AccessKeyId"])
        if key not in self._clients:
            client = boto3.client(
                service,
                endpoint_url=self.url,
                region_name=REGION,
                aws_access_key_id=given["AccessKeyId"],
                aws_secret_access_key=given["SecretAccessKey"],
                aws_session_token=given.get("SessionToken"),
                config=botocore.config.Config(
                    retries={"total_max_attempts": 1}, parameter_validation=False
                ),
            )
            client.meta.events.register("before-parse", self._keep)
            self._clients[key] = client
        return self._clients[key]

    def call(self, service, operation, arguments, credentials=None):
        """Sends one call and answers its outcome; judges the answer by the model on the way."""
        client = self.client(service, credentials)
        model = client.meta.service_model.operation_model(operation)
        method = getattr(client, botocore.xform_name(operation))
        try:
            parsed = method(**arguments)
        except botocore.exceptions.ClientError as error:
            code = error.response["Error"]["Code"].rsplit("#", 1)[-1]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            return Outcome(code, status, self._error_members())
        status = parsed.pop("ResponseMetadata")["HTTPStatusCode"]
        answer = self._json() if model.service_model.protocol == "json" else parsed
        for each in violations_of(model.output_shape, answer):
            self.violations.setdefault(f"{operation}{each}", json.dumps(answer, default=str))
        return Outcome("ok", status, answer)

    def bind(self, symbol, identifier):
        """Gives an id its name. An id keeps the first one."""
        self.ids[symbol] = identifier
        self.names.setdefault(identifier, symbol)

    def _keep(self, response_dict, **_):
        self._body = response_dict["body"]

    def _json(self):
        return json.loads(self._body) if self._body.strip() else {}

    def _error_members(self):
        try:
            members = self._json()
        except ValueError:
            return {}
        kept = {"__type", "message", "Message", "RequestId"}
        return {name: value for name, value in members.items() if name not in kept}


class MotoServer:
    """moto's server on a free port of loopback."""

    def __init__(self, directory):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            env=clean_environment(directory) | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        read = []
        for line in self.process.stderr:
            read.append(line)
            if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", line):
                self.url = found[1]
                break
        else:
            raise AssertionError(f"moto's server did not start: {read}")
        # Its log of requests is not read: a full pipe would stop it.
        self.drain = subprocess.Popen(
            ["cat"], stdin=self.process.stderr, stdout=subprocess.DEVNULL
        )

    def end(self):
        for each in (self.process, self.drain):
            each.terminate()
            each.wait(timeout=30)
        self.process.stderr.close()


class SimulatorServer:
    """`usher simulate` on a world of ours."""

    def __init__(self, directory, world):
        path = directory / "world.json"
        path.write_text(json.dumps(world))
        self.process = Process(
            clean_environment(directory), "simulate", "--world", path,
            "--settings", json.dumps(SETTINGS),
        )
        self.url = self.process.line(r"^export AWS_ENDPOINT_URL=(\S+)")[1]

    def control(self, method, path, body=None):
        request = urllib.request.Request(
            f"{self.url}/_control/{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as reply:
            return json.load(reply)

    def end(self):
        assert self.process.end() == 0


def found_organization(moto, members):
    """Makes an organization in moto and answers the simulator's world with the same one."""
    organizations = moto.client("organizations")
    organization = organizations.create_organization(FeatureSet="ALL")["Organization"]
    for number in range(members):
        organizations.create_account(
            Email=f"aws+{number}@example.com", AccountName=f"account-{number}"
        )
    rows = moto.call("organizations", "ListAccounts", {}).answer["Accounts"]
    organizations.close_account(AccountId=rows[-1]["Id"])
    organizations.register_delegated_administrator(
        AccountId=rows[1]["Id"], ServicePrincipal="ssm.amazonaws.com"
    )
    rows = moto.call("organizations", "ListAccounts", {}).answer["Accounts"]
    return {
        "caller": CALLER,
        "instances": [{
            "instance_arn": INSTANCE_ARN, "identity_store_id": STORE,
            "owner_account_id": MANAGEMENT, "primary_region": REGION,
        }],
        "organization": {
            "id": organization["Id"], "management_account_id": MANAGEMENT,
            "delegated_administrators": [rows[1]["Id"]], "feature_set": "ALL",
        },
        "accounts": [
            {
                "account_id": each["Id"], "name": each["Name"], "email": each["Email"],
                "status": each["State"], "joined_at_seconds": each["JoinedTimestamp"],
            }
            for each in rows
        ],
        "roles": [
            {
                "role_arn": f"arn:aws:iam::{each['Id']}:role/{ROLE}",
                "trusted": [MANAGEMENT], "longest_session_seconds": 3600,
            }
            for each in rows
        ],
    }
