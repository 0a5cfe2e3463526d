"""Who may know a password for an address."""

import pytest

from depdoctor.adapters.http_common import origin


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://Registry.example:443/v2/", "https://registry.example"),
        ("http://me:secret@registry.example:80", "http://registry.example"),
        ("http://registry.example:443/", "http://registry.example:443"),
        ("https://[::1]:443/v2/", "https://[::1]"),
        ("https://[::443]/v2/", "https://[::443]"),
        ("http://127.0.0.1:5055/v2/", "http://127.0.0.1:5055"),
    ],
)
def test_an_origin_is_spelled_in_one_way(address: str, expected: str) -> None:
    assert origin(address) == expected
