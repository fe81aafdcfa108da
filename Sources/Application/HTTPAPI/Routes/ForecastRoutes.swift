// SPDX-License-Identifier: Apache-2.0

import ExecutionService
import HTTPTypes
import Hummingbird
import WorkflowModel

extension Route {
    /// What will be, and what would be if something were otherwise. None of them changes anything.
    static let forecasts: [Route] = [
        .restricted(.post, "/forecasts/wait", .reading) { call, principal in
            try call.json(try await call.service.waitForecast(try await call.body(), for: principal))
        },
        .restricted(.get, "/forecasts/queue", .reading, query: ["horizon", "futures"]) { call, _ in
            let horizon = try call.query.integer("horizon", in: ForecastRules.horizons)
            let futures = try call.query.integer("futures", in: ForecastRules.futures)
            return try call.json(try await call.service.queueForecast(horizon: horizon, futures: futures))
        },
        .restricted(.post, "/whatif", .operating) { call, _ in
            try call.json(try await call.service.whatIf(try await call.body()))
        },
        .restricted(.post, "/advice", .operating) { call, _ in
            try call.json(try await call.service.advice(try await call.body()))
        },
    ]
}
