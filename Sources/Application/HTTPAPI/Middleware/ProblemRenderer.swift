// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import Logging
import WorkflowModel

/// Makes every error an answer in `application/problem+json`, and sets the headers that every answer has.
struct ProblemRenderer: RouterMiddleware {
    typealias Context = APIContext

    func handle(_ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response) async throws
        -> Response
    {
        var response: Response
        do {
            response = try await next(request, context)
        } catch let refusal as Refusal {
            response = .problem(refusal.problem, headers: refusal.headers)
        } catch let problem as Problem {
            response = .problem(problem)
        } catch let broken as BrokenBody {
            throw broken.cause
        } catch let error as any HTTPResponseError {
            response = Self.answer(to: error, request)
        } catch {
            context.logger.error("request failed", metadata: ["error": "\(error)"])
            let detail = "The server failed to answer; its log has the reason under this answer's X-Request-ID."
            response = .problem(Problem(.internalError, detail))
        }
        response.headers[.contentTypeOptions] = "nosniff"
        return response
    }

    /// Errors that Hummingbird itself raises.
    private static func answer(to error: any HTTPResponseError, _ request: Request) -> Response {
        guard error.status == .notFound else {
            let kind = Problem.Kind.allCases.first { $0.status == error.status.code } ?? .badRequest
            return .problem(Problem(kind, "The request cannot be understood."))
        }
        let path = String(request.uri.path.prefix(200))
        let allowed = Route.methods(at: request.uri.path).map(\.rawValue).sorted().joined(separator: ", ")
        guard !allowed.isEmpty else {
            return .problem(Problem(.notFound, "There is nothing at \(path): GET /openapi.yaml describes what there is."))
        }
        return .problem(
            Problem(.methodNotAllowed, "\(path) does not answer to \(request.method.rawValue.prefix(20)), only to \(allowed)."),
            headers: [.allow: allowed])
    }
}
