// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// What a JSON web token says of itself. Nothing is verified: that is the server's part; this is for showing and renewing.
struct TokenClaims: Decodable, Equatable {
    var issuer: String?
    var subject: String?
    var expiresAt: Date?

    private enum CodingKeys: String, CodingKey {
        case issuer = "iss"
        case subject = "sub"
        case expires = "exp"
    }

    init?(token: String) {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        var text = String(parts[1]).replacing("-", with: "+").replacing("_", with: "/")
        text += String(repeating: "=", count: (4 - text.count % 4) % 4)
        guard let data = Data(base64Encoded: text), let claims = try? WireJSON.decode(TokenClaims.self, from: data) else { return nil }
        self = claims
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        issuer = try container.decodeIfPresent(String.self, forKey: .issuer)
        subject = try container.decodeIfPresent(String.self, forKey: .subject)
        expiresAt = try container.decodeIfPresent(Double.self, forKey: .expires).map { Date(timeIntervalSince1970: $0) }
    }
}
