"""Tokens of a signer that nobody here wrote (joserfc), and other people's clients over TLS with
certificates that openssl made, against `usher serve` with issuers and TLS on loopback.

Run through tests/clients/setup.sh's environment:
    .tools/venv/bin/python -m pytest tests/clients/test_usher_authentication.py
"""

import http.server
import json
import subprocess
import threading
import time

import grpc
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from test_usher_clients import Reflected
from usher_processes import FAST, GRPCURL, Stack, clean_environment

ISSUER = "https://issuer.example"
CONFIG = """
[authentication]
refresh_seconds = 60
refresh_gap_seconds_min = 1
[[authentication.issuers]]
name = "corp"
issuer = "{issuer}"
audiences = ["usher"]
algorithms = ["RS256", "PS256", "ES256"]
jwks_url = "{url}"
callers = "PERSONS"
match_by = "USER_NAME"
match_claim = "preferred_username"
clients = {{ "portal-web" = "portal" }}
[[authentication.certificates]]
service = "portal"
spiffe = "spiffe://example.org/portal"
[tls]
certificate_file = "{directory}/server.pem"
key_file = "{directory}/server.key"
client_ca_file = "{directory}/ca.pem"
reload_seconds = 1
[policy]
directory = "{directory}/policies"
"""
POLICIES = """
@id("reads-and-acts")
permit (principal, action in [Usher::Action::"ReadDirectory", Usher::Action::"ActFor"], resource);
"""


def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def issue(directory, name, alternative_name):
    """A certificate of the CA in the directory."""
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")
    openssl(
        directory, "req", "-new", *curve, "-subj", f"/CN={name}",
        "-addext", f"subjectAltName={alternative_name}",
        "-keyout", f"{name}.key", "-out", f"{name}.csr",
    )
    openssl(
        directory, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
        "-CAcreateserial", "-days", "2", "-copy_extensions", "copy", "-out", f"{name}.pem",
    )


class Issuer:
    """Serves the public keys of joserfc's keys and signs with them."""

    def __init__(self):
        self.keys = []
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(KeySet(issuer.keys).as_dict(private=False)).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, key, algorithm, **changes):
        now = int(time.time())
        claims = {
            "iss": ISSUER, "aud": "usher", "sub": "u-1", "azp": "portal-web", "nbf": now,
            "exp": now + 600, "preferred_username": "anna.berg",
        }
        header = {"alg": algorithm, "kid": key.kid, "typ": "at+jwt"}
        return jwt.encode(header, claims | changes, key, algorithms=[algorithm])


@pytest.fixture
def issuer():
    issuer = Issuer()
    issuer.keys = [RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})]
    yield issuer
    issuer.server.shutdown()


def serve_secured(tmp_path, issuer, policies, services=("portal",), more=""):
    """A server with TLS and an issuer, and a certificate of each service; development tokens count beside."""
    openssl(
        tmp_path, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc",
        "-subj", "/CN=ca", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem",
    )
    issue(tmp_path, "server", "DNS:localhost,IP:127.0.0.1")
    for service in services:
        issue(tmp_path, service, f"URI:spiffe://example.org/{service}")
    (tmp_path / "server.key").chmod(0o600)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "all.cedar").write_text(policies)
    stack = Stack(tmp_path)
    config = CONFIG.format(issuer=ISSUER, url=issuer.url, directory=tmp_path)
    stack.config.write_text(FAST + config + more)
    stack.serve()
    return stack


@pytest.fixture
def secured(tmp_path, issuer):
    stack = serve_secured(tmp_path, issuer, POLICIES)
    yield stack
    stack.end()


class Secure(Reflected):
    """A client that learns everything from the server, over TLS."""

    def __init__(self, stack, token=None, certificate=None):
        read = lambda name: (stack.directory / name).read_bytes()  # noqa: E731
        pair = (read(f"{certificate}.key"), read(f"{certificate}.pem")) if certificate else (None, None)
        credentials = grpc.ssl_channel_credentials(read("ca.pem"), *pair)
        plain, grpc.insecure_channel = (
            grpc.insecure_channel,
            lambda address: grpc.secure_channel(address, credentials),
        )
        try:
            super().__init__(stack.address, token)
        finally:
            grpc.insecure_channel = plain

    def listed(self):
        return self.call("DirectoryService/ListInstances")["instances"]


def with_token(client, token):
    client.metadata = [("authorization", f"Bearer {token}")]
    return client


def test_tokens_of_another_signer_with_keys_that_change(secured, issuer):
    client = Secure(secured)
    old, unauthenticated = issuer.keys[0], grpc.StatusCode.UNAUTHENTICATED
    for algorithm in ("RS256", "PS256"):
        assert with_token(client, issuer.token(old, algorithm)).listed()
    new = ECKey.generate_key("P-256", {"kid": "ec-2", "use": "sig"})
    stranger = ECKey.generate_key("P-256", {"kid": "ec-2"})
    issuer.keys = [old, new]
    time.sleep(1.1)
    # The new key is fetched because a token names it, long before it would be time.
    assert with_token(client, issuer.token(new, "ES256")).listed()
    assert with_token(client, issuer.token(old, "RS256")).listed()
    for token, reason in [
        (issuer.token(stranger, "ES256"), "CREDENTIAL_INVALID"),
        (issuer.token(old, "RS512"), "CREDENTIAL_INVALID"),
        (issuer.token(new, "ES256", aud="payments"), "CREDENTIAL_INVALID"),
        (issuer.token(new, "ES256", exp=int(time.time()) - 60), "CREDENTIAL_EXPIRED"),
    ]:
        code, told, _ = with_token(client, token).refused("DirectoryService/ListInstances")
        assert (code, told) == (unauthenticated, reason)
    # The old key goes. Another unknown key makes the server look.
    kept = issuer.token(old, "RS256")
    issuer.keys = [new]
    time.sleep(1.1)
    unknown = ECKey.generate_key("P-256", {"kid": "ec-3"})
    with_token(client, issuer.token(unknown, "ES256")).refused("DirectoryService/ListInstances")
    code, reason, _ = with_token(client, kept).refused("DirectoryService/ListInstances")
    assert (code, reason) == (unauthenticated, "CREDENTIAL_INVALID")
    assert with_token(client, issuer.token(new, "ES256")).listed()
    client.channel.close()


def test_grpcio_with_a_client_certificate(secured, issuer):
    client = Secure(secured, certificate="portal")
    assert client.listed()
    token = issuer.token(issuer.keys[0], "RS256")
    assert with_token(client, token).listed()
    foreign = issuer.token(issuer.keys[0], "RS256", azp="tickets-web")
    _, reason, _ = with_token(client, foreign).refused("DirectoryService/ListInstances")
    assert reason == "CREDENTIAL_INVALID"
    client.metadata = [("usher-on-behalf-of", "anna.berg"), ("usher-subject-token", token)]
    assert client.listed()
    client.channel.close()
    nobody = Secure(secured)
    _, reason, _ = nobody.refused("DirectoryService/ListInstances")
    assert reason == "CREDENTIAL_MISSING"
    nobody.channel.close()


def test_grpcurl_over_tls(secured, issuer):
    def grpcurl(*arguments):
        return subprocess.run(
            [GRPCURL, *arguments, secured.address, "usher.v1.DirectoryService/ListInstances"],
            cwd=secured.directory, env=clean_environment(secured.directory),
            capture_output=True, text=True, timeout=60,
        )

    token = issuer.token(issuer.keys[0], "RS256")
    pair = ("-cert", "portal.pem", "-key", "portal.key")
    trusting = ("-cacert", "ca.pem")
    for arguments in [pair, ("-H", f"authorization: Bearer {token}")]:
        done = grpcurl(*trusting, *arguments)
        assert done.returncode == 0 and "instanceArn" in done.stdout, done.stderr
    assert "CREDENTIAL_MISSING" in grpcurl(*trusting).stderr
    assert grpcurl("-plaintext").returncode != 0
    assert "certificate" in grpcurl(*pair).stderr
