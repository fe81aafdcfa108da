// SPDX-License-Identifier: Apache-2.0

import Testing
import WorkflowModel

struct CheckpointTests {
    @Test func filesAreNamedByNumberAndWorker() {
        for file in [Checkpoint.File.state(3, worker: 12), .part(4_294_967_295, worker: 0)] {
            #expect(Checkpoint.File(name: file.name) == file)
        }
        #expect(Checkpoint.File.state(3, worker: 12).name == "3-12.state")
    }

    @Test(arguments: ["", ".", "3-1", "3.done", "-1.done", "3-1.done.new", "3-1.state.new", "3-1-2.done", "4294967296-0.done", "a-b.done"])
    func otherFilesAreNone(name: String) {
        #expect(Checkpoint.File(name: name) == nil)
    }

    @Test func aCheckpointIsWholeWithThePartsOfAllWorkers() {
        let files = ["1-0.done", "1-1.done", "2-1.done", "2-0.done", "3-0.done", "3-0.state", "3-1.state", "3-1.done.new", "4-7.done", "x"]
        #expect(Checkpoint.complete(files: files, workers: 2) == [2, 1])
        #expect(Checkpoint.complete(files: files, workers: 3) == [])
    }
}
