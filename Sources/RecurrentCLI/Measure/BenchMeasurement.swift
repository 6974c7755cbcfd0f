import CLimits
import Histogram

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#elseif canImport(WASILibc)
    import WASILibc
#elseif os(Windows)
    import WinSDK
#else
    import Glibc
#endif

/// Something whose calls are timed.
protocol Work {
    /// The most calls that may follow on one `prepare`.
    static var mostCalls: Int { get }
    /// Puts back what the calls use up; not timed.
    mutating func prepare()
    /// Makes `calls` calls, one after the other.
    mutating func run(calls: Int)
    /// What the calls so far gave, in the textbook's layout: by name, to be compared with another
    /// implementation's.
    func results() -> [(name: String, values: [Float])]
}

extension Work {
    static var mostCalls: Int { 1 << 20 }
    mutating func prepare() {}
}

/// Nanoseconds of the monotonic clock.
func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// Nanoseconds per call.
struct Times {
    let min, median, p99, p999, max: Double
    let samples: Int

    /// With the names that `bench --json` gives them.
    var named: [(name: String, value: Double)] {
        [("min", min), ("median", median), ("p99", p99), ("p999", p999), ("max", max)]
    }
}

/// Times of one piece of work, collected over several passes. The histogram is allocated here,
/// before anything is timed.
struct TimeSampler {
    /// Histograms count picoseconds, because a sample of many calls is divided by their number. The
    /// largest sample is a quarter of an hour.
    private static let picoseconds: UInt64 = 1000, largest: UInt64 = 1 << 50
    private var histogram = Histogram<UInt64>(
        highestTrackableValue: largest, numberOfSignificantValueDigits: .three)
    /// Calls in a sample.
    let calls: Int

    init(calls: Int) { self.calls = calls }

    /// Takes samples for `seconds`, at least one.
    mutating func pass(_ work: inout some Work, seconds: Double) {
        let end = nanoseconds() + UInt64(seconds * 1e9)
        var stop: UInt64
        repeat {
            work.prepare()
            let start = nanoseconds()
            work.run(calls: calls)
            stop = nanoseconds()
            histogram.record(min((stop - start) * Self.picoseconds / UInt64(calls), Self.largest))
        } while stop < end
    }

    var times: Times {
        func nanoseconds(_ percentile: Double) -> Double {
            Double(histogram.valueAtPercentile(percentile)) / Double(Self.picoseconds)
        }
        return Times(
            min: nanoseconds(0), median: nanoseconds(50), p99: nanoseconds(99),
            p999: nanoseconds(99.9), max: nanoseconds(100),
            samples: Int(histogram.totalCount))
    }
}

/// The samplers of one implementation: samples that are long enough for the clock, and samples of
/// one call each.
struct Side {
    /// A reading of the clock costs about 25 ns: half a percent of the shortest sample.
    private static let shortestSample = 5000.0
    /// While warming up: one alone may have been interrupted.
    private static let fewestCalls = 3
    private var long: TimeSampler
    /// Where a sample of `long` is more than one call.
    private var single: TimeSampler?
    /// The shortest call while warming up, in nanoseconds.
    let fastest: Double

    /// Warms up, and finds out how many calls a sample needs.
    init<W: Work>(_ work: inout W, warmUp seconds: Double) {
        let end = nanoseconds() + UInt64(seconds * 1e9)
        var fastest = Double.infinity
        var calls = 0
        repeat {
            work.prepare()
            let start = nanoseconds()
            work.run(calls: 1)
            fastest = min(fastest, Double(nanoseconds() - start))
            calls += 1
        } while calls < Self.fewestCalls || nanoseconds() < end
        let callsPerSample = min(
            W.mostCalls, max(1, Int((Self.shortestSample / max(fastest, 1)).rounded(.up))))
        long = TimeSampler(calls: callsPerSample)
        single = callsPerSample > 1 ? TimeSampler(calls: 1) : nil
        self.fastest = fastest
    }

    mutating func pass(_ work: inout some Work, seconds: Double) {
        long.pass(&work, seconds: single == nil ? seconds : seconds / 2)
        single?.pass(&work, seconds: seconds / 2)
    }

    var calls: Int { long.calls }
    var times: Times { long.times }
    /// Of calls timed one at a time, the clock's own time included.
    var singleTimes: Times { (single ?? long).times }
}

/// Multiply-adds in registers at the core's full rate, as many as last about as long as the work
/// they stand beside: their tail is the machine's.
struct IdleLoop: Work {
    let loops: recurrent_limit_loops
    let rounds: Int
    private let blocks = Blocks()
    private let result: UnsafeMutablePointer<Float>

    init(_ limits: HardwareLimits, nanoseconds: Double) {
        loops = limits.loops
        rounds = max(
            1, Int(nanoseconds * limits.gflops / Double(2 * loops.multiply_adds_per_round)))
        result = blocks(16)
    }

    func run(calls: Int) {
        for _ in 0..<calls {
            loops.multiply_add(rounds, result)
            // Small again, whatever the loop has left there.
            result.update(repeating: 0.01, count: 16)
        }
    }

    func results() -> [(name: String, values: [Float])] { [] }
}

/// What one run measured.
struct Measurement {
    let ours: Side, theirs: Side?
    private(set) var idle = TimeSampler(calls: 1)

    /// Passes of ours, theirs and the idle loop, in turn: a slow second of the machine meets all of
    /// them.
    private static let passes = 10
    /// OpenBLAS's threads look for more work for about 20 ms before they sleep, on cores that our
    /// threads need.
    private static let restMicroseconds: UInt32 = 50_000

    init<Ours: Work, Theirs: Work>(
        _ ours: inout Ours, against theirs: inout Theirs?, _ settings: BenchSettings,
        _ limits: HardwareLimits
    ) {
        let seconds = settings.seconds
        var oursSide = Side(&ours, warmUp: seconds / Double(Self.passes))
        var theirsSide = theirs == nil ? nil : Side(&theirs!, warmUp: seconds / Double(Self.passes))
        var idleLoop = IdleLoop(limits, nanoseconds: oursSide.fastest)
        for pass in 0..<Self.passes {
            settings.progress.show(Double(pass) / Double(Self.passes))
            oursSide.pass(&ours, seconds: seconds / Double(Self.passes))
            if theirs != nil {
                theirsSide!.pass(&theirs!, seconds: seconds / Double(Self.passes))
                if settings.threads > 1 { usleep(Self.restMicroseconds) }
            }
            idle.pass(&idleLoop, seconds: seconds / Double(2 * Self.passes))
        }
        (self.ours, self.theirs) = (oursSide, theirsSide)
    }
}

/// Compares what `calls` calls of each give, element by element.
///
/// Elements are sums whose terms may cancel, so their errors go by the size of the terms, of which
/// the largest element tells.
///
/// - Throws: at the first element that is further apart than `tolerance` times the largest
///   magnitude of its result, or 1 if that is larger.
func checkAgreement(
    _ ours: inout some Work, _ theirs: inout some Work, calls: Int, tolerance: Double
) throws(Failure) {
    ours.prepare()
    ours.run(calls: calls)
    theirs.prepare()
    theirs.run(calls: calls)
    for (our, their) in zip(ours.results(), theirs.results()) {
        precondition(
            our.name == their.name && our.values.count == their.values.count,
            "bench: compares \(our.name) with \(their.name)")
        let allowed = tolerance * their.values.reduce(1.0) { max($0, Double($1.magnitude)) }
        for (index, (a, b)) in zip(our.values, their.values).enumerated() {
            guard (Double(a) - Double(b)).magnitude <= allowed else {
                throw Failure(
                    .software,
                    "\(our.name)[\(index)]: not the same; expected \(b) ± \(allowed), found \(a)")
            }
        }
    }
}
