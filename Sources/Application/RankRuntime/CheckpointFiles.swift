// SPDX-License-Identifier: Apache-2.0

import Glibc
import WorkflowModel

/// The files of this rank's workers' parts of checkpoints (``RunFolder/checkpoints``).
///
/// A checkpoint begins only when the one before it is complete. So each worker has two of them at most, and one is whole.
struct CheckpointFiles {
    private let folder: String

    init(folder: RunFolder) { self.folder = folder.checkpoints }

    /// Notes that the worker's part is complete, and removes what it had before the last one.
    func complete(_ checkpoint: UInt32, worker: Int, _ part: CheckpointPart) throws {
        guard mkdir(folder, 0o755) == 0 || errno == EEXIST else { throw StorageError(path: folder, code: errno, isWriting: true) }
        let path = "\(folder)/\(Checkpoint.File.part(checkpoint, worker: worker).name)"
        let content = try WireJSON.encode(part)
        let file = open(path + ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        let isWritten = file >= 0 && write(file, content, content.count) == content.count
        let code = errno
        if file >= 0 { close(file) }
        guard isWritten else { throw StorageError(path: path, code: code, isWriting: true) }
        guard rename(path + ".new", path) == 0 else { throw StorageError(path: path, code: errno, isWriting: true) }
        guard checkpoint > 2 else { return }
        for file in [Checkpoint.File.part(checkpoint - 2, worker: worker), .state(checkpoint - 2, worker: worker)] {
            unlink("\(folder)/\(file.name)")
        }
    }
}
