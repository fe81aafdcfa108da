// SPDX-License-Identifier: Apache-2.0

import CMPI
import StreamEngine

/// A call of MPI that failed.
package struct MPIError: Error, CustomStringConvertible {
    package var description: String
}

/// Messages between ranks over MPI. One exists per process, and only the main thread uses it.
///
/// Nothing finalizes MPI but ``finalize()``: after an error the job is aborted, and MPI's own calls must still work then.
package final class MPITransport: Transport {
    private struct Departing {
        var request: weft_mpi_request
        /// Owned until the request completes: MPI reads it in the background.
        let bytes: UnsafeMutableRawBufferPointer
    }

    package let rank: Int
    package let size: Int
    private var departing: [Departing] = []
    private var barrier: weft_mpi_request?

    private init() {
        rank = Int(weft_mpi_rank())
        size = Int(weft_mpi_size())
    }

    /// Joins the job that `mpirun` started this process in; alone, a job of one rank.
    package static func start() throws(MPIError) -> MPITransport {
        try check(weft_mpi_init(), "MPI_Init_thread")
        return MPITransport()
    }

    package var unsent: Int { departing.count }

    package func send(_ message: [UInt8], to rank: Int) throws {
        guard message.count <= Int32.max else {
            throw MPIError(description: "a message of \(message.count) bytes to rank \(rank): MPI carries at most \(Int32.max)")
        }
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: message.count, alignment: 16)
        bytes.copyBytes(from: message)
        var request = weft_mpi_request()
        let error = weft_mpi_isend(bytes.baseAddress, bytes.count, Int32(rank), &request)
        departing.append(Departing(request: request, bytes: bytes))
        try Self.check(error, "MPI_Isend of \(message.count) bytes to rank \(rank)")
    }

    package func receive() throws -> (bytes: [UInt8], rank: Int)? {
        try releaseSent()
        var found: Int32 = 0
        var message = weft_mpi_message()
        try Self.check(weft_mpi_improbe(&found, &message), "MPI_Improbe")
        guard found != 0 else { return nil }
        var error: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(message.size)) { buffer, count in
            error = weft_mpi_mrecv(&message, buffer.baseAddress)
            count = error == 0 ? Int(message.size) : 0
        }
        try Self.check(error, "MPI_Mrecv of \(message.size) bytes from rank \(message.source)")
        return (bytes, Int(message.source))
    }

    private func releaseSent() throws(MPIError) {
        var kept = 0
        for index in departing.indices {
            var completed: Int32 = 0
            try Self.check(weft_mpi_test(&departing[index].request, &completed), "MPI_Test of a send")
            if completed != 0 {
                departing[index].bytes.deallocate()
            } else {
                departing.swapAt(kept, index)
                kept += 1
            }
        }
        departing.removeLast(departing.count - kept)
    }

    /// Whether every rank has asked this, so that none needs another any more. Ask until it is so.
    package func allHaveFinished() throws(MPIError) -> Bool {
        var request = barrier ?? weft_mpi_request()
        if barrier == nil { try Self.check(weft_mpi_ibarrier(&request), "MPI_Ibarrier") }
        var completed: Int32 = 0
        try Self.check(weft_mpi_test(&request, &completed), "MPI_Test of the barrier")
        barrier = request
        return completed != 0
    }

    /// Leaves the job, once ``allHaveFinished()``.
    package func finalize() throws(MPIError) { try Self.check(weft_mpi_finalize(), "MPI_Finalize") }

    /// Ends every rank of the job.
    package func abort(code: Int32) -> Never { weft_mpi_abort(code) }

    private static func check(_ error: Int32, _ call: @autoclosure () -> String) throws(MPIError) {
        guard error != 0 else { return }
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(WEFT_MPI_TEXT)) { buffer in
            guard let start = buffer.baseAddress else { return "" }
            weft_mpi_error_text(error, start)
            return String(cString: start)
        }
        throw MPIError(description: "\(call()) failed: \(text)")
    }
}
