# What a package that depends on this one fetches, builds and is warned of: nothing but the library.
# Its caches are empty, and nothing is downloaded.
consumer=$work/consumer
mkdir -p "$consumer/Sources/consumer"
cat >"$consumer/Package.swift" <<END
// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "consumer",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "Recurrent", path: "$PWD")],
    targets: [
        .executableTarget(
            name: "consumer",
            dependencies: [
                .product(name: "Recurrent", package: "Recurrent"),
                .product(name: "RecurrentReference", package: "Recurrent"),
            ])
    ]
)
END
cat >"$consumer/Sources/consumer/main.swift" <<'END'
import Recurrent
import RecurrentReference

if #available(macOS 26, *) {
    var lstm = LSTM<1, 40>()
    print(lstm.step([0.5]).count)
}
print(RecurrentReference.Activation.tanh(0.5))
END
mkdir "$work/cache"
swift build --package-path "$consumer" --scratch-path "$consumer/.build" \
    --cache-path "$work/cache" 2>&1 | tee "$work/consumer.log"
if grep -iE 'warning|fetch' "$work/consumer.log"; then exit 1; fi
if [ -e "$consumer/.build/checkouts" ] && ls "$consumer/.build/checkouts" | grep .; then exit 1; fi
"$consumer/.build/debug/consumer"
# And its modules are these.
modules=$(cd "$consumer/.build/debug/Modules" && ls -- *.swiftmodule | sed 's/\..*//' | sort |
    tr '\n' ' ')
echo "modules of a consumer: $modules" >&3
[ "$modules" = 'Recurrent RecurrentFormats RecurrentReference consumer ' ]
