// SPDX-License-Identifier: Apache-2.0

import CPosix
import DequeModule
import Glibc
import StreamEngine
import WorkflowModel

/// What the nursery answers.
enum NurseryReply {
    case started(pid: Int32)
    case ended(WorkerEnd.Status)
    case refused(String)
    /// The module cannot be loaded: body of a FAILED frame.
    case failed([UInt8])
}

/// A rank's connection to the nursery of its node.
struct NurseryConnection {
    /// The nursery is gone.
    struct Lost: Error {}

    private struct Request: Encodable {
        var worker: Int
        var environment: [String: String]
    }

    private struct Reply: Decodable {
        var worker: Int
        var pid: Int32?
        var status: Int32?
        var refused: String?
        var failed: JSONValue?
    }

    let socket: Int32
    private var requests: Deque<(message: [UInt8], ends: WorkerConnection, arena: Int32)> = []

    /// - Returns: nothing where no nursery of this user listens.
    init?(address: String) {
        var connected: Int32 = -1
        guard weft_connect(address, &connected) == 0 else { return nil }
        socket = connected
    }

    var interest: pollfd { pollfd(fd: socket, events: Int16(POLLIN), revents: 0) }

    /// Asks for a worker.
    /// - Parameter ends: handed over once the request is sent.
    mutating func ask(for worker: Int, own: [String: String], ends: WorkerConnection, arena: Int32) throws {
        requests.append((try WireJSON.encode(Request(worker: worker, environment: own)), ends, arena))
    }

    /// Sends the requests that fit.
    mutating func flush() throws(Lost) {
        while let (message, ends, arena) = requests.first {
            let descriptors = [ends.handedOver.channel, ends.handedOver.output, arena]
            let sent = message.withUnsafeBytes { weft_send_descriptors(socket, $0.baseAddress, $0.count, descriptors, 3) }
            // The system lets only so many descriptors be on their way (ETOOMANYREFS).
            if sent < 0, errno == EAGAIN || errno == ETOOMANYREFS || errno == ENOBUFS { return }
            guard sent == message.count else { throw Lost() }
            ends.handOver()
            requests.removeFirst()
        }
    }

    /// The next reply, if one has come.
    func receive(_ buffer: UnsafeMutableRawBufferPointer) throws -> (worker: Int, reply: NurseryReply)? {
        let count = weft_receive(socket, buffer.baseAddress, buffer.count)
        if count < 0, errno == EAGAIN { return nil }
        guard count > 0 else { throw Lost() }
        guard count <= buffer.count, let reply = try? WireJSON.decode(Reply.self, from: buffer[..<count]), let meaning = meaning(of: reply)
        else { throw StreamViolation("the nursery sent a message of \(count) bytes that cannot be understood") }
        return (reply.worker, meaning)
    }

    private func meaning(of reply: Reply) -> NurseryReply? {
        if let status = reply.status { return WorkerEnd.Status(waitStatus: status).map { .ended($0) } }
        if let pid = reply.pid { return .started(pid: pid) }
        if let refused = reply.refused { return .refused(refused) }
        return reply.failed.flatMap { try? WireJSON.encode($0) }.map { .failed($0) }
    }

    /// What has not been sent is the caller's to answer.
    func close() {
        for request in requests { request.ends.handOver() }
        Glibc.close(socket)
    }
}
