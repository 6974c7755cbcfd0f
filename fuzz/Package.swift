// swift-tools-version: 6.2
import PackageDescription

// Fuzzers, in a package of their own so that the sanitizers' flags never reach the root manifest.
// From the root of the clone, for 30 s:
//
//     swift build --package-path fuzz -c release -Xswiftc -sanitize=fuzzer,address \
//         -Xcc -fsanitize=fuzzer-no-link,address
//     mkdir -p fuzz/.build/found
//     SWIFT_BACKTRACE=enable=no fuzz/.build/release/FuzzSafetensors -max_total_time=30 \
//         -artifact_prefix=fuzz/.build/ fuzz/.build/found fuzz/corpus/safetensors
//
// The flags stand in the command and not here, because the code to be fuzzed lies in the package
// above and needs them as well.
let package = Package(
    name: "Fuzz",
    platforms: [.macOS(.v26)],
    dependencies: [.package(name: "Recurrent", path: "..")],
    targets: [
        .target(name: "FuzzDriver", path: "FuzzDriver"),
        .executableTarget(
            name: "FuzzSafetensors",
            dependencies: ["FuzzDriver", .product(name: "Recurrent", package: "Recurrent")],
            path: "FuzzSafetensors", swiftSettings: [.unsafeFlags(["-parse-as-library"])]),
        .executableTarget(
            name: "FuzzCheckpoint",
            dependencies: ["FuzzDriver", .product(name: "Recurrent", package: "Recurrent")],
            path: "FuzzCheckpoint", swiftSettings: [.unsafeFlags(["-parse-as-library"])]),
        .executableTarget(
            name: "FuzzShapes", dependencies: [.product(name: "Recurrent", package: "Recurrent")],
            path: "FuzzShapes"),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17
)
