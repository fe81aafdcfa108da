// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import WorkflowModel

extension RankProgram {
    /// The whole life of a rank whose attempt runs an application. It uses no MPI: the program does, in its place.
    static func runApplication(_ document: RunDocument, _ folder: RunFolder, termination: Int32) -> Never {
        let environment = ProcessInfo.processInfo.environment
        let launcher = LauncherPlace(environment: environment)
        guard let number = launcher.rank else {
            tell("weft-rank: the launcher does not tell which rank this is: start it with mpirun -n \(document.plan.ranks)")
            exit(failed)
        }
        let identity = RankIdentity(rank: number)
        var place: FailureFile?
        var rank: ApplicationRank?
        do {
            place = try FailureFile(path: folder.failure(rank: number))
            rank = try ApplicationRank(
                document: document, folder: folder, identity: identity, ranks: launcher.size, termination: termination)
            try rank?.run(environment: environment)
            exit(0)
        } catch is Terminated {
            rank?.end(nil)
            _exit(128 + SIGTERM)
        } catch {
            let report = FailureReporter(identity: identity, document: document).report(error)
            let isWritten = place?.write(report) ?? false
            rank?.end(report)
            tell(report, of: identity, isWritten: isWritten, folder)
            // By this mpirun knows that it is to end the others.
            _exit(failed)
        }
    }
}
