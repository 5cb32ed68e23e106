"""Tools that look at a proxy, such as IPython when a name is completed."""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import os
import rlcompleter
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import AsyncProxy, Proxy
from pyro_protocol import expose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.hosting import HostThread


@expose
class Watchful:
    """Notes whatever is asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def measure(self, times: int = 1) -> int:
        """Measure so many times."""
        self.asked.append("measure")
        return times

    @property
    def measured(self) -> int:
        """How often it has measured."""
        self.asked.append("measured")
        return len(self.asked)

    def __len__(self) -> int:
        self.asked.append("__len__")
        return 2

    def __getitem__(self, index: Any) -> Any:
        self.asked.append("__getitem__")
        return index

    def __iter__(self) -> Iterator[int]:
        self.asked.append("__iter__")
        return iter([1])


@pytest.fixture
def watchful() -> Watchful:
    """The object that ``probe`` stands for."""
    return Watchful()


@pytest.fixture
def probe(host: HostThread, watchful: Watchful) -> Iterator[Proxy]:
    """A proxy of it, not connected yet."""
    with Proxy(host.register(watchful, "watchful")) as proxy:
        yield proxy


def need_ipython() -> None:
    """Skip the test where IPython is missing; in CI that is a failure."""
    if importlib.util.find_spec("IPython") is None:
        if os.environ.get("CI"):
            pytest.fail("IPython is not installed")
        pytest.skip("IPython is not installed")


def ipython_completions(
    text: str, namespace: dict[str, Any], **options: Any
) -> list[str]:
    """Return what IPython itself offers for a text."""
    need_ipython()
    from IPython.core.completer import IPCompleter, provisionalcompleter

    make: Any = IPCompleter
    completer = make(namespace=namespace, global_namespace=namespace)
    for name, value in options.items():
        setattr(completer, name, value)
    with provisionalcompleter():
        return [one.text for one in completer.completions(text, len(text))]


@pytest.mark.parametrize("use_jedi", [False, True])
@pytest.mark.parametrize("evaluation", ["minimal", "limited", "unsafe"])
def test_ipython_completes_names_and_asks_the_object_nothing(
    probe: Proxy, watchful: Watchful, use_jedi: bool, evaluation: str
) -> None:
    probe._pyroBind()
    names = {"probe": probe, "several": {"one": probe}}
    options = {"use_jedi": use_jedi, "evaluation": evaluation}

    found = ipython_completions("probe.mea", names, **options)
    if use_jedi or evaluation != "minimal":
        assert {one.rpartition(".")[2] for one in found} >= {"measure", "measured"}
    ipython_completions("probe.", names, **options)
    ipython_completions("probe.measure(", names, **options)
    ipython_completions("probe[", names, **options)
    ipython_completions("probe['a", names, **options)
    ipython_completions("several['one'].mea", names, **options)
    assert watchful.asked == []


@pytest.mark.parametrize("use_jedi", [False, True])
def test_ipython_does_not_connect_to_complete_a_name(
    probe: Proxy, host: HostThread, use_jedi: bool
) -> None:
    found = ipython_completions("probe._pyroB", {"probe": probe}, use_jedi=use_jedi)
    assert any(one.endswith("_pyroBind") for one in found)
    ipython_completions("probe.", {"probe": probe}, use_jedi=use_jedi)
    ipython_completions("probe[", {"probe": probe}, use_jedi=use_jedi)
    assert host.connection_count == 0


def test_pythons_own_completion_reads_no_attribute(
    probe: Proxy, watchful: Watchful
) -> None:
    probe._pyroBind()
    completer = rlcompleter.Completer({"probe": probe})
    found = completer.attr_matches("probe.mea")
    assert [one.rstrip("()") for one in found] == ["probe.measure", "probe.measured"]
    assert completer.complete("probe.", 0) is not None
    assert watchful.asked == []
    assert probe.measured == 1
    assert watchful.asked == ["measured"]


@pytest.mark.parametrize(
    "name",
    [
        "_repr_html_",
        "_repr_mimebundle_",
        "_repr_pretty_",
        "_ipython_display_",
        "_ipython_key_completions_",
        "_ipython_canary_method_should_not_exist_",
        "__array__",
        "__array_interface__",
        "__dataframe__",
        "__rich_repr__",
        "__wrapped__",
        "__fspath__",
        "__name__",
        "__origin__",
        "__html__",
        "__custom_documentations__",
        "_anything",
    ],
)
def test_names_that_tools_look_for_are_not_there_and_not_asked_for(
    probe: Proxy, host: HostThread, watchful: Watchful, name: str
) -> None:
    assert not hasattr(probe, name)
    assert host.connection_count == 0
    probe._pyroBind()
    assert not hasattr(probe, name)
    if name != "__name__":
        assert not hasattr(probe.measure, name)
    assert watchful.asked == []


def test_special_methods_that_are_exposed_can_be_called_by_name(probe: Proxy) -> None:
    assert probe.__getattr__("__getitem__")(3) == 3
    assert copy.copy(probe).__len__() == 2


def test_ipython_shows_a_proxy_and_a_method_without_asking_the_object(
    probe: Proxy, watchful: Watchful, host: HostThread
) -> None:
    need_ipython()
    from IPython.core.formatters import DisplayFormatter

    formatter: Any = DisplayFormatter()
    data, _ = formatter.format(probe)
    assert data == {"text/plain": repr(probe)}
    assert host.connection_count == 0
    data, _ = formatter.format(probe.measure)
    assert data == {"text/plain": "<remote method 'measure'>"}
    assert watchful.asked == []


def test_ipython_completes_and_shows_async_proxies_without_calls(
    probe: Proxy, watchful: Watchful, host: HostThread
) -> None:
    async def main() -> None:
        proxy = AsyncProxy(probe._pyroUri)
        names = {"proxy": proxy}
        assert ipython_completions("proxy._pyroB", names)
        assert host.connection_count == 0
        async with proxy:
            await proxy._pyroBind()
            found = ipython_completions("proxy.mea", names)
            assert {one.rpartition(".")[2] for one in found} >= {"measure", "measured"}
            completer = rlcompleter.Completer(names)
            assert len(completer.attr_matches("proxy.mea")) == 2
            from IPython.core.formatters import DisplayFormatter

            formatter: Any = DisplayFormatter()
            for shown in (proxy, proxy.measure):
                assert formatter.format(shown)[0] == {"text/plain": repr(shown)}
                assert not hasattr(shown, "_repr_html_")

    asyncio.run(main())
    assert watchful.asked == []


def test_the_names_of_the_object_are_listed_once_it_is_connected(probe: Proxy) -> None:
    assert "measure" not in dir(probe)
    probe._pyroBind()
    assert {"measure", "measured", "_pyroBind"} <= {*dir(probe)}


def test_an_unknown_name_says_what_may_be_meant_and_python_says_it_not_again(
    probe: Proxy,
) -> None:
    with pytest.raises(AttributeError, match=r"did you mean 'measure'\?$") as caught:
        probe.meassure  # noqa: B018 - reading it is the point
    assert caught.value.name == "meassure"
    assert caught.value.obj is None
    with pytest.raises(AttributeError) as caught:
        probe.xyz  # noqa: B018 - reading it is the point
    assert caught.value.name == "xyz"
    assert caught.value.obj is probe
    assert "did you mean" not in str(caught.value)
    with pytest.raises(AttributeError, match=r"did you mean 'measured'\?$"):
        probe.measurd = 1
