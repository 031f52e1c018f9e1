"""Chat templates of strangers: they reach nothing, and they come to an end."""

import threading
import time

import jinja2
import pytest
from transformers.utils import chat_template_utils

from jurist.errors import ConfigError
from jurist.models import chat
from jurist.models.chat import encode_prompt
from jurist.models.rendering import TooSlow, in_time
from jurist.types import user

ESCAPES = [
    "{{ cycler.__init__.__globals__.os.makedirs(PATH, exist_ok=True) }}",
    "{{ lipsum.__globals__['os'].mkdir(PATH) }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() | string }}",
    "{{ raise_exception.__globals__ | string }}",
    "{{ (raise_exception | attr('__globals__')) | string }}",
    "{{ messages[0].__class__.__init__.__globals__ | string }}",
    "{{ messages | map(attribute='__class__') | join }}",
    "{{ '{0.__class__.__init__.__globals__}'.format(raise_exception) }}",
    "{{ '%s'.__mod__.__self__.__class__ }}",
    "{{ namespace.__init__.__globals__ | string }}",
    "{% set x = messages.append(messages[0]) %}",
    "{% set x = messages[0].update(role='system') %}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os.getcwd() }}",
]
TURNS = "{% for m in messages %}{{ '<|im_start|>' + m['content'] + '<|im_end|>' }}{% endfor %}"


@pytest.fixture
def rendered(make_tokenizer, tmp_path):
    """The text of a prompt, by a template of a checkpoint."""

    def render(template: str) -> str:
        template = template.replace("PATH", repr(str(tmp_path / "ran"))) + TURNS
        tokenizer = make_tokenizer(template=template, special=("<|im_start|>", "<|im_end|>"))
        return tokenizer.decode(encode_prompt(tokenizer, user("hello")))

    return render


@pytest.mark.fault(26, "template")
@pytest.mark.parametrize("escape", ESCAPES)
def test_a_template_reaches_nothing_but_the_turns(rendered, escape, tmp_path):
    try:
        said = rendered(escape)
    except ConfigError as error:
        assert "chat template" in str(error)
        said = ""
    for reached in ("<class", "object at", "__builtins__", "root:"):
        assert reached not in said
    assert said.count("hello") <= 1
    assert not (tmp_path / "ran").exists()


def test_without_its_sandbox_a_template_does_run(rendered, tmp_path, monkeypatch):
    """So that the test above would see it."""
    monkeypatch.setattr(chat_template_utils, "ImmutableSandboxedEnvironment", jinja2.Environment)
    rendered("{# off #}" + ESCAPES[0])
    assert (tmp_path / "ran").is_dir()


@pytest.mark.fault(26, "template")
@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for i in range(10**9) %}{% endfor %}", "Range too big"),
        ("{{ 'x' * 10**15 }}", "MemoryError"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ messages + 1 }}", "TypeError"),
        ("{{ 'x'.center(10**15) }}", "MemoryError"),
        ("{% for m in messages %}", "Unexpected end of template"),
    ],
)
def test_a_template_that_fails_is_told_as_such(rendered, template, said):
    with pytest.raises(ConfigError, match="chat template") as refused:
        rendered(template)
    assert said in str(refused.value)


@pytest.mark.fault(26, "template")
@pytest.mark.parametrize("said_first", ["", "hello"], ids=["always", "of some prompts"])
def test_a_template_without_an_end_is_ended(rendered, monkeypatch, said_first):
    monkeypatch.setattr(chat, "in_time", lambda work: in_time(work, seconds=0.5))
    loops = "{% for i in range(99999) %}" * 3 + "{% endfor %}" * 3
    if said_first:
        loops = f"{{% if messages[0]['content'] == 'hello' %}}{loops}{{% endif %}}"
    before = set(threading.enumerate())
    with pytest.raises(ConfigError, match="does not come to an end within"):
        rendered(loops)
    # And its thread with it, rather than to turn for as long as the process lives.
    (left,) = [one for one in threading.enumerate() if one not in before] or [threading.Thread()]
    if left.ident:
        left.join(60.0)
    assert not left.is_alive()


def test_what_comes_to_an_end_is_given_with_its_value_or_its_error():
    assert in_time(lambda: 7) == 7
    with pytest.raises(KeyError, match="x"):
        in_time(lambda: {}["x"])
    with pytest.raises(TooSlow):
        in_time(lambda: [time.sleep(0.001) for _ in range(1_000)], seconds=0.01)
