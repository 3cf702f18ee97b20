from collections.abc import Iterator

import pytest

from tests.serving.alerts.receivers import Receiver, http_receiver, own_certificate


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as one:
        yield one


@pytest.fixture
def anywhere(tmp_path_factory, monkeypatch) -> Iterator[Receiver]:
    """A receiver that every https:// host is, through a proxy in the environment: URLs need verify=no."""
    with http_receiver(own_certificate(tmp_path_factory.mktemp("tls"))) as one:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{one.port}")
        yield one
