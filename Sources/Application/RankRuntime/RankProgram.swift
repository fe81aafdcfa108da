// SPDX-License-Identifier: Apache-2.0

import CPosix
import FoundationEssentials
import Glibc
import MPITransport
import PythonHost
import WorkflowModel

/// `weft-rank FOLDER`, the MPI program: started by `mpirun` once for each rank of a plan, it hosts the rank's workers, moves
/// data between them and those of the other ranks, and writes down what happens. `FOLDER` is a ``RunFolder``.
package enum RankProgram {
    /// A rank has failed; the report is in its failure file.
    private static let failed: Int32 = 3

    package static func main(_ arguments: [String]) -> Never {
        guard arguments.count == 2, let path = realpath(arguments[1], nil) else {
            tell("usage: mpirun -n RANKS weft-rank FOLDER, where FOLDER is an attempt's folder with its run.json")
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
        let transport: MPITransport
        do {
            transport = try MPITransport.start()
        } catch {
            tell("weft-rank: \(error)")
            exit(failed)
        }
        run(folder, transport: transport, termination: termination)
    }

    private static func run(_ folder: RunFolder, transport: MPITransport, termination: Int32) -> Never {
        let identity = RankIdentity(rank: transport.rank)
        var reporter = FailureReporter(identity: identity)
        var place: FailureFile?
        var rank: Rank?
        do {
            place = try FailureFile(path: folder.failure(rank: identity.rank))
            let document = try read(folder.document)
            reporter.document = document
            rank = try Rank(
                document: document, folder: folder, identity: identity, transport: transport, termination: termination)
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
            let place = report.message.contains(identity.place) ? "" : "\(identity.place): "
            tell("weft-rank: \(place)\(report.message)")
            if let traceback = report.traceback { tell(traceback) }
            if !isWritten { tell("weft-rank: the report could not be written to \(folder.failure(rank: identity.rank))") }
            transport.abort(code: failed)
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

    private static func tell(_ text: String) {
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
