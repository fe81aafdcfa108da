// SPDX-License-Identifier: Apache-2.0

/// Runs the body for at most so many seconds; `nil` for as long as it takes.
/// - Throws: ``CommandFailure`` with status `timeout` and this sentence when the time is over.
func withTimeout<Value: Sendable>(
    _ seconds: Double?, _ sentence: String, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    guard let seconds else { return try await body() }
    return try await withThrowingTaskGroup(of: Value.self) { group in
        defer { group.cancelAll() }
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: .seconds(seconds))
            throw CommandFailure(sentence, status: .timeout)
        }
        guard let value = try await group.next() else { throw CancellationError() }
        return value
    }
}
