// swift-tools-version:6.2
import PackageDescription

/// Applied to every Swift target. `package` access joins the targets; nothing is `public`.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// A layer of the design. Its name is the folder under `Sources/`; imports run downwards only
/// (`Tests/ArchitectureTests` holds the package to it).
enum Layer: String {
    case core = "Core"
    case adapters = "Adapters"
    case application = "Application"
    case programs = "Programs"
}

func target(
    _ layer: Layer, _ name: String, _ dependencies: [Target.Dependency] = [],
    path: String? = nil, exclude: [String] = [], sources: [String]? = nil, resources: [Resource]? = nil
) -> Target {
    let path = path ?? "Sources/\(layer.rawValue)/\(name)"
    if layer == .programs {
        return .executableTarget(name: name, dependencies: dependencies, path: path, swiftSettings: strict)
    }
    return .target(
        name: name, dependencies: dependencies, path: path, exclude: exclude, sources: sources, resources: resources,
        swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let collections = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let jwt = Target.Dependency.product(name: "JWTKit", package: "jwt-kit")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let coreMetrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")

let package = Package(
    name: "weft",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "weftd", targets: ["weftd"]),
        .executable(name: "weft", targets: ["weft"]),
        .executable(name: "weft-rank", targets: ["weft-rank"]),
    ],
    // Exact versions, so that a clean build is the build that was tested.
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", exact: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", exact: "1.0.2"),
        .package(url: "https://github.com/vapor/jwt-kit", exact: "5.7.1"),
    ],
    targets: [
        // C layer: system libraries, and thin shims where a header cannot be imported as it is.
        .systemLibrary(name: "CPostgres", path: "Sources/C/CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "COpenMPI", path: "Sources/C/COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
        .systemLibrary(name: "CCurl", path: "Sources/C/CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(name: "CMPI", dependencies: ["COpenMPI"], path: "Sources/C/CMPI"),
        .target(name: "CNetwork", dependencies: ["CCurl"], path: "Sources/C/CNetwork"),
        .target(name: "CPosix", path: "Sources/C/CPosix"),

        // Core: values in, values out. No I/O, no clock, no global state.
        target(.core, "WorkflowModel"),
        target(.core, "Planning", ["WorkflowModel"]),
        target(.core, "StreamEngine", ["WorkflowModel", collections]),
        target(.core, "Scheduling", ["WorkflowModel"]),
        target(.core, "Prediction", ["WorkflowModel"]),
        target(.core, "Provenance", ["WorkflowModel"]),
        target(.core, "NativeElements", ["WorkflowModel"]),
        target(.core, "GraphFormats", ["WorkflowModel", "NativeElements", yams]),

        // Adapters: one part of the outside world each.
        target(.adapters, "Postgres", ["CPostgres"]),
        target(.adapters, "HTTPClient", ["CNetwork"]),
        target(.adapters, "Identity", ["WorkflowModel", "HTTPClient", jwt, crypto]),
        target(.adapters, "Telemetry", ["WorkflowModel", coreMetrics, logging]),
        target(.adapters, "MPITransport", ["CMPI", "CPosix", "StreamEngine"]),
        target(.adapters, "PythonHost", ["CPosix", "StreamEngine", "WorkflowModel"]),
        target(.adapters, "NativeHost", ["CPosix", "NativeElements", "Provenance", "StreamEngine", "WorkflowModel", collections]),
        target(.adapters, "Backends", ["WorkflowModel", "CPosix", "HTTPClient", subprocess]),
        target(
            .adapters, "PythonPackage", path: "python", exclude: ["tests", "pyproject.toml", "README.md"],
            sources: ["PythonPackage.swift"],
            resources: [
                .embedInCode("weft/__init__.py"), .embedInCode("weft/elements.py"), .embedInCode("weft/graph.py"),
                .embedInCode("weft/compat.py"), .embedInCode("weft/hashing.py"), .embedInCode("weft/records.py"),
                .embedInCode("weft/loader.py"), .embedInCode("weft/worker.py"), .embedInCode("weft/channel.py"),
                .embedInCode("weft/chunks.py"), .embedInCode("weft/outbox.py"), .embedInCode("weft/stage.py"),
                .embedInCode("weft/nursery.py"), .embedInCode("weft/aggregates.py"), .embedInCode("weft/command.py"),
                .embedInCode("weft/documents.py"), .embedInCode("weft/drawing.py"), .embedInCode("weft/monitoring.py"),
                .embedInCode("weft/native.py"), .embedInCode("weft/provenance.py"), .embedInCode("weft/simple.py"),
                .embedInCode("weft/testing_elements.py"), .embedInCode("weft/utilities.py"), .embedInCode("weft/arena.py"),
                .embedInCode("weft/chains.py"), .embedInCode("weft/failures.py"), .embedInCode("weft/hosts.py"),
                .embedInCode("weft/policy.py"), .embedInCode("weft/printing.py"), .embedInCode("weft/profile.py"),
                .embedInCode("weft/recorder.py"), .embedInCode("weft/values.py"), .embedInCode("weft/watch.py"),
                .embedInCode("weft/ports.py"), .embedInCode("weft/ending.py"),
                .embedInCode("weft/checkpoints.py"),
            ]),

        // Application: use cases, their storage and their faces.
        target(
            .application, "Storage", ["Postgres", "WorkflowModel", "Provenance"],
            resources: [
                .embedInCode("Migrations/0001-initial.sql"), .embedInCode("Migrations/0002-runs-of-calls.sql"),
                .embedInCode("Migrations/0003-applications.sql"), .embedInCode("Migrations/0004-resumed-attempts.sql"),
                .embedInCode("Migrations/0005-checkpoints.sql"), .embedInCode("Migrations/0006-clusters.sql"),
                .embedInCode("Migrations/0007-scheduling.sql"),
                .embedInCode("Migrations/0008-costs.sql"), .embedInCode("Migrations/0009-history.sql"),
                .embedInCode("Migrations/0010-scheduler-records.sql"), .embedInCode("Migrations/0011-usage.sql"),
            ]),
        target(
            .application, "ExecutionService",
            [
                "Storage", "WorkflowModel", "Planning", "Prediction", "Scheduling", "Provenance", "GraphFormats", "Backends",
                "PythonPackage", subprocess,
                logging, metrics, crypto,
            ]),
        target(
            .application, "HTTPAPI",
            ["ExecutionService", "WorkflowModel", "Identity", "Telemetry", hummingbird, lifecycle, logging, metrics, nioCore],
            resources: [.embedInCode("openapi.yaml")]),
        target(
            .application, "Server",
            [
                "HTTPAPI", "HTTPClient", "ExecutionService", "Scheduling", "Storage", "Postgres", "Identity", "Telemetry", "Backends",
                "WorkflowModel", argumentParser, hummingbird, yams, lifecycle, logging, metrics, nioCore,
            ]),
        target(
            .application, "RankRuntime",
            ["WorkflowModel", "StreamEngine", "Provenance", "MPITransport", "PythonHost", "NativeHost", "CPosix", collections, crypto]),
        target(
            .application, "Commands",
            [
                "WorkflowModel", "Planning", "Scheduling", "Prediction", "GraphFormats", "Provenance", "HTTPClient", "Identity", "Backends",
                "PythonPackage", "CPosix", argumentParser, subprocess,
            ]),

        // Programs: an `@main` each and nothing else.
        target(.programs, "weftd", ["Server"]),
        target(.programs, "weft", ["Commands"]),
        target(.programs, "weft-rank", ["RankRuntime"]),

        // Measures the scheduler without launching anything.
        .executableTarget(
            name: "scheduler-bench",
            dependencies: ["Scheduling", "ExecutionService", "Storage", "Postgres", "Backends", "WorkflowModel"],
            path: "bench/SchedulerBench", swiftSettings: strict),

        // Tests mirror targets.
        .target(
            name: "TestSupport", dependencies: ["WorkflowModel", "HTTPClient", "Identity", subprocess],
            path: "Tests/TestSupport", exclude: ["oidc_provider.py"], swiftSettings: strict),
        tests("ArchitectureTests", []),
        tests("WorkflowModelTests", ["WorkflowModel"]),
        tests("PlanningTests", ["Planning", "WorkflowModel"]),
        tests("StreamEngineTests", ["StreamEngine", "WorkflowModel"]),
        tests("SchedulingTests", ["Scheduling", "Prediction", "WorkflowModel"]),
        tests("PredictionTests", ["Prediction", "WorkflowModel"]),
        tests("ProvenanceTests", ["Provenance", "WorkflowModel"]),
        tests("NativeElementsTests", ["NativeElements", "WorkflowModel"]),
        tests("GraphFormatsTests", ["GraphFormats", "NativeElements", "WorkflowModel"]),
        tests("NativeHostTests", ["NativeHost", "NativeElements", "Provenance", "StreamEngine", "WorkflowModel"]),
        tests("MPITransportTests", ["MPITransport", "CPosix", "StreamEngine"]),
        tests("PostgresTests", ["Postgres", "TestSupport"]),
        tests("IdentityTests", ["Identity", "WorkflowModel", "HTTPClient", "TestSupport", jwt, crypto]),
        tests("TelemetryTests", ["Telemetry", "WorkflowModel", coreMetrics, logging]),
        tests("PythonHostTests", ["PythonHost", "StreamEngine", "WorkflowModel"]),
        tests("RankRuntimeTests", ["RankRuntime", "PythonHost", "Provenance", "StreamEngine", "WorkflowModel"]),
        tests("BackendsTests", ["Backends", "HTTPClient", "TestSupport", "WorkflowModel"], exclude: ["Samples"]),
        tests("StorageTests", ["Storage", "Postgres", "Provenance", "WorkflowModel", "TestSupport"]),
        tests("ExecutionServiceTests", ["ExecutionService", "Prediction", "Scheduling", "Storage", "WorkflowModel"]),
        tests("HTTPAPITests", ["HTTPAPI", "HTTPClient", "Identity", "WorkflowModel", hummingbird, logging, yams]),
        tests("ServerTests", ["Server", "Identity", "Telemetry", logging]),
        tests("CommandsTests", ["Commands", "Provenance", "Scheduling", "WorkflowModel"]),
        tests(
            "IntegrationTests",
            ["TestSupport", "WorkflowModel", "HTTPClient", "Identity", "Postgres", crypto, "weftd", "weft", "weft-rank"],
            exclude: ["Workflows"]),
    ]
)
