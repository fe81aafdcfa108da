// SPDX-License-Identifier: Apache-2.0

/// Paths of files that match a pattern, or that lie in a directory, in the order of their names.
struct ListFiles: Operation {
    private struct Place {
        var path: String
        /// What is left of the pattern; nothing: the path itself is meant.
        var rest: ArraySlice<String>
    }

    private let files: any FileAccess
    private let pattern: String?
    private let isRecursive: Bool
    private let isRequired: Bool
    /// The pattern at hand, and where it is yet to be looked for, the last one first.
    private var current = ""
    private var places: [Place] = []
    private var hasFound = false

    init(files: any FileAccess, pattern: String?, recursive: Bool, required: Bool) {
        self.files = files
        self.pattern = pattern
        isRecursive = recursive
        isRequired = required
    }

    mutating func process(_ value: Value?, _ outputs: inout Outputs) throws(NativeError) -> Progress {
        if let pattern {
            current = pattern
        } else {
            guard case .string(let text) = try value.required() else {
                throw NativeError("a pattern or a directory is due, as 'data/*.csv'")
            }
            current = text
        }
        var components = current.split(separator: "/").map(String.init)
        if !GlobPattern.isPattern(current) {
            guard let kind = try files.kind(of: current) else {
                if isRequired { throw NativeError("there is no file or directory '\(current)'") }
                return .done
            }
            if kind == .directory { components += isRecursive ? ["**", "*"] : ["*"] }
        }
        hasFound = false
        places = [Place(path: current.hasPrefix("/") ? "/" : "", rest: components[...])]
        return try resume(&outputs)
    }

    mutating func resume(_ outputs: inout Outputs) throws(NativeError) -> Progress {
        while !outputs.isFull, let place = places.popLast() {
            guard let component = place.rest.first else {
                hasFound = true
                outputs.write(.string(place.path))
                continue
            }
            let others = place.rest.dropFirst()
            if !GlobPattern.isPattern(component) {
                let path = Self.join(place.path, component)
                if let kind = try files.kind(of: path), kind == .directory || others.isEmpty {
                    if kind == .file || !others.isEmpty { places.append(Place(path: path, rest: others)) }
                }
                continue
            }
            try expand(place, component, others)
        }
        if !places.isEmpty { return .more }
        if isRequired, !hasFound {
            throw NativeError("no file matches '\(current)': correct the pattern, or set 'required' to false where there may be none")
        }
        return .done
    }

    /// Adds the entries of the directory that match.
    private mutating func expand(_ place: Place, _ component: String, _ others: ArraySlice<String>) throws(NativeError) {
        let entries = try files.entries(of: place.path.isEmpty ? "." : place.path)
        let isDeep = component == "**"
        let pattern = GlobPattern(component)
        var found: [Place] = []
        for entry in entries {
            let path = Self.join(place.path, entry.name)
            guard !entry.name.hasPrefix(".") || component.hasPrefix(".") else { continue }
            if isDeep {
                if entry.kind == .directory { found.append(Place(path: path, rest: place.rest)) }
            } else if pattern.matches(entry.name), (entry.kind == .file) == others.isEmpty {
                found.append(Place(path: path, rest: others))
            }
        }
        places += found.reversed()
        // `**` stands for no directory as well.
        if isDeep { places.append(Place(path: place.path, rest: others.isEmpty ? ["*"] : others)) }
    }

    private static func join(_ directory: String, _ name: String) -> String {
        directory.isEmpty || directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
    }
}
