// SPDX-License-Identifier: Apache-2.0

/// Everything the ranks of one attempt need, as `run.json` in the attempt's folder. Written by the server before the launch,
/// read by `weft-rank` and by the Python workers; nothing else reaches a compute node.
package struct RunDocument: Sendable, Codable {
    package static let formatVersion = 2

    package var format: Int
    package var run: RunID
    package var attempt: Int
    package var graph: WorkflowGraph
    package var plan: Plan
    /// Inputs by element id, complete: one entry for each source.
    package var inputs: [String: SourceInput]
    /// Of an attempt that resumes earlier ones: the items, by element id, that it processes, under the numbers that they have in
    /// the input. `nil`: all.
    package var replayed: [String: [ItemRange]]?
    /// Where the workers find the state that their PEs begin with, of an attempt that goes on from a checkpoint.
    package var restored: RestoredState?
    /// Path of the Python interpreter on the compute node.
    package var interpreter: String
    /// File name of the workflow's module inside the folder's `module/`.
    package var module: String
    /// Attribute of the module that holds the graph; `nil` when the module has one graph only.
    package var attribute: String?
    package var capture: Capture
    /// Seconds that the ranks may take.
    package var timeLimit: Double?
    /// A nursery that has loaded the module listens already, on the one node that there is.
    package var isLoaded: Bool?

    package init(
        run: RunID, attempt: Int, graph: WorkflowGraph, plan: Plan, inputs: [String: SourceInput],
        replayed: [String: [ItemRange]]? = nil, restored: RestoredState? = nil, interpreter: String, module: String, attribute: String?,
        capture: Capture = .full,
        timeLimit: Double? = nil, isLoaded: Bool? = nil
    ) {
        format = Self.formatVersion
        self.run = run
        self.attempt = attempt
        self.graph = graph
        self.plan = plan
        self.inputs = inputs
        self.replayed = replayed
        self.restored = restored
        self.interpreter = interpreter
        self.module = module
        self.attribute = attribute
        self.capture = capture
        self.timeLimit = timeLimit
        self.isLoaded = isLoaded
    }

    private enum CodingKeys: String, CodingKey {
        case format, run, attempt, graph, plan, inputs, replayed, restored, interpreter, module, attribute, capture
        case timeLimit = "time_limit"
        case isLoaded = "loaded"
    }

    /// Name of the abstract Unix socket where a node's nursery listens.
    package static func nurseryAddress(run: RunID, attempt: Int) -> String { "weft-\(run)-\(attempt)" }

    /// Numbers of the items that the source is to process, in order.
    package func items(ofSource element: String) -> [Range<Int>] {
        inputs.items(ofSource: element, replayed: replayed)
    }
}

/// A checkpoint as the ranks of a later attempt find it.
package struct RestoredState: Sendable, Codable, Hashable {
    /// The folder with the checkpoint's files.
    package var folder: String
    package var checkpoint: UInt32

    package init(folder: String, checkpoint: UInt32) {
        self.folder = folder
        self.checkpoint = checkpoint
    }
}

/// What of a run's provenance is recorded.
package enum Capture: String, Sendable, Codable, CaseIterable {
    /// Every invocation and datum, and what was derived from what.
    case full
    /// Results, profiles, logs and failures only.
    case off
}

/// Where things are in an attempt's folder. Paths only; nothing here touches a disk.
package struct RunFolder: Sendable, Hashable {
    package var path: String

    package init(path: String) { self.path = path }

    /// The ``RunDocument``.
    package var document: String { path + "/run.json" }
    /// The registered module.
    package var module: String { path + "/module" }
    /// The `weft` Python package that workers import.
    package var python: String { path + "/python" }
    /// Working directory of the PEs; the files that they write stay here.
    package var work: String { path + "/work" }
    /// Segments, logs and failure reports of the ranks.
    package var ranks: String { path + "/ranks" }
    package func segment(rank: Int) -> String { ranks + "/rank-\(rank).segment" }
    package func log(rank: Int) -> String { ranks + "/rank-\(rank).log" }
    /// A ``FailureReport`` in JSON, padded with spaces: the file is allocated at start, so that a full disk can be reported.
    package func failure(rank: Int) -> String { ranks + "/rank-\(rank).failure" }
    /// Of an application: is there once its program has ended well on the rank, and all of that is recorded.
    package func done(rank: Int) -> String { ranks + "/rank-\(rank).done" }
    /// What PEs kept in memory at some moment, to be gone on from: `N-W.state` is what worker W's PEs gave at checkpoint N, pickled;
    /// `N-W.done` is there once all that the worker had recorded by then is in its rank's segment, and holds a ``CheckpointPart``.
    package var checkpoints: String { path + "/checkpoints" }
    /// The backend's own files: script, process id, exit status, output.
    package var launcher: String { path + "/launcher" }
    /// The environment modules that were loaded, one a line.
    package var modules: String { launcher + "/modules" }
}
