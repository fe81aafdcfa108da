// SPDX-License-Identifier: Apache-2.0

import Postgres
import Testing
import WorkflowModel

@testable import Storage

@Suite struct RegistryTests {
    @Test func versionsAreNumberedAndTheSameContentIsTheSameVersion() async throws {
        let (storage, _) = try await freshStorage()
        let first = try await storage.register(registration("alice/words", digest: "sha256:a"))
        #expect(first.reference.description == "alice/words@1")
        #expect(first.owner == alice.label)
        #expect(first.graph == wordCount)
        let second = try await storage.register(registration("alice/words", digest: "sha256:b"))
        #expect(second.reference.version == "2")
        #expect(try await storage.registerGraph(registration("alice/words", digest: "sha256:a"), owner: alice) == .same(first))
        #expect(try await storage.graph(Reference("alice/words")) == second)
        #expect(try await storage.graph(Reference("alice/words@1")) == first)
        #expect(try await storage.graph(Reference("alice/words@3")) == nil)
    }

    @Test func aVersionThatIsAskedForIsTakenOnce() async throws {
        let (storage, _) = try await freshStorage()
        let named = try await storage.register(registration("alice/words", version: "1.0", digest: "sha256:a"))
        #expect(named.reference.version == "1.0")
        let again = try await storage.registerGraph(registration("alice/words", version: "1.0", digest: "sha256:a"), owner: alice)
        #expect(again == .same(named))
        let other = try await storage.registerGraph(registration("alice/words", version: "1.0", digest: "sha256:b"), owner: alice)
        #expect(other == .conflict(named))
        // Names that are no numbers do not disturb the numbering.
        #expect(try await storage.register(registration("alice/words", digest: "sha256:c")).reference.version == "1")
    }

    @Test func aNamespaceBelongsToItsFirstUser() async throws {
        let (storage, _) = try await freshStorage()
        _ = try await storage.register(registration("alice/words"))
        let taken = try await storage.registerGraph(registration("alice/other", digest: "sha256:b"), owner: bob)
        #expect(taken == .namespaceTaken(owner: alice.label))
        #expect(try await storage.graph(Reference("alice/other")) == nil)
        _ = try await storage.register(registration("alice/other", digest: "sha256:b"), by: admin)
    }

    @Test func concurrentRegistrationsGetDifferentVersionsWithoutGaps() async throws {
        let (storage, _) = try await freshStorage()
        let versions = try await withThrowingTaskGroup { group in
            for index in 0..<12 {
                group.addTask {
                    try await storage.register(registration("alice/words", digest: "sha256:\(index)")).reference.version ?? ""
                }
            }
            return try await group.reduce(into: [String]()) { $0.append($1) }
        }
        #expect(Set(versions) == Set((1...12).map { "\($0)" }))
    }

    @Test func concurrentRegistrationsOfTheSameContentMakeOneVersion() async throws {
        let (storage, pool) = try await freshStorage()
        let created = try await withThrowingTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    if case .created = try await storage.registerGraph(registration("alice/words"), owner: alice) { 1 } else { 0 }
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(created == 1)
        #expect(try await pool.count("graph_version") == 1)
    }

    @Test func elementsHaveVersionsOfTheirOwnAndKnowTheirGraphs() async throws {
        let (storage, _) = try await freshStorage()
        _ = try await storage.register(registration("alice/words"))
        var changed = wordCount
        changed.elements[1].digest = "d-count-2"
        changed.elements[1].className = "<lambda>"
        _ = try await storage.register(registration("alice/others", digest: "sha256:b", graph: changed))
        let read = try #require(try await storage.element(Reference("alice/Read")))
        #expect(read.reference.version == "1")
        #expect(read.source == "class Read: …")
        #expect(read.digest == "sha256:d-read")
        #expect(read.outputs == ["lines"])
        #expect(read.usedBy.map(\.description) == ["alice/others@1", "alice/words@1"])
        let all = try await storage.elements(search: nil, page: PageRequest()).items
        #expect(all.map(\.reference.description) == ["alice/x_lambda_@1", "alice/CountWords@1", "alice/Read@1"])
        #expect(all[1].usedBy.map(\.description) == ["alice/words@1"])
    }

    @Test(arguments: [
        ("correlat", ["alice/CorrelatePairs@1"]), ("pairs of stations", ["alice/CorrelatePairs@1"]),
        ("\"waveform archive\"", ["alice/fetch_waves@1"]), ("waves", ["alice/fetch_waves@1"]),
        ("corpus -waveform", ["alice/CorrelatePairs@1"]), ("CountWords", ["alice/CorrelatePairs@1", "alice/fetch_waves@1"]),
        ("nothing-of-this", []), ("' ); DROP TABLE run; --", []), ("the:* & | !", []),
    ])
    func searchFindsNamesDocumentationAndElements(query: String, found: [String]) async throws {
        let (storage, _) = try await freshStorage()
        _ = try await storage.register(registration("alice/CorrelatePairs", documentation: "Correlates pairs of stations."))
        _ = try await storage.register(
            registration("alice/fetch_waves", digest: "sha256:b", documentation: "Reads from a waveform archive."))
        let page = try await storage.graphs(search: query, name: nil, page: PageRequest())
        #expect(Set(page.items.map(\.reference.description)) == Set(found))
        #expect(page.items.allSatisfy { $0.graph == nil && $0.source == nil })
    }

    @Test func aProgramIsKeptAndNotSearchedForWords() async throws {
        let (storage, _) = try await freshStorage()
        var program = registration(
            "alice/a.out", digest: "sha256:p", graph: WorkflowGraph(application: .mpi, program: "a.out", digest: "d-program"))
        program.application = .mpi
        program.source = "zebra+zebra"
        let stored = try await storage.register(program)
        #expect(stored.application == .mpi && stored.source == "zebra+zebra" && stored.graph?.application == .mpi)
        var module = registration("alice/words", digest: "sha256:m")
        module.source = "zebra"
        _ = try await storage.register(module)
        let found = try await storage.graphs(search: "zebra", name: nil, page: PageRequest()).items
        #expect(found.map(\.reference.name) == ["words"])
        let named = try await storage.graphs(search: "out", name: nil, page: PageRequest()).items
        #expect(named.map(\.application) == [.mpi])
    }

    @Test func listsAreReadPageByPage() async throws {
        let (storage, _) = try await freshStorage()
        for index in 0..<7 {
            _ = try await storage.register(registration("alice/g\(index % 2)", digest: "sha256:\(index)", documentation: "corpus"))
        }
        let all = try await allPages(size: 3) { try await storage.graphs(search: nil, name: nil, page: $0) }
        #expect(all.map(\.digest) == (0..<7).reversed().map { "sha256:\($0)" })
        let found = try await allPages(size: 2) { try await storage.graphs(search: "corpus", name: nil, page: $0) }
        #expect(Set(found.map(\.digest)) == Set(all.map(\.digest)))
        #expect(found.count == 7)
        for rank in ["nan", "1e300", "x"] {
            await #expect(throws: Problem.self, "\(rank)") {
                let cursor = Cursor.text(.foundGraphs, rank, "1")
                _ = try await storage.graphs(search: "corpus", name: nil, page: PageRequest(size: 1, cursor: cursor))
            }
        }
        let versions = try await allPages(size: 1) { try await storage.graphs(search: nil, name: Reference("alice/g1"), page: $0) }
        #expect(versions.map(\.digest) == ["sha256:5", "sha256:3", "sha256:1"])
    }

    @Test(arguments: ["", "nonsense", "cnVuczox", "Z3JhcGhzOng", "🙂"])
    func aBadCursorIsRefused(cursor: String) async throws {
        let (storage, _) = try await freshStorage()
        await #expect {
            try await storage.graphs(search: nil, name: nil, page: PageRequest(size: 1, cursor: cursor))
        } throws: { error in
            (error as? Problem)?.kind == .invalid && (error as? Problem)?.errors.first?.pointer == "cursor"
        }
    }
}
