// SPDX-License-Identifier: Apache-2.0

import Glibc
import Server

@main
struct Program {
    static func main() async {
        exit(await ServerProgram.run(Array(CommandLine.arguments.dropFirst())))
    }
}
