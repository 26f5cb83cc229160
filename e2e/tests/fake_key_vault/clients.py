"""Microsoft's own clients against the fake Key Vault. Ends with 0 if all of it went as it does with Azure.

Arguments: the vault's URL, the control port's URL, the CA file, tenant, client id, client secret. Standard input: a key, its
certificate and an intermediate one, as PEM.
"""

import base64
import json
import sys
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.identity import ClientSecretCredential
from azure.keyvault.certificates import CertificateClient, CertificateContentType, CertificatePolicy
from azure.keyvault.secrets import SecretClient
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    NoEncryption,
    load_pem_private_key,
    pkcs12,
)

VAULT, CONTROL, CA, TENANT, CLIENT_ID, CLIENT_SECRET = sys.argv[1:7]
AUTHORITY = VAULT.removeprefix("https://")
PEM = sys.stdin.read()
# One try for each call, so that every answer is seen.
OPTIONS = {"connection_verify": CA, "retry_total": 0, "read_timeout": 10}


def credential(tenant=TENANT, client_id=CLIENT_ID, secret=CLIENT_SECRET):
    return ClientSecretCredential(
        tenant,
        client_id,
        secret,
        authority=AUTHORITY,
        disable_instance_discovery=True,
        **OPTIONS,
    )


def secrets(**credentials):
    return SecretClient(VAULT, credential(**credentials), verify_challenge_resource=False, **OPTIONS)


def control(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{CONTROL}/{path}", data, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def fails(kind, act, *words):
    try:
        act()
    except kind as error:
        text = str(error)
        for word in words:
            assert word in text, f"{word!r} is not in: {text}"
        return error
    raise AssertionError(f"no {kind}, but {words} were expected")


def plain_secrets():
    client = secrets()
    expires = datetime(2030, 1, 2, tzinfo=timezone.utc)
    made = client.set_secret("Db-Password", "one", content_type="text/plain", tags={"team": "a"}, expires_on=expires)
    first = made.properties.version
    assert len(first) == 32, first
    assert made.properties.expires_on == expires
    second = client.set_secret("db-password", "two").properties.version
    assert client.get_secret("DB-PASSWORD").value == "two"
    old = client.get_secret("db-password", first)
    assert (old.value, old.properties.content_type, old.properties.tags) == ("one", "text/plain", {"team": "a"})
    assert old.name == "Db-Password", old.name
    assert old.properties.recovery_level == "Recoverable+Purgeable"
    assert old.properties.recoverable_days == 90
    versions = {version.version for version in client.list_properties_of_secret_versions("db-password")}
    assert versions == {first, second}, versions

    changed = client.update_secret_properties("db-password", second, content_type="x", tags={"a": "b"})
    assert (changed.content_type, changed.tags) == ("x", {"a": "b"})
    fails(ResourceNotFoundError, lambda: client.get_secret("none"), "SecretNotFound", "(name/id) none")
    fails(ResourceNotFoundError, lambda: client.get_secret("db-password", "0" * 32), "SecretNotFound")
    fails(HttpResponseError, lambda: client.get_secret("a_b"), "BadParameter")
    fails(HttpResponseError, lambda: client.set_secret("long", "x" * 25601), "BadParameter")
    fails(HttpResponseError, lambda: client.set_secret("tags", "x", tags={str(n): "" for n in range(16)}), "tags")


def windows():
    """A read outside the window succeeds; a disabled one does not."""
    client = secrets()
    now = datetime.now(timezone.utc)
    client.set_secret("late", "value", expires_on=now - timedelta(days=1))
    client.set_secret("early", "value", not_before=now + timedelta(days=1))
    assert client.get_secret("late").value == client.get_secret("early").value == "value"
    client.set_secret("off", "value", enabled=False)
    error = fails(HttpResponseError, lambda: client.get_secret("off"), "SecretDisabled", "disabled secret")
    assert error.status_code == 403
    client.update_secret_properties("off", enabled=True)
    assert client.get_secret("off").value == "value"


def paging():
    client = secrets()
    for number in range(60):
        control("POST", f"vaults/{AUTHORITY.split(':')[0]}/secrets/page-{number:02}", {"value": "x"})
    pages = [list(page) for page in client.list_properties_of_secrets().by_page()]
    names = [item.name for page in pages for item in page]
    assert all(len(page) <= 25 for page in pages) and len(pages) >= 3, [len(page) for page in pages]
    assert len(names) == len(set(names)) and {f"page-{number:02}" for number in range(60)} <= set(names)
    small = [list(page) for page in client.list_properties_of_secrets(max_page_size=7).by_page()]
    assert [len(page) for page in small[:-1]] == [7] * (len(small) - 1)
    fails(HttpResponseError, lambda: list(client.list_properties_of_secrets(max_page_size=26)), "maxresults")


def soft_delete():
    client = secrets()
    client.set_secret("gone", "value")
    deleted = client.begin_delete_secret("gone").result()
    assert deleted.recovery_id.endswith("/deletedsecrets/gone"), deleted.recovery_id
    assert deleted.scheduled_purge_date - deleted.deleted_date == timedelta(days=90)
    fails(ResourceNotFoundError, lambda: client.get_secret("gone"), "SecretNotFound", "recently deleted")
    assert "gone" in [item.name for item in client.list_deleted_secrets()]
    assert "gone" not in [item.name for item in client.list_properties_of_secrets()]
    fails(ResourceExistsError, lambda: client.set_secret("gone", "x"), "ObjectIsDeletedButRecoverable")
    client.begin_recover_deleted_secret("gone").wait()
    assert client.get_secret("gone").value == "value"
    client.begin_delete_secret("gone").wait()
    client.purge_deleted_secret("gone")
    fails(ResourceNotFoundError, lambda: client.get_deleted_secret("gone"), "SecretNotFound")


def pfx_of(pem, password=None):
    key = load_pem_private_key(pem.encode(), None)
    leaf, *issuers = x509.load_pem_x509_certificates(pem.encode())
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"leaf", key, leaf, issuers, encryption), key, leaf, issuers


def certificates():
    client = CertificateClient(VAULT, credential(), verify_challenge_resource=False, **OPTIONS)
    content, key, leaf, issuers = pfx_of(PEM, b"word")
    made = client.import_certificate("site", content, password="word", tags={"a": "b"})
    assert x509.load_der_x509_certificate(bytes(made.cer)) == leaf
    assert made.properties.x509_thumbprint == leaf.fingerprint(SHA1())
    assert client.get_certificate("site").properties.tags == {"a": "b"}
    fails(HttpResponseError, lambda: client.import_certificate("bad", content, password="wrong"), "BadParameter")
    fails(ResourceNotFoundError, lambda: client.get_certificate("none"), "CertificateNotFound")

    # The secret behind it is the whole bundle, without a password.
    secret = secrets().get_secret("site")
    assert secret.properties.content_type == "application/x-pkcs12"
    assert secret.properties.key_id, secret.properties
    held_key, held_leaf, held_issuers = pkcs12.load_key_and_certificates(base64.b64decode(secret.value), None)
    assert held_key.private_numbers() == key.private_numbers() and held_leaf == leaf and held_issuers == issuers
    assert secret.properties.version == made.properties.version
    fails(HttpResponseError, lambda: secrets().set_secret("site", "x"), "Forbidden")

    policy = CertificatePolicy("Unknown", content_type=CertificateContentType.pem)
    client.import_certificate("site-pem", PEM.encode(), policy=policy)
    secret = secrets().get_secret("site-pem")
    assert secret.properties.content_type == "application/x-pem-file"
    assert x509.load_pem_x509_certificates(secret.value.encode()) == [leaf, *issuers]
    fails(HttpResponseError, lambda: client.import_certificate("bad", PEM.encode()), "PKCS#12")

    # Conversion is a parameter of the newest API versions.
    for version in ["2025-07-01", "2026-04-01"]:
        converting = SecretClient(
            VAULT, credential(), api_version=version, verify_challenge_resource=False, **OPTIONS
        )
        converted = raw_get(converting, "site", "application/x-pem-file")
        assert converted["contentType"] == "application/x-pem-file"
        assert x509.load_pem_x509_certificates(converted["value"].encode()) == [leaf, *issuers]
    fails(HttpResponseError, lambda: raw_get(converting, "site", "text/plain"), "outContentType")
    control("POST", f"vaults/{AUTHORITY.split(':')[0]}/secrets/app-service", {"value": "AA==", "contentType": "application/x-pkcs12"})
    assert raw_get(converting, "app-service", "application/x-pem-file")["contentType"] == "application/x-pkcs12"

    assert {"site", "site-pem"} <= {item.name for item in client.list_properties_of_certificates()}
    assert len(list(client.list_properties_of_certificate_versions("site"))) == 1
    client.begin_delete_certificate("site").wait()
    fails(ResourceNotFoundError, lambda: secrets().get_secret("site"), "SecretNotFound")
    assert "site" in [item.name for item in client.list_deleted_certificates()]
    client.begin_recover_deleted_certificate("site").wait()
    assert secrets().get_secret("site").value
    client.begin_delete_certificate("site").wait()
    client.purge_deleted_certificate("site")


def raw_get(client, name, out_content_type):
    return client._client.get_secret(name, "", out_content_type=out_content_type)


def logins():
    def refused(*words, **credentials):
        fails(ClientAuthenticationError, lambda: secrets(**credentials).get_secret("x"), *words)

    refused("AADSTS7000215", secret="wrong")
    control(
        "POST",
        "application",
        {"tenant": TENANT, "client_id": CLIENT_ID, "secrets": [CLIENT_SECRET], "expired_secrets": ["old"]},
    )
    refused("AADSTS7000222", secret="old")
    refused("AADSTS700016", client_id="00000000-0000-0000-0000-00000000dead")
    other = "00000000-0000-0000-0000-00000000beef"
    wrong = credential(tenant=other)
    fails((ClientAuthenticationError, ValueError), lambda: wrong.get_token("https://vault.azure.net/.default"), "tenant")
    fails(ClientAuthenticationError, lambda: credential().get_token("https://vault.azure.net/read"), "AADSTS1002012")
    fails(ClientAuthenticationError, lambda: credential().get_token("https://graph.microsoft.com/.default"), "AADSTS500011")


def tokens():
    client = secrets()
    client.set_secret("token", "value")
    mark = control("GET", "log")["mark"]
    client.get_secret("token")
    client.get_secret("token")
    calls = control("GET", f"log?since={mark}")["calls"]
    assert [call["kind"] for call in calls] == ["GetSecret"] * 2, calls
    control("POST", "tokens/revoke")
    error = fails(HttpResponseError, lambda: client.get_secret("token"), "Unauthorized")
    assert error.status_code == 401
    assert secrets().get_secret("token").value == "value"


def faults():
    client = secrets()
    client.set_secret("fault", "value")

    def inject(fault, **rule):
        control("POST", "fault", {"fault": fault, "times": 1, **rule})

    message = "Client address is not authorized and caller is not a trusted service.\r\nClient address: 203.0.113.9"
    forbidden = {"status": 403, "code": "Forbidden", "message": message, "inner": "ForbiddenByFirewall"}
    inject({"Error": forbidden})
    fails(HttpResponseError, lambda: client.get_secret("fault"), "ForbiddenByFirewall", "203.0.113.9")
    inject({"Error": {"status": 429, "code": "Throttled", "message": "slow", "headers": {"Retry-After": "7"}}})
    error = fails(HttpResponseError, lambda: client.get_secret("fault"))
    assert (error.status_code, error.response.headers["Retry-After"]) == (429, "7")
    inject("Disconnect")
    fails(Exception, lambda: client.get_secret("fault"))
    assert client.get_secret("fault").value == "value"


def requests_without_a_client():
    """What only a broken client does."""
    import requests

    def get(path, **headers):
        return requests.get(f"{VAULT}/{path}", headers=headers, verify=CA, timeout=10)

    answer = get("secrets/x?api-version=7.5")
    assert answer.status_code == 401
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge == f'Bearer authorization="{VAULT}/{TENANT}", resource="https://vault.azure.net"', challenge
    assert get("secrets/x?api-version=7.5", Authorization="Bearer nonsense").status_code == 401
    token = credential().get_token("https://vault.azure.net/.default").token
    bearer = {"Authorization": f"Bearer {token}"}
    assert get("secrets/x", **bearer).json()["error"]["code"] == "BadParameter"
    assert get("secrets/x?api-version=7.9", **bearer).status_code == 400
    assert get("secrets?api-version=7.5&$skiptoken=nonsense", **bearer).status_code == 400
    assert get("other?api-version=7.5", **bearer).status_code == 404
    put = requests.put(f"{VAULT}/secrets/x?api-version=7.5", data="{}", headers=bearer, verify=CA, timeout=10)
    assert put.status_code == 415, put.text

    form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "scope": "https://vault.azure.net/.default"}
    url = f"{VAULT}/{TENANT}/oauth2/v2.0/token"

    def code(data, **options):
        return requests.post(url, data, verify=CA, timeout=10, **options).json()["error_codes"][0]

    assert code(form) == 900144
    assert code({**form, "grant_type": "password"}) == 70003
    complete = {**form, "grant_type": "client_credentials"}
    assert code(json.dumps(complete), headers={"Content-Type": "application/json"}) == 900144
    assert code({name: value for name, value in complete.items() if name != "client_secret"}) == 7000218
    assert requests.post(url, complete, verify=CA, timeout=10).json()["token_type"] == "Bearer"
    assert requests.get(url, verify=CA, timeout=10).json()["error_codes"] == [900561]


CHECKS = [plain_secrets, windows, paging, soft_delete, certificates, logins, tokens, faults, requests_without_a_client]
for check in CHECKS:
    check()
    print(f"{check.__name__}: as expected")
