"""uv's reasons as sentences. The messages are uv 0.13's own, of real runs."""

from __future__ import annotations

import pytest

from depdoctor.adapters.uv_words import read_failure

NO_SOLUTION = "error: No solution found when resolving dependencies\n  cause: "

GONE = f"""\
{NO_SOLUTION}Because there is no version of tensorflow==9.9.9 and you require tensorflow==9.9.9, we can
         conclude that your requirements are unsatisfiable.
"""

TWICE = f"""\
{NO_SOLUTION}Because you require tokenkit==0.19.1 and tokenkit==0.20.3, we can conclude that your requirements
         are unsatisfiable.
"""

RANGES = f"""\
{NO_SOLUTION}Because transformers==4.30.0 depends on one of:
             tokenizers>=0.11.1,<0.11.3
             tokenizers>0.11.3,<0.14
         and you require tokenizers==0.19.1, we can conclude that your requirements and transformers==4.30.0 are
         incompatible.
         And because you require transformers==4.30.0, we can conclude that your requirements are unsatisfiable.
"""

REFUSED = """\
error: Failed to fetch: http://127.0.0.1:9/simple/a/
  cause: error sending request for url (http://127.0.0.1:9/simple/a/)
  cause: client error (Connect)
  cause: tcp connect error
  cause: Connection refused (os error 111)
"""

STATUS = """\
error: Request failed after 3 retries in 9.6s
  cause: Failed to fetch: `https://index.example/simple/a/`
  cause: HTTP status server error (503 Service Unavailable) for url (https://index.example/simple/a/)
"""

ACCESS = f"""\
{NO_SOLUTION}Because a was not found in the package registry and you require a, we can conclude that your
         requirements are unsatisfiable.

hint: An index URL (https://index.example/simple) could not be queried due to a lack of valid authentication credentials
(401 Unauthorized)
"""

BUILD = """\
error: Failed to build `flatdict==4.0.1`
  cause: The build backend returned an error
"""

RANGED = "transformers==4.30.0 depends on tokenizers>=0.11.1,<0.11.3 or tokenizers>0.11.3,<0.14"
NO_ACCESS = "the index https://index.example/simple refuses the credentials it was given, or was given none"


@pytest.mark.parametrize(
    ("stderr", "sentence"),
    [
        (GONE, "there is no version of tensorflow==9.9.9"),
        (TWICE, "the project requires tokenkit==0.19.1 and tokenkit==0.20.3"),
        (RANGES, f"{RANGED} and the project requires tokenizers==0.19.1"),
        (REFUSED, "http://127.0.0.1:9/simple/a/ cannot be fetched: Connection refused"),
        (STATUS, "https://index.example/simple/a/ cannot be fetched: 503 Service Unavailable"),
        (ACCESS, f"{NO_ACCESS} (401 Unauthorized)"),
        (BUILD, "Failed to build `flatdict==4.0.1`: The build backend returned an error"),
    ],
)
def test_a_reason_is_one_plain_sentence(stderr: str, sentence: str) -> None:
    assert read_failure(stderr).summary == sentence


def test_a_long_reason_ends_at_a_word() -> None:
    summary = read_failure(f"{NO_SOLUTION}Because {'a==1 depends on b==2 and ' * 50}you require a.").summary
    assert len(summary) < 320
    assert summary.endswith(" ...")
    assert summary.removesuffix(" ...").split()[-1] in {"a==1", "depends", "on", "b==2", "and"}


def test_a_secret_in_an_address_stays_out() -> None:
    stderr = "error: Failed to fetch: https://team:s3cr3t@index.example/simple/a/\n  cause: operation timed out"
    assert read_failure(stderr).summary == "https://***@index.example/simple/a/ cannot be fetched: operation timed out"
