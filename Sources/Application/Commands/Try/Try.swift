// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Backends
import FoundationEssentials
import Glibc
import GraphFormats
import Planning
import WorkflowModel

/// Runs without a server. Not asynchronous: the ranks are killed when the thread that started them ends, so that must be the main one.
struct Try: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "try", abstract: "Runs a graph on this machine, without a server or a database.",
        discussion: """
            PEs run in the current folder. What they print is shown as it comes; what they write to outputs that no edge reads, at the \
            end. Exit codes: 0 succeeded, 1 could not run, 3 failed, 130 ended by Ctrl-C.
            """)

    private static let attempt = 1

    enum Form: String, CaseIterable, ExpressibleByArgument { case table, json }

    @Argument(help: "The Python module, as workflow.py, or a graph in YAML, as workflow.yaml.")
    var file: String

    @Argument(help: "With --profile: a .json file that gets the costs, for --costs.")
    var profileFile: String?

    @OptionGroup var inputs: InputOptions
    @OptionGroup var placing: PlanOptions

    @Option(help: "The module's variable that holds the graph, where there are several.")
    var graph: String?

    @Flag(help: "Show what each PE did: calls, items, time per call, waiting, bytes.")
    var profile = false

    @Flag(help: "Record results, failures and profiles only.")
    var noProvenance = false

    @Option(help: ArgumentHelp("End the run after this time.", valueName: "seconds"))
    var timeLimit: Double?

    @Option(help: "The Python interpreter (default: the active virtual environment's, else python3 in PATH).")
    var python: String?

    @Flag(help: "Leave the attempt's folder, with its provenance, where it is.")
    var keep = false

    @Option(name: .shortAndLong, help: "table for people, json for programs.")
    var output = Form.table

    func validate() throws {
        if let profileFile {
            guard profile else { throw ValidationError("'\(profileFile)' has no meaning here: one graph is tried at a time.") }
            guard profileFile.hasSuffix(".json") else {
                throw ValidationError("'\(profileFile)' must end in .json: costs are written to it.")
            }
        }
        if placing.ranks == .auto { throw ValidationError("A try knows of no earlier runs: write -n with a number.") }
        if let timeLimit, !(timeLimit > 0 && timeLimit.isFinite) { throw ValidationError("--time-limit must be more than 0.") }
    }

    func run() throws {
        // First: Ctrl-C must end the reading of standard input too.
        let asked = try inputs.read()
        let interruption = try Interruption()
        let temporary = try TryFolder(isKept: keep)
        let run = RunID(
            milliseconds: UInt64(Date().timeIntervalSince1970 * 1000), random: (0..<10).map { _ in UInt8.random(in: 0...255) })
        let place = try place(temporary)
        var module = try load(run, place, temporary, interruption)
        let document = try prepare(run, asked, module.report, place, temporary)

        let showsJSON = output == .json
        let backend = LocalMPI(mpirun: try Self.mpirun(), rankProgram: try Self.rankProgram())
        var attempt = TryRun(
            document: document, folder: temporary.folder, backend: backend, environment: processEnvironment(), interruption: interruption
        ) { line in
            let text = LogRendering.line(line)
            if line.stream == .stdout && !showsJSON {
                try StandardStreams.outputToReader(text)
            } else {
                StandardStreams.chatter(text)
            }
        }
        let start = ContinuousClock.now
        let failure = try attempt.follow(&module)
        let seconds = (ContinuousClock.now - start) / .seconds(1)

        let observed = attempt.observation
        let profiles = observed.elementProfiles
        if showsJSON {
            let report = try WireJSON.encode(try Self.report(document, observed, failure, seconds), pretty: true)
            try StandardStreams.outputToReader(bytes: report + [UInt8(ascii: "\n")])
        } else {
            let outputs = TryRendering.outputs(observed.outputs)
            if !outputs.isEmpty { try StandardStreams.outputToReader(outputs) }
            if profile { try StandardStreams.outputToReader((outputs.isEmpty ? "" : "\n") + TryRendering.table(profiles).render(.output)) }
        }
        for note in TryRendering.notes(profiles, graph: document.graph, omitted: observed.omittedResults) {
            StandardStreams.chatter(note.printable)
        }
        if let failure {
            if !showsJSON { StandardStreams.chatter("\n" + RunRendering.describe(failure, datum: failure.datum)) }
            throw SilentExit(status: .runFailed)
        }
        if let profileFile { try write(profiles, to: profileFile) }
        if !showsJSON { StandardStreams.chatter("succeeded in \(Format.duration(seconds))") }
    }

    /// What a try is made with.
    private struct Place {
        var module: String
        var interpreter: String
        var package: String
        var directory: String
    }

    private func place(_ temporary: borrowing TryFolder) throws -> Place {
        guard let resolved = realpath(file, nil) else { throw systemFailure("'\(file)' cannot be read") }
        defer { free(resolved) }
        let variables = processEnvironment()
        return Place(
            module: try Self.module(String(cString: resolved), temporary),
            interpreter: try PythonPrograms.interpreter(asked: python, variables: variables),
            package: try PythonPrograms.package(cache: Self.cache(variables), otherwise: temporary.folder.python),
            directory: FileManager.default.currentDirectoryPath)
    }

    private func load(
        _ run: RunID, _ place: Place, _ temporary: borrowing TryFolder, _ interruption: Interruption
    ) throws -> TriedModule {
        var variables = processEnvironment()
        let inherited = variables["PYTHONPATH"].flatMap { $0.isEmpty ? nil : ":" + $0 } ?? ""
        variables["PYTHONPATH"] = place.package + inherited
        variables["WEFT_RUN_ID"] = "\(run)"
        variables["WEFT_ATTEMPT"] = "\(Self.attempt)"
        return try TriedModule.load(
            interpreter: place.interpreter, folder: temporary.folder, file: place.module, attribute: graph,
            address: RunDocument.nurseryAddress(run: run, attempt: Self.attempt), environment: variables, directory: place.directory,
            interruption: interruption)
    }

    private var ranks: Int { if case .exactly(let count) = placing.ranks { count } else { 1 } }

    /// Checks everything, and fills the attempt's folder.
    private func prepare(
        _ run: RunID, _ asked: RunInputs?, _ report: ModuleReport, _ place: Place, _ temporary: borrowing TryFolder
    ) throws -> RunDocument {
        let name = place.module.split(separator: "/").last.map(String.init) ?? place.module
        var graph = try report.validGraph(of: name).withCheckedNativeElements()
        // Nothing goes on from a checkpoint of a try.
        for index in graph.elements.indices { graph.elements[index].snapshotEvery = nil }
        let document = RunDocument(
            run: run, attempt: Self.attempt, graph: graph,
            plan: try Planner.plan(
                graph, ranks: ranks, layout: placing.layout ?? .fused, costs: try placing.readCosts()),
            inputs: try RunInputs.resolve(asked, for: graph), interpreter: report.interpreter ?? place.interpreter, module: place.module,
            attribute: report.attribute, capture: noProvenance ? .off : .full, timeLimit: timeLimit, isLoaded: report.nursery)
        try temporary.fill(document, package: place.package, directory: place.directory)
        return document
    }

    /// The module itself, or the one that a graph in YAML becomes.
    private static func module(_ path: String, _ temporary: borrowing TryFolder) throws -> String {
        guard YAMLGraph.isGraph(filename: path) else { return path }
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let (directory, filename) = (String(path[..<slash]), String(path[slash...].dropFirst()))
        let module = try YAMLGraph.module(from: try TextFile.read(path), filename: filename, directory: directory)
        let folder = temporary.folder.path + "/graph"
        try makeFolder(folder)
        let converted = "\(folder)/\(YAMLGraph.moduleName(for: filename))"
        try SmallFile.write(Array(module.utf8), to: converted)
        return converted
    }

    private static func report(
        _ document: RunDocument, _ observed: TryObservation, _ failure: FailureReport?, _ seconds: Double
    ) throws -> TryReport {
        var outputs: [String: [String: [JSONValue]]] = [:]
        for (element, port, values) in observed.outputs {
            outputs[element, default: [:]][port] = try values.map { try WireJSON.decode(JSONValue.self, from: $0.utf8) }
        }
        return TryReport(
            state: failure == nil ? .succeeded : .failed, seconds: seconds, plan: document.plan, elements: observed.elementProfiles,
            skipped: observed.elementProfiles.reduce(0) { $0 + $1.skipped },
            outputs: outputs, omitted: observed.omittedResults > 0 ? observed.omittedResults : nil, failure: failure)
    }

    private func write(_ profiles: [ElementProfile], to path: String) throws {
        let costs = Costs(elements: Dictionary(profiles.map { ($0.element, $0.cost) }, uniquingKeysWith: { first, _ in first }))
        do {
            try SmallFile.write(try WireJSON.encode(costs, pretty: true) + [UInt8(ascii: "\n")], to: path)
        } catch let error as FileError {
            throw CommandFailure("The costs were not written: \(error).")
        }
        StandardStreams.chatter("costs are in \(path): plan with --costs \(path)")
    }

    private static func cache(_ variables: [String: String]) -> String {
        let folder = variables["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? UserFolders(variables: variables).home + "/.cache"
        return folder + "/weft"
    }

    /// Named as in the server's configuration.
    private static func rankProgram() throws(CommandFailure) -> String {
        if let named = processEnvironment()["WEFT_LOCAL_RANK_PROGRAM"], !named.isEmpty { return named }
        return try Executable.ofWeft("weft-rank")
    }

    private static func mpirun() throws(CommandFailure) -> String {
        if let named = processEnvironment()["WEFT_LOCAL_MPIRUN"], !named.isEmpty { return named }
        guard let found = Executable.inPath("mpirun") else {
            throw CommandFailure("There is no mpirun in PATH. Install Open MPI (Debian: openmpi-bin), or name it with WEFT_LOCAL_MPIRUN.")
        }
        return found
    }
}
