// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

extension NativeCatalogue {
    private static let reads = Parameter(
        "reads", .choice(["path", "text"]), fallback: "path", "whether a datum is the path of a file, or itself what is to be read")
    private static let limit = Parameter("limit", .integer(1...1024), fallback: "64", "MiB that a file may have")

    private static func path(_ what: String) -> Parameter {
        Parameter("path", .path, "\(what); without it the data name the files")
    }

    private static func delimiter(_ arguments: Arguments) -> UInt8? {
        let text = arguments.text("delimiter") ?? ","
        guard text.utf8.count == 1, let byte = text.utf8.first, byte != 0x22, byte != 0x0A, byte != 0x0D else { return nil }
        return byte
    }

    private static func checkDelimiter(_ arguments: Arguments) -> (parameter: String, detail: String)? {
        delimiter(arguments) == nil ? ("delimiter", "must be one ASCII character that is no quote and no line's end") : nil
    }

    private static let delimiterParameter = Parameter("delimiter", .text, fallback: "`,`", "one character between fields")

    static let readers = [
        OperationDescription(
            "files",
            "Lists files: writes the path of each that matches a pattern (`*`, `?`, `[a-z]`, and `**` for any directories) or lies "
                + "in a directory, in the order of their names. Names that begin with a dot are passed over.",
            [
                Parameter("pattern", .text, "pattern or directory; without it the data are patterns or directories"),
                Parameter("recursive", .flag, fallback: "false", "of a directory: the files in the directories below it as well"),
                Parameter("required", .flag, fallback: "true", "fail where there is no such file"),
            ], sourceParameter: "pattern"
        ) { arguments, context in
            ListFiles(
                files: context.files, pattern: arguments.text("pattern"), recursive: arguments.flag("recursive", else: false),
                required: arguments.flag("required", else: true))
        },
        OperationDescription(
            "read_text", "Reads whole files as text (UTF-8).", [path("the file to read"), limit], sourceParameter: "path"
        ) { arguments, context in
            ReadWhole(options: ReadingOptions(arguments, context), form: .text, limit: (arguments.integer("limit") ?? 64) << 20)
        },
        OperationDescription(
            "lines", "Reads text files line by line, without the lines' ends.",
            [path("the file to read"), reads, Parameter("skip_empty", .flag, fallback: "false", "pass over lines without a character")],
            sourceParameter: "path"
        ) { arguments, context in
            ReadLines(options: ReadingOptions(arguments, context), skipsEmpty: arguments.flag("skip_empty", else: false))
        },
        OperationDescription(
            "csv", "Reads CSV files: each record becomes a map by the names in the header, or a list where there is no header.",
            [
                path("the file to read"), reads, delimiterParameter,
                Parameter("header", .header, fallback: "true", "the first record holds the names; or a list of the names"),
                Parameter(
                    "convert", .flag, fallback: "true",
                    "fields that show numbers become numbers and empty ones null; quoted ones, and codes as 007, stay text"),
            ], sourceParameter: "path", check: checkDelimiter
        ) { arguments, context in
            let header: ReadCSV.Header =
                arguments.texts("header").map { .names($0.map { .string($0) }) } ?? (arguments.flag("header", else: true) ? .first : .none)
            return ReadCSV(
                options: ReadingOptions(arguments, context), delimiter: delimiter(arguments) ?? 0x2C, header: header,
                converts: arguments.flag("convert", else: true))
        },
        OperationDescription(
            "json", "Reads files that hold one JSON document each.",
            [
                path("the file to read"), reads,
                Parameter("each", .flag, fallback: "false", "write each item of the document, which is a list"),
                limit,
            ], sourceParameter: "path"
        ) { arguments, context in
            ReadWhole(
                options: ReadingOptions(arguments, context), form: .json(each: arguments.flag("each", else: false)),
                limit: (arguments.integer("limit") ?? 64) << 20)
        },
        OperationDescription(
            "ndjson", "Reads files that hold one JSON document in each line.", [path("the file to read"), reads], sourceParameter: "path"
        ) { arguments, context in ReadNDJSON(options: ReadingOptions(arguments, context)) },
    ]

    static let changes = [
        OperationDescription(
            "filter", "Lets the data pass for which an expression is true.",
            [Parameter("expression", .expression, required: true, "the condition, as `value > 3 and station == 'ABC'`")]
        ) { (arguments, _) throws(NativeError) in
            guard let expression = try arguments.expression("expression") else { throw NativeError("filter needs an expression") }
            return Filter(expression: expression)
        },
        OperationDescription(
            "map", "Computes a value from each datum, or a map of several.",
            [
                Parameter("expression", .expression, "the value, as `value * 2`"),
                Parameter("fields", .expressions, "the map, as `{\"speed\": \"distance / time\"}`"),
                Parameter("keep", .flag, fallback: "false", "with `fields`: keep the datum's other fields"),
            ],
            check: { arguments in
                if arguments.has("expression") == arguments.has("fields") { return ("expression", "give either 'expression' or 'fields'") }
                return arguments.has("keep") && !arguments.has("fields") ? ("keep", "goes with 'fields' only") : nil
            }
        ) { (arguments, _) throws(NativeError) in
            if let expression = try arguments.expression("expression") { return Map(result: .value(expression)) }
            return Map(result: .fields(try arguments.expressions("fields") ?? [], keepsOthers: arguments.flag("keep", else: false)))
        },
        OperationDescription(
            "select", "Keeps some fields of a map, or items of a list or tuple, in the order given.",
            [Parameter("fields", .parts, required: true, "what is kept")]
        ) { arguments, _ in Select(fields: arguments.parts("fields") ?? []) },
        OperationDescription(
            "flatten", "Writes the items of each list one by one.",
            [Parameter("field", .text, "the datum is a map: write it once for each item of this field, with the item in its place")]
        ) { arguments, _ in Flatten(field: arguments.text("field")) },
        OperationDescription(
            "split", "Cuts text into parts and writes those that are not empty.",
            [Parameter("separator", .text, fallback: "spaces of any kind", "what stands between the parts")],
            check: { $0.text("separator") == "" ? ("separator", "must not be empty; leave it out for spaces") : nil }
        ) { arguments, _ in Split(separator: arguments.text("separator")) },
    ]

    static let aggregates = [
        aggregate("count", "Counts the data.", hasField: false, .count(0)),
        aggregate("sum", "Adds numbers up; integers exactly.", .sum(Sum())),
        aggregate("min", "Finds the smallest of numbers, or the first of texts.", .min(nil)),
        aggregate("max", "Finds the largest of numbers, or the last of texts.", .max(nil)),
        aggregate("mean", "Computes the mean of numbers.", .mean(Sum(), count: 0)),
        aggregate(
            "standard_deviation", "Computes the standard deviation of a sample of numbers (Welford); of a single one there is none.",
            .standardDeviation(Moments())),
    ]

    private static func aggregate(
        _ name: String, _ documentation: String, hasField: Bool = true, _ start: Accumulator
    ) -> OperationDescription {
        OperationDescription(
            name,
            documentation + " At the end it writes the result, or one for each `key`: a map of the key's fields and the result where the "
                + "key is made of names, otherwise a list of the key's parts and the result.",
            [Parameter.key] + (hasField ? [Parameter.field] : []) + [
                Parameter("result", .text, fallback: "`\(name)`", "with a key made of names: the name of the result in the map")
            ], stateful: true
        ) { arguments, _ in
            Aggregate(key: arguments.parts("key"), field: arguments.part("field"), name: arguments.text("result") ?? name, start: start)
        }
    }

    static let gatherers = [
        OperationDescription(
            "top_k", "Keeps the largest data and writes them at the end, the largest first.",
            [
                Parameter("size", .integer(1...1_000_000), required: true, "how many"), Parameter.field,
                Parameter("smallest", .flag, fallback: "false", "the smallest instead, the smallest first"),
            ], stateful: true
        ) { arguments, _ in
            TopK(size: arguments.integer("size") ?? 1, field: arguments.part("field"), smallest: arguments.flag("smallest", else: false))
        },
        OperationDescription(
            "sample", "Takes data by chance: a share of them at once, or a number of them at the end, all with the same chance.",
            [
                Parameter("share", .number(0...1), "chance of each datum"),
                Parameter("size", .integer(1...100_000_000), "how many of all"),
                Parameter("seed", .integer(0...Int64.max), fallback: "0", "another seed takes other data; instances differ by themselves"),
            ], stateful: true, check: { $0.has("share") == $0.has("size") ? ("size", "give either 'share' or 'size'") : nil }
        ) { arguments, context in
            var mixer = SplitMix64(state: UInt64(arguments.integer("seed") ?? 0))
            let seed = mixer.next() &+ UInt64(context.replica)
            return Sample(form: arguments.number("share").map { .share($0) } ?? .size(arguments.integer("size") ?? 1), seed: seed)
        },
        OperationDescription(
            "window", "Puts data that follow each other into lists.",
            [
                Parameter("size", .integer(1...10_000_000), required: true, "data in a list"),
                Parameter(
                    "step", .integer(1...10_000_000), fallback: "the size",
                    "a new list begins every so many data: fewer than `size` make lists that overlap"),
                Parameter("key", .parts, "take the data of each key by themselves"),
                Parameter(
                    "partial", .flag, fallback: "true", "at the end, write a list that is not full if it has a datum that no other had"),
            ], stateful: true
        ) { arguments, _ in
            let size = arguments.integer("size") ?? 1
            return Window(
                size: size, step: arguments.integer("step") ?? size, key: arguments.parts("key"),
                partial: arguments.flag("partial", else: true))
        },
        OperationDescription(
            "deduplicate", "Lets the first datum pass of those that are equal.",
            [
                Parameter("key", .parts, fallback: "the datum itself", "parts that make two data equal"),
                Parameter(
                    "memory", .integer(1...Int64(Aggregate.maximumKeys)), fallback: "all",
                    "remember so many of the last, forget those before"),
            ], stateful: true
        ) { arguments, _ in Deduplicate(key: arguments.parts("key"), memory: arguments.integer("memory")) },
    ]

    static let writers = [
        writer("write_text", "Writes texts to a file, one after another; what is no text is written as JSON.", check: { _ in nil }) { _ in
            .text
        },
        writer("write_lines", "Writes each datum as a line of a file; what is no text is written as JSON.", check: { _ in nil }) { _ in
            .lines
        },
        writer(
            "write_csv", "Writes maps or lists as records of a CSV file.",
            [
                Parameter("fields", .texts, fallback: "those of the first datum", "the columns"), delimiterParameter,
                Parameter("header", .flag, fallback: "true", "write the columns' names first"),
            ], check: checkDelimiter
        ) { arguments in
            .csv(
                WriteFile.CSVForm(
                    delimiter: delimiter(arguments) ?? 0x2C, hasHeader: arguments.flag("header", else: true),
                    columns: arguments.texts("fields")))
        },
        writer("write_json", "Writes all data to a file as one JSON array.", check: { _ in nil }) { _ in .json },
        writer("write_ndjson", "Writes each datum as a line of JSON.", check: { _ in nil }) { _ in .ndjson },
    ]

    private static func writer(
        _ name: String, _ documentation: String, _ parameters: [Parameter] = [],
        check: @escaping @Sendable (Arguments) -> (parameter: String, detail: String)?,
        form: @escaping @Sendable (Arguments) -> WriteFile.Form
    ) -> OperationDescription {
        OperationDescription(
            name, documentation + " The file appears, whole, when the stream has ended; then its path is written to the output.",
            [Parameter("path", .path, required: true, "the file; `{instance}` stands for the number of the PE's instance")] + parameters,
            stateful: true, check: check
        ) { (arguments, context) throws(NativeError) in
            guard let template = arguments.text("path") else { throw NativeError("\(name) needs a path") }
            guard context.replica == 0 || PathTemplate.namesInstance(template) else {
                throw NativeError("several instances would write '\(template)': put {instance} into the path")
            }
            return WriteFile(files: context.files, path: PathTemplate.path(template, replica: context.replica), form: form(arguments))
        }
    }
}
