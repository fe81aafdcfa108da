// SPDX-License-Identifier: Apache-2.0

/// The files of a node. Relative paths are in the run's working directory. Errors name the path and the reason.
package protocol FileAccess {
    /// `nil` where there is nothing of that name.
    func kind(of path: String) throws(NativeError) -> FileKind?
    /// Names in the directory, in the order of their characters' codes.
    func entries(of directory: String) throws(NativeError) -> [(name: String, kind: FileKind)]
    func open(_ path: String) throws(NativeError) -> any FileReader
    /// Begins a file that appears under its name, whole, when it is committed; directories that lack are made.
    func create(_ path: String) throws(NativeError) -> any FileWriter
}

package enum FileKind: Sendable { case file, directory }

package protocol FileReader: AnyObject {
    /// The next bytes, at most so many; none at the end.
    func read(_ count: Int) throws(NativeError) -> [UInt8]
}

package protocol FileWriter: AnyObject {
    func write(_ bytes: [UInt8]) throws(NativeError)
    /// Puts the file in place.
    /// - Returns: its absolute path.
    func commit() throws(NativeError) -> String
}
