// SPDX-License-Identifier: Apache-2.0

import ExecutionService
import HTTPTypes
import Hummingbird
import WorkflowModel

extension Call {
    /// The run's document at once and whenever it has changed.
    func followRun(_ id: RunID, for principal: Principal) async throws -> Response {
        _ = try await service.run(id, for: principal)
        return RunStream(service: service, run: id).response(as: .events, from: request.headers[.lastEventID]) { last, sink in
            let run = try await service.run(id, for: principal)
            let bytes = try WireJSON.encode(run)
            let tag = EntityTag(of: bytes).value
            if tag != last {
                last = tag
                try await sink.send(ServerSentEvent(id: tag, event: "run", data: String(decoding: bytes, as: UTF8.self)))
            }
            guard run.state.isFinal else { return .following }
            try await sink.send(StreamEnd(state: run.state).event)
            return .ended
        }
    }
}
