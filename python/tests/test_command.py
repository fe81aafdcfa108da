# SPDX-License-Identifier: Apache-2.0
"""A PE that is any executable."""

import sys
import textwrap

import pytest

from weft import CommandPE
from weft.command import CommandError


def python(program):
    return [sys.executable, "-c", textwrap.dedent(program)]


def written(pe, data):
    out = []
    pe._write = lambda name, value, **_: out.append(value)
    pe.preprocess()
    for value in data:
        assert pe.process({"input": value}) is None
    pe.postprocess()
    return out


DOUBLE = python("""
    import json, sys
    for line in sys.stdin:
        value = json.loads(line)
        print(json.dumps(None if value == 'skip' else [value, value]))
""")


def test_a_line_for_each_line():
    assert written(CommandPE(DOUBLE), [1, "é\n", "skip", {"a": [None, 2.5]}]) == [[1] * 2, ["é\n"] * 2, [{"a": [None, 2.5]}] * 2]


def test_cat_answers_what_is_larger_than_any_pipe():
    data = ["x" * 3_000_000, "y" * 70_000]
    assert written(CommandPE("cat"), data) == data


def test_lines_when_the_executable_likes():
    assert written(CommandPE("sort -n", output="end"), [30, 4, 100]) == [4, 30, 100]
    assert written(CommandPE(["grep", "a"], output="end"), ["ab", "c", "ba"]) == ["ab", "ba"]


def test_bytes():
    assert written(CommandPE(["sort", "-n"], mode="bytes"), [b"3\n1\n", "20\n10\n"]) == [b"1\n3\n", b"10\n20\n"]
    assert written(CommandPE(["sort", "-n"], mode="bytes", output="end"), [b"3\n1\n", b"2\n"]) == [b"1\n2\n3\n"]
    with pytest.raises(TypeError, match="mode 'bytes' received a value of type int"):
        written(CommandPE("cat", mode="bytes"), [1])


def test_a_source():
    pe = CommandPE(["echo", "hello"], mode="bytes")
    out = []
    pe._write = lambda name, value, **_: out.append(value)
    pe.preprocess()
    pe.process({})
    assert out == [b"hello\n"]


def test_where_and_with_what_it_runs(tmp_path):
    pe = CommandPE(["sh", "-c", "pwd; echo $LIMIT"], mode="bytes", folder=tmp_path, environment={"LIMIT": "sesame"})
    assert written(pe, [b""]) == [f"{tmp_path}\nsesame\n".encode()]
    shown = {name: value for name, value in vars(pe).items() if not name.startswith("_")}
    assert "sesame" not in repr(shown), "registration shows what is public"


def test_what_it_is_told_and_named():
    pe = CommandPE("jq -c '.a + 1'")
    assert (pe.name, pe.command, pe.mode, pe.output) == ("jq", ["jq", "-c", ".a + 1"], "json", "each")
    assert list(pe.inputconnections) == ["input"] and list(pe.outputconnections) == ["output"]


@pytest.mark.parametrize(
    "arguments, message",
    [({"command": []}, "the command is empty"), ({"command": "cat", "mode": "text"}, "mode is 'text': use 'json' or 'bytes'"),
     ({"command": "cat", "output": "any"}, "output is 'any': use 'each' or 'end'")],
)  # fmt: skip
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        CommandPE(**arguments)


@pytest.mark.parametrize("mode", ["json", "bytes"])
def test_an_executable_that_is_not_there(mode):
    with pytest.raises(CommandError, match="cannot run the command 'no-such-program': .*No such file"):
        written(CommandPE("no-such-program", mode=mode), [b""])


@pytest.mark.parametrize("mode, output", [("json", "each"), ("json", "end"), ("bytes", "each"), ("bytes", "end")])
def test_a_status_other_than_0(mode, output):
    pe = CommandPE(python("import sys; sys.stdin.read(); sys.exit(3)"), mode, output)
    with pytest.raises(CommandError, match="ended with status 3"):
        written(pe, ["a"] if output == "end" or mode == "bytes" else [])


def test_an_executable_that_dies_and_the_run_goes_on():
    pe = CommandPE(python("""
        import os, sys
        for line in sys.stdin:
            if line == '13\\n': os.kill(os.getpid(), 9)
            print(line, end='')
    """))  # fmt: skip
    out = []
    pe._write = lambda name, value, **_: out.append(value)
    pe.preprocess()
    pe.process({"input": 12})
    with pytest.raises(CommandError, match="was ended by SIGKILL"):
        pe.process({"input": 13})
    pe.process({"input": 14})
    pe.postprocess()
    assert out == [12, 14]


def test_data_that_a_dead_executable_had_read_are_not_forgotten():
    pe = CommandPE(["sh", "-c", "read a; read b; exit 3"], output="end")
    pe._write = lambda *_, **__: None
    pe.preprocess()
    pe.process({"input": 1})
    with pytest.raises(CommandError, match="ended with status 3"):
        for _ in range(100):
            pe.process({"input": "x" * 100_000})
    with pytest.raises(CommandError, match="the data that it had read before are lost"):
        pe.process({"input": 2})
    with pytest.raises(CommandError, match="the data that it had read before are lost"):
        pe.postprocess()


@pytest.mark.parametrize(
    "mode, output, stateful", [("json", "each", None), ("json", "end", True), ("bytes", "each", False), ("bytes", "end", True)]
)
def test_what_is_known_of_its_state(mode, output, stateful):
    assert CommandPE("cat", mode, output).stateful is stateful


def test_an_executable_that_keeps_its_answers():
    pe = CommandPE(python("import sys; text = sys.stdin.read(); print(text)"), reply_within=0.2)
    with pytest.raises(CommandError, match="has not answered within 0.2 s.*output='end'"):
        written(pe, [1])
    assert pe._running is None


def test_an_executable_that_answers_twice():
    with pytest.raises(CommandError, match="printed more than one line for a line it read"):
        written(CommandPE(python("import sys\nfor line in sys.stdin: print(line + line)")), [1])


def test_an_answer_that_is_no_document():
    with pytest.raises(CommandError, match="printed a line that is no JSON document .*b'oops"):
        written(CommandPE(python("import sys\nfor line in sys.stdin: print('oops')")), [1])


def test_an_executable_that_ends_early():
    with pytest.raises(CommandError, match="ended before its input did"):
        written(CommandPE(["head", "-n", "0"]), [1])
    assert written(CommandPE(["head", "-n", "1"], output="end"), ["x" * 200_000] * 5) == ["x" * 200_000]
