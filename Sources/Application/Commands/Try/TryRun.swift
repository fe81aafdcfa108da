// SPDX-License-Identifier: Apache-2.0

import Backends
import FoundationEssentials
import Glibc
import Provenance
import WorkflowModel

/// Starts the ranks of one attempt on this machine and stays with them to their end.
struct TryRun {
    /// How long a look at what the ranks write may wait.
    private static let lookMilliseconds: Int64 = 40
    /// How long ranks may stay after one has failed, or `mpirun` after it was asked to end.
    private static let grace = Duration.seconds(3)

    private let document: RunDocument
    private let launch: Launch
    private let backend: LocalMPI
    private let interruption: Interruption
    private let environment: [String: String]
    private let show: (LogLine) throws -> Void
    private var readers: [SegmentReader]
    private(set) var observation: TryObservation
    private var progress: TryProgress

    init(
        document: RunDocument, folder: RunFolder, backend: LocalMPI, environment: [String: String], interruption: Interruption,
        show: @escaping (LogLine) throws -> Void
    ) {
        self.document = document
        self.backend = backend
        self.interruption = interruption
        self.environment = environment
        self.show = show
        launch = Launch(
            run: document.run, attempt: document.attempt, folder: folder,
            resources: ResourceRequest(ranks: document.plan.ranks, memoryPerRank: 0))
        readers = (0..<document.plan.ranks).map { SegmentReader(run: document.run, rank: $0, folder: folder) }
        observation = TryObservation(graph: document.graph, plan: document.plan)
        progress = TryProgress(terminal: .chatter)
    }

    /// - Parameter module: what workers are forked from; ended with the run.
    /// - Returns: why it failed; nil where it succeeded.
    /// - Throws: `SilentExit` after an interruption.
    mutating func follow(_ module: inout TriedModule) throws -> FailureReport? {
        let folder = launch.folder
        let output = open("\(folder.launcher)/output", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard output >= 0 else { throw systemFailure("'\(folder.launcher)/output' cannot be made") }
        defer { close(output) }
        let variables = environment.merging(LocalMPI.environment(of: launch).map { ($0.name, $0.value) }) { $1 }
        let mpirun = try ChildProcess(
            backend.command(for: launch), environment: variables, directory: folder.work, descriptors: [output, output])
        do {
            try stay(with: mpirun, &module)
        } catch {
            _ = end(mpirun)
            throw error
        }
        let status = end(mpirun)
        module.end()
        try show(module.printed())
        var damage: FailureReport?
        do {
            while try look() {}
        } catch let error as SegmentError {
            damage = FailureReport(cause: .protocolViolation, message: "A rank's record is damaged \(error).", at: Date())
        }
        if let failure = try folder.firstFailure(ranks: launch.ranks) ?? damage { return failure }
        if status == 0, readers.allSatisfy(\.hasEnded) { return nil }
        return backend.explain(launch, LaunchEnd(.exited(status)), plan: document.plan, graph: document.graph)
    }

    /// Until it ends, or a rank has failed and `mpirun` does not end the others.
    /// - Throws: `SilentExit` after an interruption, or when nobody reads what is shown.
    private mutating func stay(with mpirun: ChildProcess, _ module: inout TriedModule) throws {
        defer { progress.clear() }
        var failed: ContinuousClock.Instant?
        while !Interruption.isReadable(mpirun.watch) {
            interruption.wait(for: [mpirun.watch] + module.interest, milliseconds: Self.lookMilliseconds)
            if interruption.hasCome { throw SilentExit(status: .interrupted) }
            try show(module.printed())
            do {
                try look()
            } catch is SegmentError {
                // Told at the end, when it is read again.
                return
            }
            if failed == nil, progress.isDue(), try launch.folder.firstFailure(ranks: launch.ranks) != nil { failed = .now }
            if let failed, .now - failed > Self.grace { return }
            progress.draw(observation)
        }
    }

    private mutating func show(_ printed: [String]) throws {
        guard !printed.isEmpty else { return }
        progress.clear()
        for text in printed {
            try show(
                LogLine(
                    sequence: 0, attempt: document.attempt, rank: 0, element: nil, instance: nil, stream: .stderr, at: Date(), text: text))
        }
    }

    /// Leaves no process behind.
    private func end(_ mpirun: ChildProcess) -> Int {
        if !Interruption.isReadable(mpirun.watch) {
            // Asked, it removes what its ranks share.
            _ = try? backend.cancel(launch, force: false)
            let deadline = ContinuousClock.now + Self.grace
            while !Interruption.isReadable(mpirun.watch), .now < deadline { Self.pause(for: mpirun.watch) }
            mpirun.kill()
            while !Interruption.isReadable(mpirun.watch) { Self.pause(for: mpirun.watch) }
        }
        let status = mpirun.reap()
        _ = try? backend.cancel(launch, force: true)
        return status
    }

    private static func pause(for descriptor: Int32) {
        var interest = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
        poll(&interest, 1, 50)
    }

    /// Takes what the ranks have written since the last look.
    /// - Returns: whether there was anything.
    @discardableResult
    private mutating func look() throws -> Bool {
        var found = false
        for rank in readers.indices {
            for record in try readers[rank].next() {
                found = true
                guard let line = observation.take(record, rank: rank) else { continue }
                progress.clear()
                try show(line)
            }
        }
        return found
    }
}

/// A line on the terminal that says how far the PEs are.
struct TryProgress {
    private static let interval = Duration.milliseconds(250)
    private static let width = 79

    private let terminal: Terminal
    private let start = ContinuousClock.now
    private var drawn: ContinuousClock.Instant?
    private var looked = ContinuousClock.now
    private var isShown = false

    init(terminal: Terminal) { self.terminal = terminal }

    /// Whether it is time for what need not be done often.
    mutating func isDue() -> Bool {
        guard .now - looked > Self.interval else { return false }
        looked = .now
        return true
    }

    mutating func draw(_ observation: TryObservation) {
        guard terminal.redraws, drawn.map({ .now - $0 > Self.interval }) ?? true else { return }
        drawn = .now
        isShown = true
        let seconds = (ContinuousClock.now - start) / Duration.seconds(1)
        let counts = observation.elementProfiles.map { "\($0.element) \($0.calls)" }.joined(separator: "  ")
        StandardStreams.drawChatter("\r\u{1B}[K" + Format.shortened("\(Format.duration(seconds))  \(counts)".printable, to: Self.width))
    }

    mutating func clear() {
        guard isShown else { return }
        isShown = false
        StandardStreams.drawChatter("\r\u{1B}[K")
    }
}
