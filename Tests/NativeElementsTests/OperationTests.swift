// SPDX-License-Identifier: Apache-2.0

import NativeElements
import Testing
import WorkflowModel

struct OperationTests {
    @Test func filesAreListed() throws {
        let files = MemoryFiles([
            "data/b.csv": "", "data/a.csv": "", "data/c.txt": "", "data/.hidden.csv": "", "data/2026/01/d.csv": "", "data/2026/e.csv": "",
            "/abs/f.csv": "",
        ])
        func list(_ parameters: [String: JSONValue]) throws -> [String?] {
            try NativeCatalogue.run("files", parameters, [nil], files: files).map(\.stringValue)
        }
        #expect(try list(["pattern": "data/*.csv"]) == ["data/a.csv", "data/b.csv"])
        #expect(try list(["pattern": "data"]) == ["data/a.csv", "data/b.csv", "data/c.txt"])
        #expect(try Set(list(["pattern": "data", "recursive": true])).count == 5)
        #expect(try Set(list(["pattern": "data/**/*.csv"])) == ["data/a.csv", "data/b.csv", "data/2026/e.csv", "data/2026/01/d.csv"])
        #expect(try list(["pattern": "data/20*/*.csv"]) == ["data/2026/e.csv"])
        #expect(try list(["pattern": "/abs/[e-g].csv"]) == ["/abs/f.csv"])
        #expect(try list(["pattern": "data/a.csv"]) == ["data/a.csv"])
        #expect(try list(["pattern": "data/*.nope", "required": false]) == [])
        #expect(throws: NativeError.self) { try list(["pattern": "data/*.nope"]) }
        #expect(throws: NativeError.self) { try list(["pattern": "nope"]) }
        #expect(try NativeCatalogue.run("files", [:], [.string("data/c*")], files: files) == [.string("data/c.txt")])
    }

    @Test func textIsRead() throws {
        let files = MemoryFiles(["a": "one\r\ntwo\n\nlast one", "n": "{\"a\": 1}\n\n[2]\n", "j": "[1, {\"b\": 2}]"])
        #expect(
            try NativeCatalogue.run("lines", ["path": "a"], [nil], files: files)
                == [.string("one"), .string("two"), .string(""), .string("last one")])
        #expect(try NativeCatalogue.run("lines", ["skip_empty": true], json: "\"a\"", files: files) == #""one" "two" "last one""#)
        #expect(try NativeCatalogue.run("lines", ["reads": "text"], json: #""x\ny""#) == #""x" "y""#)
        #expect(try NativeCatalogue.run("read_text", ["path": "a"], [nil], files: files) == [.string("one\r\ntwo\n\nlast one")])
        #expect(try NativeCatalogue.run("ndjson", json: "\"n\"", files: files) == #"{"a":1} [2]"#)
        #expect(try NativeCatalogue.run("json", json: "\"j\"", files: files) == #"[1,{"b":2}]"#)
        #expect(try NativeCatalogue.run("json", ["each": true], json: "\"j\"", files: files) == #"1 {"b":2}"#)
        let error = try #require(throws: NativeError.self) { try NativeCatalogue.run("ndjson", json: "\"a\"", files: files) }
        #expect(error.description.hasPrefix("line 1 holds JSON with"))
        #expect(throws: NativeError.self) { try NativeCatalogue.run("lines", json: "\"nope\"") }
        #expect(throws: NativeError.self) { try NativeCatalogue.run("lines", json: "3") }
    }

    @Test func manyLinesAreReadInSlices() throws {
        let text = (0..<1000).map { "line \($0)\n" }.joined()
        #expect(try NativeCatalogue.run("lines", ["reads": "text"], [.string(text)]).count == 1000)
    }

    @Test func recordsOfCSVAreRead() throws {
        func read(_ text: String, _ parameters: [String: JSONValue] = [:]) throws -> String {
            try NativeCatalogue.run("csv", parameters.merging(["path": "a.csv"]) { $1 }, [nil], files: MemoryFiles(["a.csv": text]))
                .map { $0.summary() }.joined(separator: " ")
        }
        #expect(try read("a,b\n1,x\r\n2.5,\n") == "{'a': 1, 'b': 'x'} {'a': 2.5, 'b': None}")
        #expect(try read("a,b\n007,-1e3\n+1,1.2.3\n") == "{'a': '007', 'b': -1000.0} {'a': 1, 'b': '1.2.3'}")
        #expect(try read("a,b\n1,\"2\"\n", ["convert": false]) == "{'a': '1', 'b': '2'}")
        #expect(try read("a\n\"x \"\"y\"\"\nz, 1\"\n") == "{'a': 'x \"y\"\\nz, 1'}")
        #expect(try read("1;2\n\n3;4", ["header": false, "delimiter": ";"]) == "[1, 2] [3, 4]")
        #expect(try read("1,2", ["header": ["x", "y"]]) == "{'x': 1, 'y': 2}")
        #expect(throws: NativeError("line 3 has 1 fields, where the header has 2")) { try read("a,b\n1,2\n3\n") }
        #expect(throws: NativeError.self) { try read("a\n\"open\n") }
        #expect(throws: NativeError.self) { try read("a\n\"x\"y\n") }
    }

    @Test func dataAreChanged() throws {
        #expect(try NativeCatalogue.run("filter", ["expression": "value % 2 == 1"], json: "1", "2", "3") == "1 3")
        #expect(try NativeCatalogue.run("map", ["expression": "value * 2"], json: "1", "2") == "2 4")
        #expect(try NativeCatalogue.run("map", ["fields": ["n": "a + 1"]], json: #"{"a": 1, "b": 2}"#) == #"{"n":2}"#)
        #expect(try NativeCatalogue.run("map", ["fields": ["a": "a + 1"], "keep": true], json: #"{"a": 1, "b": 2}"#) == #"{"a":2,"b":2}"#)
        #expect(try NativeCatalogue.run("select", ["fields": ["b", "a"]], json: #"{"a": 1, "b": 2, "c": 3}"#) == #"{"b":2,"a":1}"#)
        #expect(try NativeCatalogue.run("select", ["fields": [-1, 0]], json: "[1, 2, 3]") == "[3,1]")
        #expect(try NativeCatalogue.run("flatten", json: "[1, [2, 3]]", "[]") == "1 [2,3]")
        #expect(try NativeCatalogue.run("flatten", ["field": "b"], json: #"{"a": 1, "b": [2, 3]}"#) == #"{"a":1,"b":2} {"a":1,"b":3}"#)
        #expect(try NativeCatalogue.run("split", json: #"" one  two\n""#) == #""one" "two""#)
        #expect(try NativeCatalogue.run("split", ["separator": ", "], json: #""a, b,c""#) == #""a" "b,c""#)
        #expect(throws: NativeError.self) { try NativeCatalogue.run("flatten", json: "3") }
    }

    @Test func resultsAreGathered() throws {
        let numbers = ["3", "1", "2"]
        func gather(_ name: String, _ data: [String], _ parameters: [String: JSONValue] = [:]) throws -> String {
            try NativeCatalogue.run(name, parameters, data.map { try JSONReader.read(Array($0.utf8)) }).map { $0.summary() }
                .joined(separator: " ")
        }
        #expect(try gather("count", numbers) == "3")
        #expect(try gather("count", []) == "0")
        #expect(try gather("sum", numbers) == "6")
        #expect(try gather("sum", ["9223372036854775807", "9223372036854775807"]) == "18446744073709551614")
        #expect(try gather("sum", Array(repeating: "0.1", count: 10)) == "1.0")
        #expect(try gather("sum", ["1e16", "1.5", "-1e16"]) == "1.5")
        #expect(try gather("min", numbers) == "1")
        #expect(try gather("max", numbers + ["2.5"]) == "3")
        #expect(try gather("max", []) == "")
        #expect(try gather("mean", numbers) == "2.0")
        #expect(try gather("standard_deviation", ["2", "4", "4", "4", "5", "5", "7", "9"]) == "2.138089935299395")
        #expect(try gather("standard_deviation", ["1000000001", "1000000002", "1000000003"]) == "1.0")
        #expect(try gather("standard_deviation", ["1"]) == "")
        let readings = [#"{"s": "A", "v": 1}"#, #"{"s": "B", "v": 5}"#, #"{"s": "A", "v": 3}"#]
        #expect(try gather("mean", readings, ["key": "s", "field": "v"]) == "{'s': 'A', 'mean': 2.0} {'s': 'B', 'mean': 5.0}")
        #expect(try gather("count", readings, ["key": ["s"], "result": "n"]) == "{'s': 'A', 'n': 2} {'s': 'B', 'n': 1}")
        #expect(try gather("sum", ["[1, 5]", "[1.0, 6]"], ["key": 0, "field": 1]) == "[1, 11]")
        #expect(try gather("standard_deviation", readings, ["key": "s", "field": "v"]).hasSuffix("'standard_deviation': None}"))
        #expect(throws: NativeError.self) { try gather("sum", ["\"a\""]) }
    }

    @Test func manyKeysAreWrittenInSlices() throws {
        let data = (0..<1000).map { Value?.some(.list([.int($0)])) }
        #expect(try NativeCatalogue.run("count", ["key": 0], data).count == 1000)
    }

    @Test func theBestAreKept() throws {
        #expect(try NativeCatalogue.run("top_k", ["size": 2], json: "3", "1", "5", "4") == "5 4")
        #expect(try NativeCatalogue.run("top_k", ["size": 2, "smallest": true], json: "3", "1", "5") == "1 3")
        #expect(
            try NativeCatalogue.run(
                "top_k", ["size": 2, "field": "v"], json: #"{"v": 1, "n": "a"}"#, #"{"v": 1, "n": "b"}"#, #"{"v": 1, "n": "c"}"#)
                == #"{"v":1,"n":"a"} {"v":1,"n":"b"}"#)
        #expect(try NativeCatalogue.run("top_k", ["size": 5], json: "1") == "1")
    }

    @Test func samplesAreFairAndRepeatable() throws {
        let data = (0..<1000).map { Value?.some(.int($0)) }
        let sample = try NativeCatalogue.run("sample", ["size": 10, "seed": 3], data)
        #expect(sample.count == 10)
        #expect(try NativeCatalogue.run("sample", ["size": 10, "seed": 3], data) == sample)
        #expect(try NativeCatalogue.run("sample", ["size": 10, "seed": 4], data) != sample)
        #expect(try NativeCatalogue.run("sample", ["size": 10, "seed": 3], data, replica: 1) != sample)
        #expect(try (200...300).contains(NativeCatalogue.run("sample", ["share": 0.25], data).count))
        var times = [Int](repeating: 0, count: 4)
        for seed in 0..<400 {
            for value in try NativeCatalogue.run("sample", ["size": 1, "seed": .integer(Int64(seed))], Array(data.prefix(4))) {
                if case .int(let index) = value { times[Int(index)] += 1 }
            }
        }
        #expect(times.allSatisfy { (60...140).contains($0) })
    }

    @Test func windowsAreCut() throws {
        let five = ["1", "2", "3", "4", "5"]
        func cut(_ parameters: [String: JSONValue]) throws -> String {
            try NativeCatalogue.run("window", parameters, five.map { try JSONReader.read(Array($0.utf8)) }).map { $0.summary() }.joined()
        }
        #expect(try cut(["size": 2]) == "[1, 2][3, 4][5]")
        #expect(try cut(["size": 2, "partial": false]) == "[1, 2][3, 4]")
        #expect(try cut(["size": 3, "step": 1]) == "[1, 2, 3][2, 3, 4][3, 4, 5]")
        #expect(try cut(["size": 3, "step": 2]) == "[1, 2, 3][3, 4, 5]")
        #expect(try cut(["size": 1, "step": 2]) == "[1][3][5]")
        #expect(try NativeCatalogue.run("window", ["size": 2, "key": 0], json: "[1]", "[2]", "[1]") == "[[1],[1]] [[2]]")
    }

    @Test func duplicatesAreDropped() throws {
        #expect(try NativeCatalogue.run("deduplicate", json: "1", "2", "1.0", "[1]", "[1]") == "1 2 [1]")
        #expect(try NativeCatalogue.run("deduplicate", ["key": "a"], json: #"{"a": 1, "b": 1}"#, #"{"a": 1, "b": 2}"#) == #"{"a":1,"b":1}"#)
        #expect(try NativeCatalogue.run("deduplicate", ["memory": 2], json: "1", "2", "1", "3", "1") == "1 2 3 1")
    }

    @Test func filesAreWrittenWhole() throws {
        let files = MemoryFiles()
        func write(_ name: String, _ parameters: [String: JSONValue], _ json: String...) throws -> String? {
            let path = try NativeCatalogue.run(
                name, parameters.merging(["path": "out"]) { $1 }, json.map { try JSONReader.read(Array($0.utf8)) }, files: files)
            #expect(path == [.string("/work/out")])
            return files.text("out")
        }
        #expect(try write("write_text", [:], #""a""#, "1", "[2]") == "a1[2]")
        #expect(try write("write_lines", [:], #""a""#, #"{"b": null}"#) == "a\n{\"b\":null}\n")
        #expect(try write("write_lines", [:]) == "")
        #expect(try write("write_ndjson", [:], #""a""#, "1") == "\"a\"\n1\n")
        #expect(try write("write_json", [:], "1", "2") == "[\n1,\n2\n]\n")
        #expect(try write("write_json", [:]) == "[]\n")
        #expect(
            try write("write_csv", [:], #"{"a": 1, "b": "x, \"y\""}"#, #"{"b": null, "a": "two\nlines"}"#)
                == "a,b\n1,\"x, \"\"y\"\"\"\n\"two\nlines\",\n")
        #expect(try write("write_csv", ["fields": ["b"], "delimiter": "\t"], #"{"a": 1, "b": 2}"#) == "b\n2\n")
        #expect(try write("write_csv", ["header": false], "[1, 2]") == "1,2\n")
        #expect(throws: NativeError.self) { try write("write_csv", [:], "3") }
        #expect(throws: NativeError.self) { try write("write_csv", [:], #"{"a": 1}"#, #"{"b": 1, "c": 2}"#) }
    }

    @Test func whatIsWrittenCanBeRead() throws {
        let files = MemoryFiles()
        let data: [Value] = (0..<500).map { .map(ValueMap([("n", .int($0)), ("t", .string("a \"b\", \n\($0)"))])) }
        for (writer, reader) in [("write_csv", "csv"), ("write_ndjson", "ndjson")] {
            _ = try NativeCatalogue.run(writer, ["path": "f"], data, files: files)
            #expect(try NativeCatalogue.run(reader, ["path": "f"], [nil], files: files) == data)
        }
    }

    @Test func parametersAreChecked() {
        func problems(_ name: String, _ parameters: [String: JSONValue]) -> [String] {
            NativeCatalogue.operation(name)?.problems(with: parameters).map { "\($0.parameter): \($0.detail)" } ?? []
        }
        #expect(problems("window", ["size": 0]) == ["size: must be an integer from 1 to 10000000"])
        #expect(problems("window", ["sise": 2]).first == "sise: window has no parameter 'sise'; it has size, step, key, partial")
        #expect(problems("window", [:]).first?.hasPrefix("size: window needs it") == true)
        #expect(problems("filter", ["expression": "a ="]).first?.hasPrefix("expression: column 3: '=' has no meaning here") == true)
        #expect(problems("map", ["fields": ["a": "("]]).first?.hasPrefix("fields: 'a': column 2") == true)
        #expect(problems("map", [:]) == ["expression: give either 'expression' or 'fields'"])
        #expect(problems("csv", ["delimiter": ";;"]) == ["delimiter: must be one ASCII character that is no quote and no line's end"])
        #expect(problems("sample", ["share": 1.5]) == ["share: must be a number from 0.0 to 1.0"])
        #expect(problems("lines", ["reads": "url"]) == ["reads: must be a `path` or `text`"])
        #expect(problems("count", ["key": [1.5]]).first?.hasPrefix("key: must be a field") == true)
        #expect(problems("write_csv", ["path": "a-{x}.csv"]) == ["path: has a placeholder that is not {instance}, the only one there is"])
        #expect(problems("count", ["key": nil]).isEmpty)
    }
}
