// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.strictMemorySafety()]

let package = Package(
    name: "Recurrent",
    platforms: [.macOS(.v15), .iOS(.v18), .tvOS(.v18), .watchOS(.v11), .visionOS(.v2)],
    products: [
        .library(name: "Recurrent", targets: ["Recurrent", "RecurrentFormats"]),
        .library(name: "RecurrentReference", targets: ["RecurrentReference"]),
    ],
    traits: [
        .trait(
            name: "OpenBLAS",
            description: "Compare with OpenBLAS in `recurrent bench` and in the tests."),
        .default(enabledTraits: []),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-numerics", from: "1.1.1"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        .target(
            name: "CRecurrent", path: "CKernels", exclude: ["CMakeLists.txt", "recurrent.pc.in"],
            publicHeadersPath: "include"),
        .target(
            name: "Recurrent", dependencies: ["CRecurrent", "RecurrentFormats"],
            swiftSettings: strict),
        .target(name: "RecurrentFormats", swiftSettings: strict),
        .target(name: "RecurrentReference", path: "Sources/Reference", swiftSettings: strict),
        .target(name: "CLimits"),
        .systemLibrary(
            name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        // Not a product: whoever depends on this package fetches and builds nothing for it.
        .executableTarget(
            name: "recurrent-cli",
            dependencies: [
                "Recurrent", "RecurrentFormats", "CLimits",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
                .target(name: "COpenBLAS", condition: .when(traits: ["OpenBLAS"])),
            ],
            path: "Sources/RecurrentCLI"
        ),
        .target(
            name: "TestSupport",
            dependencies: ["Recurrent", "RecurrentFormats", "RecurrentReference", "CRecurrent"],
            path: "Tests/TestSupport"),
        .testTarget(
            name: "ReferenceTests",
            dependencies: [
                "RecurrentReference", "TestSupport",
                .product(name: "ComplexModule", package: "swift-numerics"),
                .product(name: "RealModule", package: "swift-numerics"),
            ]
        ),
        .testTarget(
            name: "KernelTests",
            dependencies: [
                "CRecurrent", "RecurrentReference", "TestSupport",
                .target(name: "COpenBLAS", condition: .when(traits: ["OpenBLAS"])),
            ]
        ),
        .target(name: "CMallocCounter", path: "Tests/CMallocCounter"),
        .target(name: "CRealtime", path: "Tests/CRealtime"),
        .executableTarget(
            name: "AllocationDriver", dependencies: ["Recurrent", "CRealtime"],
            path: "Tests/AllocationDriver"),
        .testTarget(
            name: "RecurrentTests",
            dependencies: [
                "CRecurrent", "Recurrent", "RecurrentFormats", "RecurrentReference", "TestSupport",
                "AllocationDriver", "CMallocCounter",
            ]
        ),
        .target(name: "CFileFaults", path: "Tests/CFileFaults"),
        .testTarget(name: "FormatsTests", dependencies: ["RecurrentFormats", "CFileFaults"]),
        .testTarget(
            name: "CLITests",
            dependencies: [
                "recurrent-cli", "Recurrent", "RecurrentFormats", "RecurrentReference",
                "TestSupport",
                .product(name: "Subprocess", package: "swift-subprocess"),
            ]
        ),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17
)
