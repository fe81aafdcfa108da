// SPDX-License-Identifier: Apache-2.0

import Postgres
package import WorkflowModel

extension Storage {
    /// Stores a graph and the PEs in it under a new version, unless the content is there already.
    ///
    /// - Parameter graph: with graph and source. Without a version in its reference it gets the next number. Its `owner` is
    ///   ignored.
    package func registerGraph(_ graph: RegisteredGraph, owner: Principal) async throws -> RegistrationOutcome {
        try await pool.transaction { connection in
            let user = try connection.userID(owner)
            if let holder = try connection.claimNamespace(graph.reference.namespace, for: user), !owner.scopes.contains(.admin) {
                return .namespaceTaken(owner: holder)
            }
            if let existing = try connection.graph(withContentOrVersionOf: graph) {
                return existing.digest == graph.digest ? .same(existing) : .conflict(existing)
            }
            return .created(try connection.insert(graph, owner: user))
        }
    }

    /// - Parameter reference: without a version: the one registered last.
    package func graph(_ reference: Reference) async throws -> RegisteredGraph? {
        try await pool.run { connection in try connection.graph(reference) }
    }

    /// Newest first, or, with `search`, best match first; without graph and source.
    ///
    /// - Parameter name: only the versions of this graph.
    package func graphs(search: String?, name: Reference?, page: PageRequest) async throws -> Page<RegisteredGraph> {
        let search = search.flatMap(SearchQuery.init)
        let list = RegistryList(
            table: "graph_version", columns: graphColumns, search: search,
            cursor: search == nil ? try Cursor(page, list: .graphs, keys: 1) : try Cursor(page, list: .foundGraphs, keys: 2))
        return try await pool.run { connection in
            let rows = try list.rows(on: connection, name: name, limit: page.size + 1)
            return try Page(rows, size: page.size, item: { try RegisteredGraph($0) }) {
                try list.cursor(after: $0, plain: .graphs, found: .foundGraphs)
            }
        }
    }

    /// - Parameter reference: without a version: the one registered last.
    package func element(_ reference: Reference) async throws -> RegisteredElement? {
        try await pool.run { connection in
            let rows = try connection.query(
                """
                SELECT \(elementColumns), element_version.source, \(ownerLabel) FROM element_version
                JOIN app_user ON app_user.id = element_version.owner
                WHERE namespace = $1 AND name = $2 AND ($3::text IS NULL OR version = $3) ORDER BY element_version.id DESC LIMIT 1
                """, reference.values)
            guard let row = rows.first else { return nil }
            var element = try RegisteredElement(row)
            element.source = try row.optional("source")
            element.usedBy = try connection.users(ofElements: [try row.value("id")])[try row.value("id")] ?? []
            return element
        }
    }

    /// Newest first, or, with `search`, best match first; without source.
    package func elements(search: String?, page: PageRequest) async throws -> Page<RegisteredElement> {
        let search = search.flatMap(SearchQuery.init)
        let list = RegistryList(
            table: "element_version", columns: elementColumns, search: search,
            cursor: search == nil ? try Cursor(page, list: .elements, keys: 1) : try Cursor(page, list: .foundElements, keys: 2))
        return try await pool.run { connection in
            let rows = try list.rows(on: connection, name: nil, limit: page.size + 1)
            let users = try connection.users(ofElements: try rows.map { try $0.value("id") })
            return try Page(
                rows, size: page.size,
                item: { row in
                    var element = try RegisteredElement(row)
                    element.usedBy = users[try row.value("id")] ?? []
                    return element
                }
            ) { try list.cursor(after: $0, plain: .elements, found: .foundElements) }
        }
    }
}

let graphColumns = """
    graph_version.id, namespace, graph_version.name, version, digest, registered_at, documentation, environment, attribute, filename,
    application
    """
private let elementColumns = """
    element_version.id, namespace, element_version.name, version, digest, registered_at, documentation, inputs, outputs
    """

// MARK: Registration

extension Connection {
    /// Makes the namespace the user's when it is nobody's, and keeps others from registering in it until the end of the
    /// transaction, so that versions are numbered without gaps or doubles.
    ///
    /// - Returns: who holds the namespace, when it is somebody else.
    fileprivate func claimNamespace(_ name: String, for user: Int64) throws -> String? {
        try query("INSERT INTO namespace (name, owner) VALUES ($1, $2) ON CONFLICT DO NOTHING", [.text(name), .int(user)])
        let rows = try query(
            """
            SELECT owner, \(ownerLabel) FROM namespace JOIN app_user ON app_user.id = namespace.owner
            WHERE name = $1 FOR UPDATE OF namespace
            """, [.text(name)])
        guard let row = rows.first else { throw StorageError.corrupt("no namespace \(name), which was just stored") }
        return try row.value("owner") == user ? nil : try row.value("owner_label")
    }

    /// The version that was asked for, or, where none was, the newest with the same content.
    fileprivate func graph(withContentOrVersionOf graph: RegisteredGraph) throws -> RegisteredGraph? {
        if graph.reference.version != nil { return try self.graph(graph.reference) }
        let rows = try query(
            "SELECT version FROM graph_version WHERE namespace = $1 AND name = $2 AND digest = $3 ORDER BY id DESC LIMIT 1",
            [.text(graph.reference.namespace), .text(graph.reference.name), .text(graph.digest)])
        guard let row = rows.first else { return nil }
        var reference = graph.reference
        reference.version = try row.value("version")
        return try self.graph(reference)
    }

    fileprivate func insert(_ graph: RegisteredGraph, owner: Int64) throws -> RegisteredGraph {
        guard let elements = graph.graph?.elements, let source = graph.source else {
            preconditionFailure("a graph is registered with its elements and its source")
        }
        let reference = Reference(
            namespace: graph.reference.namespace, name: graph.reference.name,
            version: try graph.reference.version
                ?? nextVersion(in: "graph_version", namespace: graph.reference.namespace, name: graph.reference.name))
        let rows = try query(
            """
            INSERT INTO graph_version (namespace, name, version, digest, owner, registered_at, documentation, environment, attribute,
                filename, application, graph, source, element_names, element_texts)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING id
            """,
            [
                .text(reference.namespace), .text(reference.name), .text(reference.version), .text(graph.digest), .int(owner),
                .timestamp(graph.registeredAt), .text(graph.documentation?.replacingNUL), .text(graph.environment),
                .text(graph.attribute), .text(graph.filename), .text(graph.application?.rawValue), try .json(graph.graph),
                .text(source.replacingNUL),
                .text(elements.flatMap { [$0.name, $0.className] }.joined(separator: " ").replacingNUL),
                .text(elements.compactMap(\.documentation).joined(separator: "\n").replacingNUL),
            ])
        guard let id: Int64 = try rows.first?.value("id") else { throw StorageError.noGraph(reference) }
        for element in elements {
            let version = try insert(element, namespace: reference.namespace, owner: owner, at: .timestamp(graph.registeredAt))
            try query(
                "INSERT INTO graph_element (graph_version, element_version) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                [.int(id), .int(version)])
        }
        guard let stored = try self.graph(reference) else { throw StorageError.noGraph(reference) }
        return stored
    }

    /// - Returns: the key of the PE's version, new or found by its digest.
    private func insert(_ element: ProcessElement, namespace: String, owner: Int64, at time: PostgresValue) throws -> Int64 {
        let name = Self.registryName(ofClass: element.className)
        let found = try query(
            "SELECT id FROM element_version WHERE namespace = $1 AND name = $2 AND digest = $3",
            [.text(namespace), .text(name), .text("sha256:" + element.digest)])
        if let row = found.first { return try row.value("id") }
        let rows = try query(
            """
            INSERT INTO element_version (namespace, name, version, digest, owner, registered_at, documentation, inputs, outputs, source)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id
            """,
            [
                .text(namespace), .text(name), .text(try nextVersion(in: "element_version", namespace: namespace, name: name)),
                .text("sha256:" + element.digest), .int(owner), time, .text(element.documentation?.replacingNUL),
                try .json(element.inputs), try .json(element.outputs), .text(element.source?.replacingNUL),
            ])
        guard let row = rows.first else { throw StorageError.corrupt("no row for a PE that was just stored") }
        return try row.value("id")
    }

    private func nextVersion(in table: String, namespace: String, name: String) throws -> String {
        let rows = try query(
            """
            SELECT coalesce(max(version::bigint), 0) + 1 AS next FROM \(table)
            WHERE namespace = $1 AND name = $2 AND version ~ '^[0-9]{1,18}$'
            """, [.text(namespace), .text(name)])
        return try rows.first?.value("next") ?? "1"
    }

    /// Class names are not bound to what a ``Reference`` may hold (`<lambda>`).
    private static func registryName(ofClass name: String) -> String {
        let allowed = String(name.unicodeScalars.map { Reference.isName("x\($0)") ? Character($0) : "_" }.prefix(64))
        return Reference.isName(allowed) ? allowed : String("x\(allowed)".prefix(64))
    }
}

// MARK: Reading

extension Connection {
    func graph(_ reference: Reference) throws -> RegisteredGraph? {
        let rows = try query(
            """
            SELECT \(graphColumns), graph, graph_version.source, \(ownerLabel) FROM graph_version
            JOIN app_user ON app_user.id = graph_version.owner
            WHERE namespace = $1 AND name = $2 AND ($3::text IS NULL OR version = $3) ORDER BY graph_version.id DESC LIMIT 1
            """, reference.values)
        return try rows.first.map { row in
            var graph = try RegisteredGraph(row)
            graph.graph = try row.json("graph")
            graph.source = try row.value("source")
            return graph
        }
    }

    /// The graphs that use each of the PEs, newest first.
    fileprivate func users(ofElements elements: [Int64]) throws -> [Int64: [Reference]] {
        let rows = try query(
            """
            SELECT element_version AS element, namespace, name, version FROM graph_element
            JOIN graph_version ON graph_version.id = graph_element.graph_version
            WHERE element_version = ANY ($1) ORDER BY graph_version.id DESC
            """, [.ints(elements)])
        return try Dictionary(rows.map { (try $0.value("element"), [try $0.reference()]) }, uniquingKeysWith: +)
    }
}

extension Reference {
    fileprivate var values: [PostgresValue] { [.text(namespace), .text(name), .text(version)] }
}

extension RegisteredGraph {
    /// From ``graphColumns`` and ``ownerLabel``.
    init(_ row: Row) throws {
        self.init(
            reference: try row.reference(), digest: try row.value("digest"), owner: try row.value("owner_label"),
            registeredAt: try row.value("registered_at"), documentation: try row.optional("documentation"),
            environment: try row.optional("environment"), attribute: try row.optional("attribute"), filename: try row.value("filename"),
            application: try row.optionalName("application"), graph: nil, source: nil)
    }
}

extension RegisteredElement {
    fileprivate init(_ row: Row) throws {
        self.init(
            reference: try row.reference(), digest: try row.value("digest"), owner: try row.value("owner_label"),
            registeredAt: try row.value("registered_at"), documentation: try row.optional("documentation"),
            inputs: try row.json("inputs"), outputs: try row.json("outputs"), source: nil, usedBy: [])
    }
}

/// A search as its two forms: what the user wrote, in the syntax of web searches, and its words as prefixes, so that
/// `corr` finds `correlate`.
private struct SearchQuery {
    let text: String
    let prefixes: String?

    /// Nil when nothing is asked for.
    init?(_ text: String) {
        self.text = text.replacingNUL
        let words = text.split { !($0.isLetter || $0.isNumber) }.prefix(20)
        guard !words.isEmpty else { return nil }
        // Quotes and minus signs mean something else than prefixes.
        let isPlain = !text.contains("\"") && !text.contains(" -") && !text.hasPrefix("-")
        prefixes = isPlain ? words.map { "\($0):*" }.joined(separator: " & ") : nil
    }
}

/// A list of the registry, page by page: newest first, or best match first.
private struct RegistryList {
    let table: String
    let columns: String
    let search: SearchQuery?
    let cursor: Cursor?

    func rows(on connection: Connection, name: Reference?, limit: Int) throws -> Rows {
        let filter = "($1::text IS NULL OR namespace = $1 AND \(table).name = $2) AND ($3::text IS NULL OR version = $3)"
        let values: [PostgresValue] = [.text(name?.namespace), .text(name?.name), .text(name?.version), .int(limit)]
        guard let search else {
            return try connection.query(
                """
                SELECT \(columns), \(ownerLabel) FROM \(table) JOIN app_user ON app_user.id = \(table).owner
                WHERE \(filter) AND ($5::bigint IS NULL OR \(table).id < $5) ORDER BY \(table).id DESC LIMIT $4
                """, values + [.text(cursor?.keys[0])])
        }
        return try connection.query(
            """
            SELECT * FROM (
                SELECT \(columns), \(ownerLabel), ts_rank(search, query)::real AS rank
                FROM (SELECT websearch_to_tsquery('english', $5) || to_tsquery('simple', coalesce($6, '')) AS query) AS query,
                    \(table) JOIN app_user ON app_user.id = \(table).owner
                WHERE search @@ query AND \(filter)
            ) AS found
            WHERE $7::real IS NULL OR (rank, id) < ($7::real, $8::bigint) ORDER BY rank DESC, id DESC LIMIT $4
            """,
            values + [.text(search.text), .text(search.prefixes), .text(cursor?.keys[0]), .text(cursor?.keys[1])])
    }

    func cursor(after row: Row, plain: Cursor.List, found: Cursor.List) throws -> String {
        search == nil ? Cursor.text(plain, try row.value("id")) : Cursor.text(found, try row.value("rank"), try row.value("id"))
    }
}
