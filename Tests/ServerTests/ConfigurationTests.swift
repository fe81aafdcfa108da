// SPDX-License-Identifier: Apache-2.0

import Foundation
import Identity
import Logging
import Telemetry
import Testing

@testable import Server

@Suite struct ConfigurationTests {
    private static let issuers = "issuers: [{issuer: https://login.test, audiences: [weft]}]\n"

    /// Reads a document as the file would be read.
    private func configuration(_ yaml: String, _ environment: [String: String] = [:]) throws -> Configuration {
        let path = FileManager.default.temporaryDirectory.path() + "/weft-\(UUID().uuidString).yaml"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try yaml.write(toFile: path, atomically: true, encoding: .utf8)
        return try Configuration(file: path, environment: environment)
    }

    private func faults(_ yaml: String, _ environment: [String: String] = [:]) -> [String] {
        do {
            _ = try configuration(yaml, environment)
            return []
        } catch {
            return (error as? ConfigurationError)?.faults ?? ["\(error)"]
        }
    }

    @Test func aFileIsRead() throws {
        let read = try configuration(
            Self.issuers + """
                listen: {host: 0.0.0.0, port: 0, port_file: /run/weft/port}
                public_url: https://weft.example.org/
                database:
                  conninfo: host=/run/postgresql dbname=weft
                  pool_size: 8
                log: {format: json, level: debug}
                local:
                  slots: 3
                """)
        #expect(read.listen == .init(host: "0.0.0.0", port: 0, portFile: "/run/weft/port"))
        #expect(read.publicURL == "https://weft.example.org")
        #expect(read.database == .init(conninfo: "host=/run/postgresql dbname=weft", poolSize: 8))
        #expect(read.log == .init(format: .json, level: .debug))
        #expect(read.local.slots == 3)
        #expect(read.issuers.map(\.issuer) == ["https://login.test"])
    }

    @Test func sectionsWithoutValuesAreDefaults() throws {
        let read = try configuration(Self.issuers + "listen:\nlog:\n  level:\n")
        #expect(read.listen == .init())
        #expect(read.log == .init())
    }

    @Test func variablesAreStronger() throws {
        let read = try configuration(
            Self.issuers + "listen: {port: 1}",
            ["WEFT_LISTEN_PORT": "2", "WEFT_ISSUERS": #"[{"issuer":"https://other.test","audiences":["weft"],"jwks":{"file":"/k"}}]"#])
        #expect(read.listen.port == 2)
        #expect(read.issuers.map(\.issuer) == ["https://other.test"])
        #expect(read.issuers.first?.jwks == .file("/k"))
    }

    @Test func variablesAloneAreEnough() throws {
        let read = try Configuration(file: nil, environment: ["WEFT_ISSUERS": "[{issuer: https://login.test, audiences: [weft]}]"])
        #expect(read.listen == .init())
    }

    @Test(arguments: [
        ("lisen: {port: 1}", "The key lisen in ", "did you mean listen?"),
        ("slots: 4", "The key slots in ", "did you mean local.slots?"),
        ("listen: {prot: 1}", "The key listen.prot in ", "did you mean listen.port?"),
        ("listen: 127.0.0.1:8337", "The key listen in ", "must be a mapping: it holds listen.host, listen.port, listen.port_file."),
        ("listen: {port: http}", "The key listen.port in ", "is 'http': write a whole number from 0 to 65535."),
        ("listen: {port: 70000}", "The key listen.port in ", "is '70000': write a whole number from 0 to 65535."),
        ("listen: {port: [1]}", "The key listen.port in ", "must be a whole number from 0 to 65535, not a list or a mapping."),
        ("log: {level: loud}", "The key log.level in ", "write one of trace, debug"),
        ("data_folder: data", "The key data_folder in ", "write an absolute path."),
        ("public_url: weft.example.org", "The key public_url ", "write an http or https URL"),
    ])
    func whatIsWrongIsNamed(yaml: String, key: String, remedy: String) throws {
        let fault = try #require(faults(Self.issuers + yaml).first)
        #expect(fault.hasPrefix(key) && fault.contains(remedy), "\(fault)")
    }

    @Test func theLineOfAFaultIsTold() throws {
        let fault = try #require(faults(Self.issuers + "listen:\n  port: x\n").first)
        #expect(fault.contains("line 3"), "\(fault)")
    }

    @Test func issuersAreChecked() {
        #expect(faults("listen: {port: 1}") == ["The key issuers is needed: without an issuer no token could be accepted."])
        #expect(faults("issuers: [{issuer: a, audience: [b]}]").first?.contains("unknown key 'audience'") == true)
        #expect(faults("issuers: [{issuer: https://a.test}]").first?.contains("[0].audiences is needed") == true)
        #expect(faults("issuers: [{issuer: 'http://a.test', audiences: [weft]}]").first?.contains("https URL") == true)
    }

    @Test func allThatIsWrongIsToldAtOnce() {
        #expect(faults(Self.issuers + "listen: {port: x, hots: y}\nlog: {format: xml}").count == 3)
    }

    @Test func unknownVariablesThatLookLikeKeysAreRefused() {
        for (variable, meant) in [
            ("WEFT_LISTEN_PROT", "WEFT_LISTEN_PORT"), ("WEFT_LISTENPORT", "WEFT_LISTEN_PORT"), ("WEFT_DATA_FOLDR", "WEFT_DATA_FOLDER"),
        ] {
            #expect(faults(Self.issuers, [variable: "1"]) == ["The variable \(variable) is unknown: did you mean \(meant)?"])
        }
    }

    @Test func variablesOfOtherProgramsAreNot() {
        #expect(faults(Self.issuers, ["WEFT_SERVER": "x", "WEFT_DATA": "x", "WEFT_TOKEN": "x", "WEFT_RUN_ID": "x", "PATH": "x"]) == [])
    }

    @Test func whatIsNotYAMLIsTold() {
        #expect(faults("listen: [").first?.contains("is not YAML") == true)
        #expect(faults("- a").first?.contains("must be a mapping") == true)
        #expect(faults(Self.issuers + Self.issuers).first?.contains("is not YAML") == true)
    }

    @Test func aFileThatIsNotThereIsNamed() {
        let error = #expect(throws: ConfigurationError.self) { try Configuration(file: "/nowhere/weft.yaml", environment: [:]) }
        #expect(error?.faults.first?.hasPrefix("The configuration file /nowhere/weft.yaml cannot be read") == true)
    }
}

/// What is written about the configuration is what there is.
@Suite struct ConfigurationDocumentTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static var keys: [String] {
        var reader = ConfigurationReader(yaml: "", fileName: "none", variables: [:])
        _ = Configuration(&reader)
        return reader.keys
    }

    @Test func everyKeyIsDocumentedAndNoOther() throws {
        let text = try String(contentsOf: Self.root.appending(path: "docs/configuration.md"), encoding: .utf8)
        let rows = text.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { row in
            row.split(separator: "|").prefix(2).map { $0.trimmingCharacters(in: [" ", "`"]) }
        }
        let issuerKeys = IssuerConfiguration.CodingKeys.allCases.map { "issuers[].\($0.rawValue)" }
        #expect(Set(rows.map { $0[0] }) == Set(Self.keys + issuerKeys))
        for row in rows where !row[0].hasPrefix("issuers[]") { #expect(row[1] == ConfigurationReader.variable(of: row[0])) }
    }

    @Test func theSampleIsValidAndNamesEveryKey() throws {
        let path = Self.root.appending(path: "deploy/weft.yaml").path()
        _ = try Configuration(file: path, environment: [:])
        let sample = try String(contentsOfFile: path, encoding: .utf8)
        // What is commented out is a value too, once its comment sign is taken away.
        let uncommented = sample.replacing(/(?m)^( *)#(?=[ a-z_-]*[a-z_]+:)/) { $0.output.1 }
        var reader = ConfigurationReader(yaml: uncommented, fileName: "sample", variables: [:])
        _ = Configuration(&reader)
        reader.refuseUnknown()
        #expect(reader.faults == [])
        for key in Self.keys { #expect(reader.isSet(key), "deploy/weft.yaml does not show \(key)") }
    }
}
