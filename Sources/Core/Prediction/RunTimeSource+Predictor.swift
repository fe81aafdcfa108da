// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

extension RunTimeSource {
    /// `nil` where nothing is learned.
    package var predictor: (any RunTimePredictor)? {
        switch self {
        case .user, .oracle: nil
        case .tsafrir: LastTwo()
        case .similar: SimilarPast()
        }
    }
}
