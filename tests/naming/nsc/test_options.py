from __future__ import annotations

import pytest

from pyro_naming.nsc import main


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["list", "--owner", "alice"], "--owner is not for list"),
        (["lookup", "a", "--force"], "--force is not for lookup"),
        (["remove", "a", "--ttl", "3"], "--ttl is not for remove"),
        (["register", "a", "b", "--plain"], "--plain is not for register"),
        (["list", "--existing"], "--existing is not for list"),
        (["remove", "a", "--yes"], "--yes is not for remove"),
        (["list", "--json", "--table"], "not allowed with"),
        (["watch", "--existing", "--after", "3"], "not allowed with"),
        (["register", "a", "b", "--ttl", "long"], "invalid float value"),
        (["frobnicate"], "invalid choice"),
    ],
)
def test_a_wrong_command_line_is_status_2_and_says_why(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert complaint in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["renew"], "requires at least one argument: name"),
        (["describe"], "requires one argument: name"),
        (["watch", "a", "b"], "takes at most one argument: prefix"),
        (["export", "a", "b"], "takes at most one argument: file"),
        (["import", "a", "b"], "takes at most one argument: file"),
    ],
)
def test_a_wrong_number_of_arguments_of_a_new_command_is_status_1(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert capsys.readouterr() == ("", complaint + "\n")


def test_help_shows_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for command in ("watch [PREFIX]", "renew NAME", "export [FILE]", "import [FILE]"):
        assert f"\n  {command}" in text
    assert max(map(len, text.splitlines())) <= 88
