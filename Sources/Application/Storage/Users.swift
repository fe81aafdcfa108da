// SPDX-License-Identifier: Apache-2.0

import Postgres
import WorkflowModel

extension Connection {
    func userID(_ principal: Principal) throws -> Int64 {
        let values: [PostgresValue] = [.text(principal.issuer), .text(principal.subject)]
        if let row = try query("SELECT id FROM app_user WHERE issuer = $1 AND subject = $2", values).first { return try row.value("id") }
        // The update that changes nothing makes the row of a request that was faster visible.
        let rows = try query(
            """
            INSERT INTO app_user (issuer, subject) VALUES ($1, $2)
            ON CONFLICT (issuer, subject) DO UPDATE SET subject = excluded.subject RETURNING id
            """, values)
        guard let row = rows.first else { throw StorageError.corrupt("no row for a user that was just stored") }
        return try row.value("id")
    }
}

/// SQL for ``Principal/label`` of the user `app_user`.
let ownerLabel = "app_user.subject || '@' || app_user.issuer AS owner_label"
