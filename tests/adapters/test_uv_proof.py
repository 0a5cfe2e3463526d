from __future__ import annotations

import pytest

from depdoctor.adapters.uv_proof import around, read_steps


def test_statements_about_single_requirements() -> None:
    text = (
        "Because torchaudio==2.3.0 depends on torch==2.3.0 and vllm==0.5.2 depends on torch==2.3.1, we can conclude "
        "that torchaudio==2.3.0 and vllm==0.5.2 are incompatible."
    )
    assert read_steps(text) == (("torchaudio==2.3.0", "torch==2.3.0"), ("vllm==0.5.2", "torch==2.3.1"))


def test_markers_and_extras() -> None:
    text = (
        "Because torch==2.4.1 depends on nvidia-nccl-cu12{platform_machine == 'x86_64' and sys_platform == 'linux'}"
        "==2.20.5 and tensorflow[and-cuda]==2.16.1 depends on nvidia-nccl-cu12==2.19.3, we can conclude"
    )
    assert read_steps(text) == (
        ("torch==2.4.1", "nvidia-nccl-cu12==2.20.5"),
        ("tensorflow[and-cuda]==2.16.1", "nvidia-nccl-cu12==2.19.3"),
    )


def test_all_that_is_said_of_two_packages_is_one_range() -> None:
    text = (
        "Because all of: a>=1,<2 a>=3,<4 depend on b>=1,<2 and a==2 depends on b>=4, we can conclude that "
        "a>=1,<4 depends on one of: b>=1,<2 b>=4 And because r depends on a and you require r, we can conclude that"
    )
    assert read_steps(text) == (("a>=1,<4", "b>=1"), ("r", "a"))


def test_what_follows_by_way_of_a_third_package_is_no_dependency() -> None:
    text = (
        "Because torch==2.4.1 depends on nccl==2.20.5 and torchvision==0.19.1 depends on torch==2.4.1, we can conclude "
        "that torchvision==0.19.1 depends on nccl==2.20.5. And because you require torchvision==0.19.1, we can"
    )
    assert ("torchvision==0.19.1", "nccl==2.20.5") not in read_steps(text)


@pytest.mark.parametrize(
    "text", ["", "depends on", "a depends on (nothing)", "🦊 depends on b", "a depends on one of: "]
)
def test_what_is_not_understood_is_left_out(text: str) -> None:
    assert read_steps(text) == ()


@pytest.mark.parametrize(
    ("ranges", "whole"),
    [
        (["==1"], "==1"),
        (["==1", "==3"], ">=1,<=3"),
        ([">=1,<2", ">=4"], ">=1"),
        (["<1", ">=1,<2"], "<2"),
        (["!=1", "<3"], ""),
        ([""], ""),
        (["==1.*", "<2"], ""),
    ],
)
def test_one_range_around_several(ranges: list[str], whole: str) -> None:
    assert around(ranges) == whole
