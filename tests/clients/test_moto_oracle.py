"""The simulator is compared with moto's server: the same programs on both, every difference explained in
oracle_exceptions.py, every explanation needed, every answer of the simulator judged by the model.

Run as test_simulator_aws_clients.py.
"""

import importlib

import botocore
import pytest

from oracle import Comparison, botocore_model
from oracle_exceptions import EXCEPTIONS
from oracle_programs import INSTANCE, run_random
from oracle_scenarios import SCENARIOS
from oracle_sides import INSTANCE_ARN, STORE, MotoServer, Side, SimulatorServer, found_organization

# More than two of AWS's pages of accounts.
MEMBERS = 44
SEEDS = range(1, 5)
STEPS = 70
# The accounts in which the random programs assign: few, so that they meet.
ACCOUNTS_IN_USE = 4
OPERATIONS_AT_LEAST = 600
# The services by the names of botocore and of moto.
SERVICES = {
    "sso-admin": ("ssoadmin", "SSOAdminResponse"),
    "identitystore": ("identitystore", "IdentityStoreResponse"),
    "organizations": ("organizations", "OrganizationsResponse"),
    "sts": ("sts", "TokenResponse"),
}


class Servers:
    """moto and the simulator with the same organization."""

    def __init__(self, directory):
        self.moto = MotoServer(directory)
        try:
            moto = Side(self.moto.url)
            world = found_organization(moto, MEMBERS)
            self.accounts = [each["account_id"] for each in world["accounts"]]
            self.simulator = SimulatorServer(directory, world)
        except BaseException:
            self.moto.end()
            raise

    def comparison(self):
        found = Comparison(Side(self.simulator.url), Side(self.moto.url))
        instance = found.moto.call("sso-admin", "ListInstances", {}).answer["Instances"][0]
        found.name("instance", INSTANCE_ARN, instance["InstanceArn"])
        found.name("store", STORE, instance["IdentityStoreId"])
        return found

    def end(self):
        self.simulator.end()
        self.moto.end()


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    running = Servers(tmp_path_factory.mktemp("oracle"))
    yield running
    running.end()


@pytest.fixture(scope="module")
def comparison(servers):
    """Everything compared once; each test looks at one side of what was found."""
    found = servers.comparison()
    for scenario in SCENARIOS:
        scenario(found, servers.accounts)
    for seed in SEEDS:
        run_random(found, seed, STEPS, servers.accounts[:ACCOUNTS_IN_USE])
    return found


def test_the_simulator_and_moto_differ_only_where_a_reason_stands(comparison, capsys):
    compared = sum(comparison.operations.values())
    with capsys.disabled():
        print(f"\nfigure moto_operations_compared {compared}\nfigure moto_exceptions {len(EXCEPTIONS)}")
    assert compared >= OPERATIONS_AT_LEAST
    assert not comparison.unexplained, "\n".join(comparison.unexplained[:20])


def test_every_exception_is_needed_by_each_of_its_operations(comparison):
    needless = [
        f"{each.name} of {operation}"
        for each in EXCEPTIONS
        for operation in each.operations
        if not comparison.used[(each.name, operation)]
    ]
    assert not needless
    assert len({each.name for each in EXCEPTIONS}) == len(EXCEPTIONS)
    assert all(each.reason for each in EXCEPTIONS)


def test_every_operation_that_both_know_is_compared(comparison):
    shared = set()
    for service, (module, name) in SERVICES.items():
        known_to_moto = getattr(importlib.import_module(f"moto.{module}.responses"), name)
        for operation in botocore_model(service).operation_names:
            asked = comparison.simulator.call(service, operation, {})
            unknown = asked.code in ("UnknownOperationException", "InvalidAction")
            if not unknown and hasattr(known_to_moto, botocore.xform_name(operation)):
                shared.add(operation)
    assert shared == set(comparison.operations)


def test_every_answer_of_the_simulator_fits_the_model(comparison):
    assert not comparison.simulator.violations
    # The judge sees what is wrong: moto's answers do not fit.
    assert "ListUsers.Users[].UserArn: missing" in comparison.moto.violations


@pytest.mark.parametrize("action, found", [
    ({"kind": "omit_reply_members", "members": ["PermissionSets"]}, "rows_in_moto"),
    ({"kind": "conflict"}, "outcome"),
])
def test_the_comparison_finds_a_wrong_answer(servers, comparison, action, found):
    fresh = servers.comparison()
    fresh.simulator.ids, fresh.simulator.names = comparison.simulator.ids, comparison.simulator.names
    fresh.moto.ids, fresh.moto.names = comparison.moto.ids, comparison.moto.names
    asked = ("sso-admin", "ListPermissionSets", "PermissionSets", INSTANCE)
    fault = {"operation": "ListPermissionSets", "times": 1, "action": action}
    servers.simulator.control("POST", "faults", fault)
    fresh.walk(*asked)
    assert any(f"ListPermissionSets {found}" in each for each in fresh.unexplained)
    again = len(fresh.unexplained)
    fresh.walk(*asked)
    assert len(fresh.unexplained) == again
