"""Who may ask, and how much: foreign names, foreign pages, tokens, sizes, forms."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

import pytest
from fakes import Blot
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.testclient import TestClient

from cleanplate.errors import UsageError
from cleanplate.serve import bodies
from cleanplate.serve.app import make_app
from cleanplate.serve.forms import Part, read_form, write_form
from cleanplate.serve.pool import Pool
from cleanplate.serve.refusals import RefusedError
from cleanplate.serve.settings import Settings

_NAMED = b'Content-Disposition: form-data; name="picture"'
TOKEN = "a token of enough letters"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "", "[::2]"])
def test_a_foreign_name_is_refused(client: TestClient, host: str) -> None:
    for path in ("/", "/healthz", "/v1"):
        assert client.get(path, headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "localhost:9", "[::1]:8000", "127.0.0.1"])
def test_names_of_this_machine_are_known(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9"])
def test_a_page_of_another_origin_may_not_ask(
    client: TestClient, picture: bytes, origin: str
) -> None:
    result = client.post("/v1/watermark", content=picture, headers={"origin": origin})
    assert result.status_code == 403
    assert "access-control-allow-origin" not in result.headers


@pytest.mark.parametrize(
    "of_a_page", [{"origin": "http://127.0.0.1:8000"}, {"sec-fetch-mode": "cors"}]
)
def test_the_own_page_may_ask_with_its_token(
    client_of: Callable[..., TestClient], picture: bytes, of_a_page: dict[str, str]
) -> None:
    client = client_of(page_token=TOKEN)
    refused = client.post("/v1/watermark", content=picture, headers=of_a_page)
    assert refused.status_code == 401 and "Open the page" in refused.json()["error"]
    shown = {**of_a_page, "authorization": f"Bearer {TOKEN}"}
    assert client.post("/v1/watermark", content=picture, headers=shown).status_code == 200


def test_an_answer_may_be_opened_in_a_browser(client: TestClient) -> None:
    assert client.get("/metrics", headers={"sec-fetch-mode": "navigate"}).status_code == 200


def test_no_two_servers_have_one_token() -> None:
    one, other = Settings(), Settings()
    assert len({one.page_token, other.page_token}) == 2 and one.page_token not in repr(one)


def test_every_answer_has_the_policy(client: TestClient) -> None:
    for path in ("/", "/v1", "/nothing"):
        policy = client.get(path).headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy


def test_another_address_needs_a_token_that_cannot_be_guessed() -> None:
    with pytest.raises(UsageError, match="--token"):
        Settings(host="0.0.0.0").check()
    with pytest.raises(UsageError, match="16 characters"):
        Settings(host="0.0.0.0", token="short").check()
    Settings(host="0.0.0.0", token=TOKEN).check()
    Settings(host="127.0.0.2").check()


def test_without_the_token_there_is_the_page_and_no_more(blot: type[Blot], picture: bytes) -> None:
    settings = Settings(host="0.0.0.0", token=TOKEN)
    app = make_app(settings, Pool(settings))
    client = TestClient(app, base_url="http://any.example")  # not entered: no worker is begun
    assert client.get("/").status_code == client.get("/healthz").status_code == 200
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}):
        for path in ("/v1", "/openapi.json", "/metrics"):
            assert client.get(path, headers=headers).status_code == 401
        assert client.post("/v1/watermark", content=picture, headers=headers).status_code == 401
    assert client.get("/v1", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_body_that_says_it_is_too_large_is_not_read(client: TestClient) -> None:
    result = client.post("/v1/watermark", content=b"x" * 100_001)
    assert (result.status_code, result.json()["error"]) == (413, "A request has at most 0.1 MB.")


def test_a_body_that_does_not_say_is_counted(client: TestClient) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(101):
            yield bytes(1000)

    assert client.post("/v1/watermark", content=pieces()).status_code == 413


def test_a_body_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "STALL", 0.05)

    async def stalled() -> dict[str, object]:
        if not begun:
            begun.append(True)
            return {"type": "http.request", "body": b"half of", "more_body": True}
        await asyncio.sleep(60)
        raise AssertionError("nobody waits so long")

    begun: list[bool] = []
    request = Request({"type": "http", "headers": [], "method": "POST"}, stalled)
    with pytest.raises(RefusedError, match="Nothing came for") as caught:
        asyncio.run(bodies.read_body(request, 1000, 60.0))
    assert caught.value.status == 408


@pytest.mark.parametrize("path", ["/..%2f..%2fetc/passwd", "/page/", "/app.py", "/v1/../../x"])
def test_no_path_leads_to_a_file(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_full_queue_says_when_to_ask_again(blot: type[Blot], picture: bytes) -> None:
    settings = Settings(workers=1, queue=1)
    pool = Pool(settings)
    client = TestClient(make_app(settings, pool), base_url="http://127.0.0.1")
    with pool.place(), pool.place():
        result = client.post("/v1/watermark", content=picture)
    assert result.status_code == 429
    assert int(result.headers["retry-after"]) > 0
    assert pool.in_hand == 0


def test_a_form_comes_back_as_it_was_written() -> None:
    content = bytes(range(256)) + b"\r\n--\r\n\r\n"
    body, media = write_form(
        [Part("picture", "a", "image/png", content), Part("mask", "", "", b"")]
    )
    assert read_form(body, media, ("picture", "mask")) == {"picture": content, "mask": b""}


@given(st.lists(st.sampled_from([b"--x", b"\r\n", b"\r\n\r\n", b"--", _NAMED, b"a", b"\0"])))
def test_any_form_is_read_or_refused(pieces: list[bytes]) -> None:
    with contextlib.suppress(RefusedError):
        parts = read_form(b"".join(pieces), "m; boundary=x", ("picture", "mask"))
        assert set(parts) <= {"picture", "mask"}


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\n", "multipart/form-data"),
        (b'--x\r\nContent-Disposition: form-data; name="picture"\r\n\r\nabc', "m; boundary=x"),
        (b"--x\r\n\r\nabc\r\n--x--\r\n", "m; boundary=x"),
        (
            b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\nabc\r\n--x--',
            "m; boundary=x",
        ),
        (b"--x\r\n" * 50 + b"--x--", "m; boundary=x"),
        (
            b'--x\r\nContent-Disposition: form-data; name="mask"\r\n\r\na\r\n' * 2 + b"--x--",
            "m; boundary=x",
        ),
    ],
)
def test_a_form_that_is_none_is_refused(body: bytes, media: str) -> None:
    with pytest.raises(RefusedError) as caught:
        read_form(body, media, ("picture", "mask"))
    assert caught.value.status == 400
