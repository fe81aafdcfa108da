// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

extension String {
    /// PostgreSQL's text cannot hold NUL.
    var replacingNUL: String {
        utf8.contains(0) ? String(String.UnicodeScalarView(unicodeScalars.map { $0 == "\0" ? "\u{FFFD}" : $0 })) : self
    }

    /// JSON that both PostgreSQL and ``WireJSON`` read, whatever a PE's interpreter took for JSON (`NaN`, lone surrogates).
    var storableJSON: String {
        let value = (try? WireJSON.decode(JSONValue.self, from: utf8)) ?? .object(["repr": .string(self)])
        let bytes = (try? WireJSON.encode(value)) ?? Array("null".utf8)
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension FailureReport {
    /// Its texts come from users' code, and PostgreSQL's JSON functions cannot read a NUL.
    var replacingNUL: FailureReport {
        var report = self
        report.message = message.replacingNUL
        report.node = node?.replacingNUL
        report.element = element?.replacingNUL
        report.datumSummary = datumSummary?.replacingNUL
        report.traceback = traceback?.replacingNUL
        return report
    }
}
