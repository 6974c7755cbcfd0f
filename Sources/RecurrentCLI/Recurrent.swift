import ArgumentParser

@main
struct Recurrent: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "recurrent")
}
