// SPDX-License-Identifier: Apache-2.0

/// The Python package `weft`, built into the programs that put it where interpreters find it.
package enum PythonPackage {
    /// Paths relative to a folder on `PYTHONPATH`.
    package static let files: [(path: String, contents: [UInt8])] = [
        ("weft/__init__.py", PackageResources.__init___py),
        ("weft/elements.py", PackageResources.elements_py),
        ("weft/graph.py", PackageResources.graph_py),
        ("weft/compat.py", PackageResources.compat_py),
        ("weft/hashing.py", PackageResources.hashing_py),
        ("weft/records.py", PackageResources.records_py),
        ("weft/loader.py", PackageResources.loader_py),
        ("weft/worker.py", PackageResources.worker_py),
        ("weft/channel.py", PackageResources.channel_py),
        ("weft/arena.py", PackageResources.arena_py),
        ("weft/chunks.py", PackageResources.chunks_py),
        ("weft/outbox.py", PackageResources.outbox_py),
        ("weft/stage.py", PackageResources.stage_py),
        ("weft/nursery.py", PackageResources.nursery_py),
        ("weft/aggregates.py", PackageResources.aggregates_py),
        ("weft/command.py", PackageResources.command_py),
        ("weft/documents.py", PackageResources.documents_py),
        ("weft/drawing.py", PackageResources.drawing_py),
        ("weft/monitoring.py", PackageResources.monitoring_py),
        ("weft/native.py", PackageResources.native_py),
        ("weft/provenance.py", PackageResources.provenance_py),
        ("weft/simple.py", PackageResources.simple_py),
        ("weft/testing_elements.py", PackageResources.testing_elements_py),
        ("weft/utilities.py", PackageResources.utilities_py),
        ("weft/chains.py", PackageResources.chains_py),
        ("weft/failures.py", PackageResources.failures_py),
        ("weft/hosts.py", PackageResources.hosts_py),
        ("weft/policy.py", PackageResources.policy_py),
        ("weft/printing.py", PackageResources.printing_py),
        ("weft/ports.py", PackageResources.ports_py),
        ("weft/ending.py", PackageResources.ending_py),
        ("weft/checkpoints.py", PackageResources.checkpoints_py),
        ("weft/profile.py", PackageResources.profile_py),
        ("weft/recorder.py", PackageResources.recorder_py),
        ("weft/values.py", PackageResources.values_py),
        ("weft/watch.py", PackageResources.watch_py),
    ]
}
