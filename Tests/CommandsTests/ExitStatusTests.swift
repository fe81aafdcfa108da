// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Testing
import WorkflowModel

@testable import Commands

struct ExitStatusTests {
    @Test(arguments: [
        (Problem.Kind.unauthorized, 4), (.forbidden, 4), (.notFound, 5), (.conflict, 1), (.invalid, 1), (.unavailable, 1),
        (.internalError, 1),
    ])
    func problems(kind: Problem.Kind, code: Int) { #expect(ExitStatus(of: Problem(kind, "x")).rawValue == Int32(code)) }

    @Test(arguments: [(RunState.succeeded, 0), (.failed, 3), (.cancelled, 1)])
    func endsOfRuns(state: RunState, code: Int) { #expect(ExitStatus(endOf: state).rawValue == Int32(code)) }

    @Test func theRest() async {
        #expect(ExitStatus(of: ValidationError("x")).rawValue == 2)
        #expect(ExitStatus(of: CommandFailure("x", status: .timeout)).rawValue == 124)
        #expect(ExitStatus(of: CancellationError()).rawValue == 1)
    }

    @Test func aTimeoutIsTold() async {
        let failure = await #expect(throws: CommandFailure.self) {
            try await withTimeout(0.01, "too long") { try await Task.sleep(for: .seconds(60)) }
        }
        #expect(failure == CommandFailure("too long", status: .timeout))
    }
}
