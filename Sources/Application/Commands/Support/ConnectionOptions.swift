// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// Which server a command talks to.
struct ConnectionOptions: ParsableArguments {
    @Option(help: "Address of the server (default: $WEFT_SERVER, else the one that `weft up` started).")
    var server: String?

    func client() throws -> APIClient {
        let variables = processEnvironment()
        let context = ContextFile.current(variables: variables)
        let named = [server, variables["WEFT_SERVER"], context.read()?.server].compactMap { $0 }.first { !$0.isEmpty }
        guard var address = named else {
            throw CommandFailure(
                "No server is known. Start one on this machine with `weft up`, or name one with --server or WEFT_SERVER.")
        }
        guard address.hasPrefix("http://") || address.hasPrefix("https://") else {
            throw CommandFailure("'\(address)' is no address of a server: write http://… or https://….", status: .usage)
        }
        while address.last == "/" { address.removeLast() }
        return APIClient(
            server: address, credentials: Credentials(server: address, discovery: TokenDiscovery(variables: variables), context: context))
    }
}
