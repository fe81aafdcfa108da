// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// The policies that an operator chooses from.
package enum NamedPolicy: String, Sendable, Codable, CaseIterable {
    case firstComeFirstServed = "fcfs"
    case easy
    case easyShortestFirst = "easy_sjbf"
    /// EASY with predicted run times, the shortest first (Tsafrir, Etsion, Feitelson 2007).
    case easyPlusPlus = "easy++"
    /// Ordered by wait, expected run time and size, with a guard and promotion against starvation.
    case wfp3
    case conservative
    /// What Weft does where nothing else is configured.
    case weft

    package var policy: SchedulingPolicy {
        switch self {
        case .firstComeFirstServed: .firstComeFirstServed
        case .easy: .easy
        case .easyShortestFirst, .easyPlusPlus: .easyShortestFirst
        case .wfp3: .wfp3
        case .conservative: .conservative
        case .weft: .weft
        }
    }

    /// What it goes by unless told otherwise.
    package var source: RunTimeSource {
        switch self {
        case .firstComeFirstServed, .easy, .easyShortestFirst, .conservative: .user
        case .easyPlusPlus, .wfp3: .tsafrir
        case .weft: .similar
        }
    }
}
