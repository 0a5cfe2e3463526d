"""CI recipes: a scan of every change with its findings beside the lines, the plan's difference, and a push on main.

Images are built without a daemon; what the registry has is not sent again, so only images that changed cost anything.
"""

from __future__ import annotations

from collections.abc import Mapping

from depdoctor import __version__
from depdoctor.model.plan import Plan

GITHUB = """\
# Made by `depdoctor generate`; make it again rather than edit it, except what stands under `env`.
name: depdoctor

on:
  pull_request:
  push:
    branches: [main]

env:
  ROOT: .                                # the folder that holds the projects
  REGISTRY: ${{ vars.DEPDOCTOR_REGISTRY }} # REGISTRY/PREFIX, a variable of the repository

concurrency:
  group: depdoctor-${{ github.ref }}
  cancel-in-progress: ${{ github.event_name == 'pull_request' }}

permissions:
  contents: read

jobs:
  scan:
    runs-on: ubuntu-latest
    permissions:
      contents: read
      security-events: write
      pull-requests: write
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
      - uses: actions/setup-python@v5
        with:
          python-version: "@PYTHON@"
      - uses: actions/cache@v4
        with:
          path: ~/.cache/depdoctor
          key: depdoctor-${{ hashFiles('**/depdoctor.plan.json') }}
          restore-keys: depdoctor-
      - run: python -m pip install "depdoctor==@VERSION@"
      - name: Findings beside the lines that cause them
        run: depdoctor scan "$ROOT" --format sarif --fail-on never > depdoctor.sarif
      - uses: github/codeql-action/upload-sarif@v3
        with:
          sarif_file: depdoctor.sarif
          category: depdoctor
      - name: What the change does to the images
        if: github.event_name == 'pull_request' && github.event.pull_request.head.repo.full_name == github.repository
        env:
          GH_TOKEN: ${{ github.token }}
          PULL_REQUEST: ${{ github.event.pull_request.number }}
        run: |
          depdoctor plan "$ROOT" --diff --format markdown > plan.md
          cat plan.md >> "$GITHUB_STEP_SUMMARY"
          @GITHUB_COMMENT@
      - name: Fail on errors, and on a plan out of date
        run: |
          depdoctor scan "$ROOT" --fail-on error
          depdoctor plan "$ROOT" --check

  push:
    needs: scan
    if: github.event_name == 'push' && vars.DEPDOCTOR_REGISTRY != ''
    runs-on: ubuntu-latest
    permissions:
      contents: read
      packages: write
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0                     # images are labelled with the last commit that touched their project
          persist-credentials: false
      - uses: actions/setup-python@v5
        with:
          python-version: "@PYTHON@"
      - uses: actions/cache@v4
        with:
          path: ~/.cache/depdoctor
          key: depdoctor-${{ hashFiles('**/depdoctor.plan.json') }}
          restore-keys: depdoctor-
      - run: python -m pip install "depdoctor==@VERSION@"
      - name: Log in
        env:
          PASSWORD: ${{ secrets.DEPDOCTOR_REGISTRY_PASSWORD || github.token }}
          ACCOUNT: ${{ vars.DEPDOCTOR_REGISTRY_USER || github.actor }}
        run: docker login "${REGISTRY%%/*}" --username "$ACCOUNT" --password-stdin <<< "$PASSWORD"
      - run: depdoctor push "$ROOT" --to "$REGISTRY"
"""

GITLAB = """\
# Made by `depdoctor generate`; include it from .gitlab-ci.yml. DEPDOCTOR_REGISTRY is where images go, by default here.
# A masked variable DEPDOCTOR_GITLAB_TOKEN (a project access token, scope `api`) lets the plan be a comment.
variables:
  ROOT: .
  DEPDOCTOR_REGISTRY: $CI_REGISTRY_IMAGE
  DEPDOCTOR_CACHE_DIR: $CI_PROJECT_DIR/.depdoctor-cache

.depdoctor:
  image: @IMAGE@
  cache:
    key:
      files: [depdoctor.plan.json]
    paths: [.depdoctor-cache]
  before_script:
    - python -m pip install "depdoctor==@VERSION@"
    - echo /.depdoctor-cache/ >> .git/info/exclude # only a clean folder has a revision to push under

depdoctor-scan:
  extends: .depdoctor
  stage: test
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
  script:
    - depdoctor scan "$ROOT" --format gitlab --fail-on never > depdoctor.json
    - depdoctor plan "$ROOT" --diff --format markdown > plan.md
    - |
      @GITLAB_COMMENT@
    - depdoctor scan "$ROOT" --fail-on error
    - depdoctor plan "$ROOT" --check
  artifacts:
    when: always
    expose_as: depdoctor
    paths: [plan.md]
    reports:
      codequality: depdoctor.json

depdoctor-push:
  extends: .depdoctor
  stage: deploy
  variables:
    GIT_DEPTH: "0"                           # images are labelled with the last commit that touched their project
  rules:
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
  script:
    - mkdir -p ~/.docker
    - AUTH=$(printf '%s:%s' "$CI_REGISTRY_USER" "$CI_REGISTRY_PASSWORD" | base64 -w0)
    - printf '{"auths":{"%s":{"auth":"%s"}}}' "$CI_REGISTRY" "$AUTH" > ~/.docker/config.json
    - depdoctor push "$ROOT" --to "$DEPDOCTOR_REGISTRY"
"""


COMMENT = """\
python - <<'END'
import json, os, urllib.request
@PLACE@
    mark = "<!-- depdoctor plan -->"
    def ask(method, address, document=None):
        data = json.dumps(document).encode() if document else None
        headers = {@TOKEN@, "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(address, data, headers, method=method)) as answer:
            return json.load(answer)
    body = {"body": mark + "\\n" + open("plan.md", encoding="utf-8").read()[:60000]}
    found = [one["id"] for one in ask("GET", comments + "?per_page=100") if one["body"].startswith(mark)]
    ask("@CHANGE@", f"{@OWN@/{found[0]}", body) if found else ask("POST", comments, body)
END"""
"""Writes `plan.md` as a comment, or over that of an earlier run; images of Python have no curl.

GitHub takes 65,536 characters. What others wrote stays, a bot of the same account too.
"""

GITHUB_COMMENT = {
    "@PLACE@": '''\
token, number = os.environ["GH_TOKEN"], os.environ["PULL_REQUEST"]
if token and number:
    issues = "{GITHUB_API_URL}/repos/{GITHUB_REPOSITORY}/issues".format(**os.environ)
    comments = f"{issues}/{number}/comments"''',
    "@TOKEN@": '"Authorization": f"Bearer {token}"',
    "@CHANGE@": "PATCH",
    "@OWN@": "issues}/comments",
}

GITLAB_COMMENT = {
    "@PLACE@": """\
token, number = os.environ.get("DEPDOCTOR_GITLAB_TOKEN"), os.environ.get("CI_MERGE_REQUEST_IID")
if token and number:
    project = "{CI_API_V4_URL}/projects/{CI_PROJECT_ID}".format(**os.environ)
    comments = f"{project}/merge_requests/{number}/notes\"""",
    "@TOKEN@": '"PRIVATE-TOKEN": token',
    "@CHANGE@": "PUT",
    "@OWN@": "comments}",
}


def ci_files(plan: Plan) -> dict[str, str]:
    """A workflow for GitHub Actions, and a file that a GitLab pipeline includes."""
    newest = max((image.environment.python for image in plan.images), key=_minor, default="3.11")
    python = max(newest, "3.11", key=_minor)  # the oldest that depdoctor itself runs on
    known = {
        "@GITHUB_COMMENT@": _filled(COMMENT, GITHUB_COMMENT).replace("\n", "\n          "),
        "@GITLAB_COMMENT@": _filled(COMMENT, GITLAB_COMMENT).replace("\n", "\n      "),
        "@VERSION@": __version__,
        "@PYTHON@": python,
        "@IMAGE@": f"python:{python}",  # which has git
    }
    files = {".github/workflows/depdoctor.yml": GITHUB, "depdoctor.gitlab-ci.yml": GITLAB}
    return {path: _filled(recipe, known) for path, recipe in files.items()}


def _filled(text: str, known: Mapping[str, str]) -> str:
    for word, meant in known.items():
        text = text.replace(word, meant)
    return text


def _minor(python: str) -> int:
    return int(python.partition(".")[2])
