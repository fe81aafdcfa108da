// SPDX-License-Identifier: Apache-2.0

import Commands
import Glibc

@main
struct Program {
    static func main() async {
        exit(await CommandLineProgram.run(Array(CommandLine.arguments.dropFirst())))
    }
}
