"""AWS's own clients against `usher simulate`: boto3 and the AWS CLI walk AWS's blog post on
application assignments and must not be able to tell the simulator from AWS.

Run through tests/clients/setup.sh's environment:
    .tools/venv/bin/python -m pytest tests/clients/test_simulator_aws_clients.py
USHER_BIN names the binary; target/debug/usher when it is absent.
"""

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

import boto3
import botocore.config
import botocore.exceptions
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
USHER = os.environ.get("USHER_BIN", str(ROOT / "target" / "debug" / "usher"))
NOBODY = "00000000-0000-4000-8000-000000000000"


class Simulator:
    """A `usher simulate` process and what it told to export."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [USHER, "simulate", *arguments], stdout=subprocess.PIPE, text=True
        )
        first = self.process.stdout.readline()
        assert first.startswith("listening on 127.0.0.1:"), first
        self.environment = {}
        for _ in range(5):
            line = self.process.stdout.readline()
            name, value = line.removeprefix("export ").strip().split("=", 1)
            self.environment[name] = value
        self.url = self.environment["AWS_ENDPOINT_URL"]

    def client(self, service, region=None, credentials=None):
        """A client of the simulator's own caller, or of what AssumeRole gave."""
        given = credentials or {
            "AccessKeyId": self.environment["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": self.environment["AWS_SECRET_ACCESS_KEY"],
        }
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region or self.environment["AWS_REGION"],
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given.get("SessionToken"),
            config=botocore.config.Config(retries={"total_max_attempts": 1}),
        )

    def cli(self, *arguments, expect=0):
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("AWS_")
        }
        environment |= self.environment | {"AWS_PAGER": "", "AWS_CONFIG_FILE": os.devnull}
        done = subprocess.run(
            [sys.executable, "-m", "awscli", *arguments, "--output", "json"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == expect, done.stderr
        if expect:
            return done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def control(self, method, path, body=None):
        request = urllib.request.Request(
            f"{self.url}/_control/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)

    def end(self):
        self.process.terminate()
        assert self.process.wait(timeout=10) == 0
        self.process.stdout.close()


@pytest.fixture
def simulator():
    running = Simulator()
    yield running
    running.end()


@pytest.fixture
def large():
    running = Simulator("--seed", "7", "--settings", '{"sso_admin_rate_per_second": null, '
                        '"identity_store_rate_per_second": null, "odd_page_rate": 0.5}')
    yield running
    running.end()


@pytest.fixture
def organization():
    running = Simulator(
        "--seed", "11", "--accounts", "30", "--account-instances", "2",
        "--role-name", "usher-audit", "--role-external-id", "a-handshake",
        "--settings", '{"odd_page_rate": 0.5, "organizations_rate_per_second": null}',
    )
    yield running
    running.end()


def test_boto3_walks_the_blog_post(simulator):
    sso, store = simulator.client("sso-admin"), simulator.client("identitystore")
    instance = sso.list_instances()["Instances"][0]
    assert instance["Status"] == "ACTIVE" and instance["CreatedDate"].year == 2024
    place = {"IdentityStoreId": instance["IdentityStoreId"]}

    user = store.create_user(
        **place,
        UserName="john.doe",
        Name={"GivenName": "John", "FamilyName": "Doe"},
        DisplayName="John Doe",
        Emails=[{"Value": "john.doe@example.com", "Type": "work", "Primary": True}],
    )
    name = {"UniqueAttribute": {"AttributePath": "displayName", "AttributeValue": "engineering"}}
    assert store.get_group_id(**place, AlternateIdentifier=name)["GroupId"]
    group = store.create_group(**place, DisplayName="data engineers", Description="From the post")
    membership = store.create_group_membership(
        **place, GroupId=group["GroupId"], MemberId={"UserId": user["UserId"]}
    )

    pages = sso.get_paginator("list_applications").paginate(InstanceArn=instance["InstanceArn"])
    applications = {each["Name"]: each for page in pages for each in page["Applications"]}
    application = applications["Amazon Redshift"]["ApplicationArn"]
    row = {
        "ApplicationArn": application,
        "PrincipalId": group["GroupId"],
        "PrincipalType": "GROUP",
    }
    sso.create_application_assignment(**row)
    pages = sso.get_paginator("list_application_assignments").paginate(ApplicationArn=application)
    rows = [each for page in pages for each in page.get("ApplicationAssignments", [])]
    assert rows == [row]
    described = sso.describe_application_assignment(**row)
    assert {name: described[name] for name in row} == row

    pages = store.get_paginator("list_group_memberships").paginate(
        **place, GroupId=group["GroupId"]
    )
    members = [each for page in pages for each in page["GroupMemberships"]]
    assert [each["MemberId"]["UserId"] for each in members] == [user["UserId"]]
    found = store.describe_group_membership(**place, MembershipId=membership["MembershipId"])
    assert found["GroupId"] == group["GroupId"]
    found = store.describe_user(**place, UserId=user["UserId"])
    assert found["UserName"] == "john.doe" and found["UserStatus"] == "ENABLED"
    assert found["Emails"] == [{"Value": "john.doe@example.com", "Type": "work", "Primary": True}]

    sso.delete_application_assignment(**row)
    pages = sso.get_paginator("list_application_assignments").paginate(ApplicationArn=application)
    assert not [each for page in pages for each in page.get("ApplicationAssignments", [])]


def test_the_cli_walks_the_blog_post(simulator):
    cli = simulator.cli
    assert cli("sts", "get-caller-identity")["Account"] == "111122223333"
    instance = cli("sso-admin", "list-instances")["Instances"][0]
    place = ("--identity-store-id", instance["IdentityStoreId"])
    user = cli(
        "identitystore", "create-user", *place, "--user-name", "jane.roe",
        "--name", "GivenName=Jane,FamilyName=Roe", "--display-name", "Jane Roe",
        "--emails", "Value=jane.roe@example.com,Type=work,Primary=true",
    )["UserId"]
    found = cli(
        "identitystore", "get-group-id", *place, "--alternate-identifier",
        json.dumps({"UniqueAttribute": {
            "AttributePath": "displayName", "AttributeValue": "engineering"}}),
    )
    assert found["GroupId"]
    group = cli("identitystore", "create-group", *place, "--display-name", "auditors")["GroupId"]
    membership = cli(
        "identitystore", "create-group-membership", *place,
        "--group-id", group, "--member-id", f"UserId={user}",
    )["MembershipId"]
    applications = cli("sso-admin", "list-applications", "--instance-arn", instance["InstanceArn"])
    application = next(
        each for each in applications["Applications"] if each["Name"] == "Amazon Redshift"
    )["ApplicationArn"]
    row = ("--application-arn", application, "--principal-id", group, "--principal-type", "GROUP")
    cli("sso-admin", "create-application-assignment", *row)
    rows = cli("sso-admin", "list-application-assignments", "--application-arn", application)
    assert [each["PrincipalId"] for each in rows["ApplicationAssignments"]] == [group]
    members = cli("identitystore", "list-group-memberships", *place, "--group-id", group)
    assert [each["MembershipId"] for each in members["GroupMemberships"]] == [membership]
    member = cli(
        "identitystore", "describe-group-membership", *place, "--membership-id", membership
    )
    assert member["MemberId"] == {"UserId": user}
    cli("sso-admin", "delete-application-assignment", *row)
    rows = cli("sso-admin", "list-application-assignments", "--application-arn", application)
    assert not rows or not rows.get("ApplicationAssignments")
    said = cli("identitystore", "describe-user", *place, "--user-id", NOBODY, expect=255)
    assert "ResourceNotFoundException" in said and "USER not found" in said


def test_paginators_read_a_large_world_over_odd_pages(large):
    sso, store = large.client("sso-admin"), large.client("identitystore")
    world = large.control("GET", "world")
    instance = sso.list_instances()["Instances"][0]
    place = {"IdentityStoreId": instance["IdentityStoreId"]}

    def walk(client, operation, member, **arguments):
        pages = client.get_paginator(operation).paginate(**arguments)
        return [each for page in pages for each in page.get(member, [])]

    users = walk(store, "list_users", "Users", **place)
    assert {each["UserId"]: each["UserName"] for each in users} == {
        each["user_id"]: each["user_name"] for each in world["users"]
    }
    assert len(users) == len(world["users"])
    groups = walk(store, "list_groups", "Groups", **place)
    assert sorted(each["DisplayName"] for each in groups) == sorted(
        each["display_name"] for each in world["groups"]
    )
    arn = {"InstanceArn": instance["InstanceArn"]}
    applications = walk(sso, "list_applications", "Applications", **arn)
    assert len(applications) == len(world["applications"])
    assignments = [
        (each["ApplicationArn"], each["PrincipalId"])
        for application in applications
        for each in walk(
            sso,
            "list_application_assignments",
            "ApplicationAssignments",
            ApplicationArn=application["ApplicationArn"],
        )
    ]
    assert sorted(assignments) == sorted(
        (each["application_arn"], each["principal_id"]) for each in world["assignments"]
    )


def test_errors_are_the_modelled_ones_with_their_members(simulator):
    sso, store = simulator.client("sso-admin"), simulator.client("identitystore")
    instance = sso.list_instances()["Instances"][0]
    place = {"IdentityStoreId": instance["IdentityStoreId"]}
    with pytest.raises(store.exceptions.ResourceNotFoundException) as caught:
        store.describe_user(**place, UserId=NOBODY)
    body = caught.value.response
    assert body["ResourceType"] == "USER" and body["ResourceId"] == NOBODY
    assert body["RequestId"] == body["ResponseMetadata"]["RequestId"]
    assert body["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(store.exceptions.ConflictException) as caught:
        store.create_group(**place, DisplayName="engineering")
    assert caught.value.response["Reason"] == "UNIQUENESS_CONSTRAINT_VIOLATION"
    with pytest.raises(sso.exceptions.AccessDeniedException) as caught:
        sso.list_applications(InstanceArn="arn:aws:sso:::instance/ssoins-0000000000000000")
    assert "is not authorized to perform: sso:ListApplications" in str(caught.value)
    with pytest.raises(sso.exceptions.ValidationException) as caught:
        sso.describe_application(ApplicationArn="arn:aws:sso::1:application/x")
    assert "applicationArn" in str(caught.value)
    simulator.control(
        "POST", "faults", {"operation": "ListUsers", "times": 1, "action": {"kind": "throttle"}}
    )
    with pytest.raises(store.exceptions.ThrottlingException) as caught:
        store.list_users(**place)
    assert caught.value.response["RetryAfterSeconds"] == 1
    simulator.control(
        "POST", "faults", {"operation": "*", "times": 1, "action": {"kind": "internal_error"}}
    )
    with pytest.raises(sso.exceptions.InternalServerException):
        sso.list_instances()
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        sso.list_trusted_token_issuers(InstanceArn=instance["InstanceArn"])
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"
    simulator.control(
        "POST",
        "faults",
        {"operation": "*", "times": 1, "action": {"kind": "drop_before_effect"}},
    )
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        sso.list_instances()
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        simulator.client("sts").get_session_token()
    assert caught.value.response["Error"]["Code"] == "InvalidAction"


def test_boto3_walks_an_organization_through_assumed_roles(organization):
    world = organization.control("GET", "world")
    pages = organization.client("organizations").get_paginator("list_accounts").paginate()
    accounts = [each for page in pages for each in page["Accounts"]]
    assert {each["Id"]: each["Name"] for each in accounts} == {
        each["account_id"]: each["name"] for each in world["accounts"]
    }
    sts = organization.client("sts")
    regions = sorted({each["primary_region"] for each in world["instances"]})
    found, refused = {}, []
    for account in accounts:
        role = f"arn:aws:iam::{account['Id']}:role/usher-audit"
        try:
            given = sts.assume_role(
                RoleArn=role, RoleSessionName="audit", ExternalId="a-handshake"
            )["Credentials"]
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDenied"
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
            refused.append(account["State"])
            continue
        assert given["Expiration"].timestamp() > time.time()
        identity = organization.client("sts", credentials=given).get_caller_identity()
        assert identity["Account"] == account["Id"]
        for region in regions:
            sso = organization.client("sso-admin", region, given)
            shown = [
                each
                for page in sso.get_paginator("list_instances").paginate()
                for each in page.get("Instances", [])
            ]
            own = [each for each in shown if each["OwnerAccountId"] == account["Id"]]
            found |= {each["InstanceArn"]: (account["Id"], region) for each in own}
    assert refused == ["SUSPENDED"]
    assert found == {
        each["instance_arn"]: (each["owner_account_id"], each["primary_region"])
        for each in world["instances"]
    }


def test_the_cli_assumes_a_role(organization):
    world = organization.control("GET", "world")
    member = next(
        each["owner_account_id"]
        for each in world["instances"]
        if each["owner_account_id"] != "111122223333"
    )
    role = ("--role-arn", f"arn:aws:iam::{member}:role/usher-audit", "--role-session-name", "cli")
    said = organization.cli("sts", "assume-role", *role, expect=255)
    assert "AccessDenied" in said and "sts:AssumeRole" in said
    given = organization.cli("sts", "assume-role", *role, "--external-id", "a-handshake")
    organization.environment |= {
        "AWS_ACCESS_KEY_ID": given["Credentials"]["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["Credentials"]["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["Credentials"]["SessionToken"],
    }
    told = organization.cli("sts", "get-caller-identity")
    assert told["Account"] == member and told["Arn"] == given["AssumedRoleUser"]["Arn"]
    told = organization.cli("organizations", "describe-organization")
    assert told["Organization"]["MasterAccountId"] == "111122223333"
    said = organization.cli("organizations", "list-accounts", expect=255)
    assert "AccessDeniedException" in said
