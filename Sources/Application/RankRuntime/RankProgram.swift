// SPDX-License-Identifier: Apache-2.0

import CPosix
import FoundationEssentials
import Glibc
import MPITransport
import PythonHost
import WorkflowModel

/// `weft-rank FOLDER`, the MPI program: started by `mpirun` once for each rank of a plan, it hosts the rank's workers, moves
/// data between them and those of the other ranks, and writes down what happens. `FOLDER` is a ``RunFolder``.
///
/// `weft-rank --measure-transport BYTES SECONDS`, on two ranks, prints how fast batches pass between ranks.
package enum RankProgram {
    /// A rank has failed; the report is in its failure file.
    static let failed: Int32 = 3

    package static func main(_ arguments: [String]) -> Never {
        weft_keep_memory()
        if arguments.count == 4, arguments[1] == "--measure-transport", let bytes = Int(arguments[2]), let seconds = Double(arguments[3]) {
            measure(bytes: bytes, seconds: seconds)
        }
        guard arguments.count == 2, let path = realpath(arguments[1], nil) else {
            tell(
                """
                usage: mpirun -n RANKS weft-rank FOLDER, where FOLDER is an attempt's folder with its run.json
                       mpirun -n 2 weft-rank --measure-transport BYTES SECONDS
                """)
            exit(64)
        }
        let folder = RunFolder(path: String(cString: path))
        free(path)

        // Whatever happens to mpirun, no rank stays behind.
        var termination: Int32 = -1
        let prepared = [weft_die_with_parent(), weft_catch_termination(&termination)].first { $0 != 0 }
        if let prepared {
            tell("weft-rank: cannot prepare for signals: \(String(cString: strerror(prepared)))")
            exit(failed)
        }

        // Before MPI, so that the module is loaded while MPI starts. What is wrong with the document is told when there is a rank.
        let document = Result { try read(folder.document) }
        if let document = try? document.get(), document.graph.application != nil {
            runApplication(document, folder, termination: termination)
        }
        let python = (try? document.get()).map { PythonStart($0, folder: folder) }
        do {
            let transport = try MPITransport.start()
            run(folder, document: document, python: python, transport: transport, termination: termination)
        } catch {
            tell("weft-rank: \(error)")
            exit(failed)
        }
    }

    /// What Python workers are started with.
    private struct PythonStart {
        let launch: WorkerLaunch
        let sharesNode: Bool
        let nursery: Nursery?

        init(_ document: RunDocument, folder: RunFolder) {
            let environment = ProcessInfo.processInfo.environment
            let place = LauncherPlace(environment: environment)
            launch = WorkerLaunch(
                interpreter: document.interpreter, folder: folder, run: document.run, attempt: document.attempt, inherited: environment)
            let isLoaded = document.isLoaded ?? false
            sharesNode = isLoaded || environment["WEFT_NO_FORK"] != "1" && place.sharesNode(document)
            nursery = sharesNode && place.isFirst && !isLoaded ? Nursery(launch) : nil
        }

        /// Every rank of the node has come through MPI's start, and so the first one listens if it ever will.
        func host(rank: Int) -> PythonHost {
            let host = PythonHost(launch: launch, rank: rank)
            if sharesNode { host.connect(own: nursery) }
            return host
        }
    }

    private static func run(
        _ folder: RunFolder, document: Result<RunDocument, any Error>, python: PythonStart?, transport: MPITransport, termination: Int32
    ) -> Never {
        let identity = RankIdentity(rank: transport.rank)
        var reporter = FailureReporter(identity: identity)
        var place: FailureFile?
        var rank: Rank?
        do {
            place = try FailureFile(path: folder.failure(rank: identity.rank))
            let document = try document.get()
            reporter.document = document
            let python = python ?? PythonStart(document, folder: folder)
            rank = try Rank(
                document: document, folder: folder, identity: identity, transport: transport, python: python.host(rank: identity.rank),
                termination: termination)
            try rank?.run()
            exit(0)
        } catch is Terminated {
            rank?.end(nil)
            // No finalize: the others are ending too, and would not answer.
            _exit(128 + SIGTERM)
        } catch {
            let report = reporter.report(error)
            let isWritten = place?.write(report) ?? false
            rank?.end(report)
            tell(report, of: identity, isWritten: isWritten, folder)
            transport.abort(code: failed)
        }
    }

    private static func measure(bytes: Int, seconds: Double) -> Never {
        do {
            if let rate = try TransportMeasurement(bytes: bytes, seconds: seconds).run() {
                let line = Array("transport_bytes_per_second: \(Int(rate))\n".utf8)
                _ = line.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            }
            exit(0)
        } catch {
            tell("weft-rank: \(error)")
            exit(failed)
        }
    }

    private static func read(_ path: String) throws -> RunDocument {
        let bytes: Data
        do {
            bytes = try Data(contentsOf: URL(filePath: path))
        } catch {
            throw StorageError(path: path, code: errno, isWriting: false)
        }
        do {
            return try WireJSON.decode(RunDocument.self, from: bytes)
        } catch {
            throw UnreadableDocument(path: path, reason: "\(error)")
        }
    }

    static func tell(_ report: FailureReport, of identity: RankIdentity, isWritten: Bool, _ folder: RunFolder) {
        let place = report.message.contains(identity.place) ? "" : "\(identity.place): "
        tell("weft-rank: \(place)\(report.message)")
        if let traceback = report.traceback { tell(traceback) }
        if !isWritten { tell("weft-rank: the report could not be written to \(folder.failure(rank: identity.rank))") }
    }

    static func tell(_ text: String) {
        let line = Array((text + "\n").utf8)
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

/// The run's document is not what this program expects.
struct UnreadableDocument: Error, CustomStringConvertible {
    let path: String
    let reason: String

    var description: String { "\(path) cannot be understood: \(reason)" }
}
