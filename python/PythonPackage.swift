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
    ]
}
