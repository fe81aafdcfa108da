// SPDX-License-Identifier: Apache-2.0

import RankRuntime

@main
struct Program {
    static func main() { RankProgram.main(CommandLine.arguments) }
}
