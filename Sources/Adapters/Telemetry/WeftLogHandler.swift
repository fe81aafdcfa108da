// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
package import Logging
import Synchronization

/// Writes log records of this process in the configured form.
package enum LoggingSetup {
    /// Sends every logger of the process to standard error. Call it once, first of all.
    package static func bootstrap(format: LogFormat, level: Logger.Level) {
        LoggingSystem.bootstrap { label in
            WeftLogHandler(label: label, format: format, level: level, write: standardError)
        }
    }

    private static let lock = Mutex(())

    private static func standardError(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        lock.withLock { _ in
            var position = 0
            while position < bytes.count {
                let written = bytes[position...].withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
                if written > 0 {
                    position += written
                } else if errno != EINTR {
                    return  // a log that cannot be written must not stop the program
                }
            }
        }
    }
}

struct WeftLogHandler: LogHandler {
    let label: String
    let format: LogFormat
    let write: @Sendable (String) -> Void
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(label: String, format: LogFormat, level: Logger.Level, write: @escaping @Sendable (String) -> Void) {
        self.label = label
        self.format = format
        self.write = write
        logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        // The nearer to the call, the stronger.
        var all = metadataProvider?.get() ?? [:]
        all.merge(metadata) { $1 }
        if let error = event.error { all["error"] = "\(error)" }
        all.merge(event.metadata ?? [:]) { $1 }
        let record = LogRecord(at: Date(), level: event.level, logger: label, message: event.message.description, metadata: all)
        write(record.line(format))
    }
}
