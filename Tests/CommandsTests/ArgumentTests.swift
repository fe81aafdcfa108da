// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Testing
import WorkflowModel

@testable import Commands

struct ArgumentTests {
    private func parse<Command: ParsableArguments>(_ words: String, as type: Command.Type) throws -> Command {
        let command = try Weft.parseAsRoot(words.split(separator: " ").map(String.init))
        return try #require(command as? Command)
    }

    @Test func submitTakesDispel4pysInputs() throws {
        let submit = try parse(
            #"run submit demo/count@2 -d {"Read":[{"input":1}]} -n 4 --layout spread --memory 512 --name x"#, as: RunSubmit.self)
        #expect(
            try submit.demand.request(for: #require(submit.demand.graph))
                == RunRequest(
                    graph: Reference("demo/count@2"), inputs: .byElement(["Read": .items([["input": 1]])]), ranks: 4, layout: .spread,
                    memoryPerRank: 512, name: "x"))
        #expect(try parse("plan demo/count --priority low", as: PlanCommand.self).demand.needs.needs == RunNeeds(priority: .low))
        #expect(RunNeeds(priority: .high).summary == "priority high" && RunNeeds(priority: .normal).summary == nil)
        #expect(try parse("run submit demo/count -i 7", as: RunSubmit.self).demand.inputs.read() == .iterations(7))
        #expect(try parse("plan demo/count --ranks 3", as: PlanCommand.self).demand.placing.ranks == 3)
    }

    @Test func theNumberOfRanksMayBeLeftToThePlanner() throws {
        let graph = try Reference("demo/count")
        #expect(
            try parse("plan demo/count --deadline 45m --max-ranks 16 --explain", as: PlanCommand.self).demand.request(
                for: graph, dryRun: true)
                == RunRequest(graph: graph, deadline: 2700, maximumRanks: 16, dryRun: true))
        #expect(
            try parse("run submit demo/count -n auto --budget 1.5 --no-history", as: RunSubmit.self).demand.request(for: graph)
                == RunRequest(graph: graph, ranks: .auto, budget: 1.5, usesHistory: false))
    }

    @Test func submitTakesAProgramAndItsArguments() throws {
        let submit = try parse("run submit --mpi ./a.out -n 8 --name x -- -v 3 file", as: RunSubmit.self)
        #expect(submit.demand.graph == nil && submit.demand.application.program == "./a.out")
        let graph = try Reference("anna/a.out")
        #expect(
            try submit.demand.request(for: graph, dryRun: true)
                == RunRequest(graph: graph, arguments: ["-v", "3", "file"], ranks: 8, name: "x", dryRun: true))
        #expect(try parse("plan --mpi a.out", as: PlanCommand.self).demand.request(for: graph).arguments == nil)
        #expect(try parse("run submit anna/a.out -- 3", as: RunSubmit.self).demand.application.arguments == ["3"])
    }

    @Test(arguments: [
        "run submit", "run submit noslash", "run submit demo/x -n 0", "run submit demo/x -d {", "run submit demo/x -d 1 -i 2",
        "run submit demo/x --mpi a.out", "run submit demo/x --priority urgent", "run submit --mpi a.out demo/x", "plan --mpi",
        "try", "try a.py b.py",
        "try a.py --profile b.csv", "try a.py -n 0", "try a.py -i 1 -d 1", "try a.py --time-limit 0", "run list --state asleep",
        "run list --limit -1", "up --port 70000", "up --slots 0", "nonsense", "plan demo/x -n some", "plan demo/x --deadline soon",
        "plan demo/x -n 4 --max-ranks 8", "plan demo/x --deadline 5m --budget 1", "plan demo/x --budget 0", "try a.py -n auto",
        "graph draw a/b --format png",
        "run retry @latest --dry-run", "prov trace run_x --back --forward", "prov trace x --depth 0",
    ])
    func wrongUsageExitsWithTwo(words: String) {
        #expect(throws: (any Error).self) {
            do {
                _ = try Weft.parseAsRoot(words.split(separator: " ").map(String.init))
            } catch {
                #expect(ExitStatus(of: error) == .usage)
                throw error
            }
        }
    }

    @Test func tryTakesDispel4pysInputs() throws {
        let trial = try parse(#"try flow.py -d {"Read":2} -n 3 --layout spread --graph main --profile costs.json -o json"#, as: Try.self)
        #expect(try trial.inputs.read() == .byElement(["Read": .count(2)]))
        #expect(trial.file == "flow.py" && trial.profileFile == "costs.json" && trial.profile && trial.graph == "main")
        #expect(trial.placing.ranks == 3 && trial.placing.layout == .spread)
    }

    @Test func helpIsNoError() throws {
        do {
            var command = try Weft.parseAsRoot(["run", "submit", "--help"])
            try command.run()
            Issue.record("--help ran something")
        } catch {
            #expect(ExitStatus(of: error) == .ok)
        }
    }

    @Test func theQuietFlagMeansNames() throws {
        #expect(try parse("run list -q", as: RunList.self).output.format == .name)
        #expect(try parse("run list -o json", as: RunList.self).output.format == .json)
        #expect(try parse("run list", as: RunList.self).output.format == .table)
    }

    @Test func statesMayBeRepeated() throws {
        #expect(try parse("run list --state failed --state running", as: RunList.self).state == [.failed, .running])
    }

    @Test func aTraceGoesBackUnlessToldOtherwise() throws {
        #expect(try parse("prov failures x --skipped --attempt 2", as: ProvenanceFailures.self).skipped)
        #expect(try parse("prov trace x", as: ProvenanceTrace.self).direction == .back)
        #expect(try parse("prov trace x --forward --depth 3", as: ProvenanceTrace.self).direction == .forward)
    }

    @Test(arguments: [("anna", "word-count.py", "anna/word-count"), ("a b", "_my graph.py", "a-b/my-graph"), ("x", "plain", "x/plain")])
    func theDefaultNameIsUserAndFile(user: String, file: String, name: String) throws {
        #expect(try GraphRegister.defaultName(user: user, filename: file).description == name)
    }

    @Test func noNameCanBeMadeOfSymbols() {
        #expect(throws: (any Error).self) { try GraphRegister.defaultName(user: "x", filename: "---.py") }
    }
}
